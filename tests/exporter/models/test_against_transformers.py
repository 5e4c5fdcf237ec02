"""Exported files in onnxruntime against an independent implementation with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support import oracle
from support.parity import DEPTH_LIMIT, hold_file

import dptscope
from dptscope import contract

SIZES = [(70, 70), (14, 14), (98, 42), (28, 140), (126, 112)]  # native, one patch, tall, wide, larger than native


def hold_against(case: Any, image: torch.Tensor) -> None:
    depth, tokens = oracle.run(case.oracle, image)
    hold_file(case.exported.model, image, {contract.DEPTH: depth}, tokens)


@pytest.mark.parametrize("size", [s for s in SIZES if s != (14, 14)])
@pytest.mark.parametrize("name", ["v2_hugging_face", "v1_original"])
def test_dynamic(request: pytest.FixtureRequest, name: str, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(sum(size))
    hold_against(request.getfixturevalue(name), torch.randn(2, 3, *size, generator=generator))


def test_one_patch(v2_hugging_face: Any) -> None:
    """The smallest image there is: depth of a batch, so that its standard deviation means something."""
    hold_against(v2_hugging_face, torch.randn(4, 3, 14, 14, generator=torch.Generator().manual_seed(5)))


def test_fixed_metric(metric_fixed: Any) -> None:
    card = metric_fixed.exported.card
    assert (card.depth_kind, card.max_depth, card.dynamic) == ("metric", 80.0, False)
    hold_against(metric_fixed, torch.randn(3, 3, 98, 56, generator=torch.Generator().manual_seed(7)))


def test_fusion_scales_multiply_what_the_contract_says(v2_hugging_face: Any) -> None:
    """Scales put into the oracle by hand, where its fusion carries a map from one block to the next."""
    scales = (0.5, -1.5, 0.25, 2.0)
    hub = v2_hugging_face.oracle
    image = torch.randn(1, 3, 84, 112, generator=torch.Generator().manual_seed(8))
    layers = list(hub.neck.fusion_stage.layers)  # coarse to fine: blocks 4, 3, 2, 1

    def scale_carried(number: int) -> Any:
        return lambda _module, inputs: (inputs[0] * scales[number - 1], *inputs[1:])

    hooks = [layer.register_forward_pre_hook(scale_carried(4 - index)) for index, layer in enumerate(layers)]
    wanted = oracle.run(hub, image)[0].numpy()
    for hook in hooks:
        hook.remove()
    plain = oracle.run(hub, image)[0].numpy()

    model = dptscope.load(v2_hugging_face.exported.model)
    got = model.run(image.numpy(), [contract.DEPTH], scales)[contract.DEPTH]
    assert np.abs(wanted - plain).max() > 0.5 * plain.std(), "the scales must matter"
    assert np.abs(got - wanted).max() <= DEPTH_LIMIT * wanted.std()


@pytest.mark.parametrize(
    ("blocks", "indices", "swiglu", "max_depth"),
    [(24, (5, 12, 18, 24), False, None), (4, (1, 2, 3, 4), True, None), (12, (3, 6, 9, 12), False, 20)],
)
def test_torch_models_of_both_layouts(
    tmp_path: Any, blocks: int, indices: tuple[int, ...], swiglu: bool, max_depth: float | None
) -> None:
    """ViT-L's taps, ViT-G's gated MLP and a metric head, before any export."""
    from safetensors.torch import load_file

    from dptscope_export.checkpoints.read import read_checkpoint
    from dptscope_export.families import ExportOptions, recognise
    from dptscope_export.pipeline import build

    hub = oracle.depth_anything(blocks, indices, max_depth=max_depth, swiglu=swiglu, seed=4)
    folder = oracle.save_hugging_face(hub, tmp_path / "hub")
    torch.save(oracle.to_original(load_file(folder / "model.safetensors")), tmp_path / "any.pth")
    image = torch.randn(2, 3, 98, 56, generator=torch.Generator().manual_seed(9))
    wanted = oracle.run(hub, image)[0]
    read = read_checkpoint(folder)
    plan = recognise(read, ExportOptions())
    assert plan.taps == tuple(index - 1 for index in indices)
    original = read_checkpoint(tmp_path / "any.pth")
    for checkpoint, options in ((read, ExportOptions()), (original, ExportOptions(variant=plan.variant))):
        with torch.no_grad():
            got = build(checkpoint, recognise(checkpoint, options))(image)
        assert wanted.std() > 0.02
        assert (got - wanted).abs().max() <= 5e-4 * wanted.std()
