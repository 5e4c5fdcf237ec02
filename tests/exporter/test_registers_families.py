"""Registers at test time in the families whose positions, tokens or MLPs are others than Depth Anything V2's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from support import (
    any_view_oracle,
    da3_oracle,
    dpt_dinov2_oracle,
    midas_oracle,
    midas_vit_oracle,
    oracle,
    tips_oracle,
)
from support.block import check_blocks
from support.whole import whole

import dptscope
from dptscope import contract
from dptscope.files.onnx_file import mapped_weights
from dptscope.registers import AddedRegisters
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.errors import VerificationError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.registers import AddedRegisters as Hooks
from dptscope_export.models.registers import Wanted, hidden_width, last_layer
from dptscope_export.pipeline import build
from dptscope_export.verify_registers import verify_registers

HUGGING_FACE = {
    "midas_beit": midas_oracle.beit,
    "midas_vit": midas_vit_oracle.large,
    "midas_vit, hybrid": midas_vit_oracle.hybrid,
    "tipsv2": tips_oracle.tips,
    "dpt_dinov2, gated": lambda seed: dpt_dinov2_oracle.dpt(seed=seed, swiglu=True),
}
PUBLISHED = {"depth_anything_3": da3_oracle.tensors, "depth_anything_3_any_view": any_view_oracle.tensors}
VARIANTS = {"depth_anything_3": "depth-anything-3-mono", "dpt_dinov2, gated": "dpt-dinov2-nyu"}
BEFORE_PATCHES = {"tipsv2": 2}
NEURONS, VALUES = ((0, 3), (1, 40), (1, 41), (3, 0)), (0.0, 0.5, -0.25, 0.1)
APPENDED = 2


def none_wanted(width: int) -> Wanted:
    places = torch.zeros(0, dtype=torch.int64)
    return Wanted(torch.zeros(0, width), torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), places)


@contextmanager
def taken_over(model: Any, special: int) -> Iterator[None]:
    """Hidden activations themselves changed, photo by photo and neuron by neuron, as the paper words it."""

    def change_in(block: int) -> Any:
        def change(_layer: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            hidden = inputs[0].clone()
            for (of, neuron), value in zip(NEURONS, VALUES, strict=True):
                for photo in hidden[..., neuron] if of == block else ():
                    patches = photo[special:-APPENDED].clone()
                    photo[-APPENDED:] = patches[patches.abs().argmax()]
                    photo[special:-APPENDED] = value
            return (hidden,)

        return change

    blocks = [module for name, module in model.encoder.named_children() if name.startswith("block_")]
    hooks = [last_layer(block.mlp).register_forward_pre_hook(change_in(index)) for index, block in enumerate(blocks)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("family", [*HUGGING_FACE, *PUBLISHED])
def test_before_any_export(family: str, tmp_path: Path) -> None:
    """Off, the model is what it was; on, it does what the paper says."""
    if family in PUBLISHED:
        save_file(PUBLISHED[family](seed=7), tmp_path / "model.safetensors")
        checkpoint = read_checkpoint(tmp_path / "model.safetensors")
    else:
        checkpoint = read_checkpoint(oracle.save_hugging_face(HUGGING_FACE[family](seed=7), tmp_path / "hub"))
    plan = recognise(checkpoint, ExportOptions(variant=VARIANTS.get(family)))
    assert plan.family == family.split(",")[0]
    model: Any = build(checkpoint, plan)
    multiple, width, special = plan.sizes.multiple, plan.blocks[0].channels, BEFORE_PATCHES.get(family, 1)
    generator = torch.Generator().manual_seed(8)
    image = torch.rand(2, 3, 5 * multiple, 7 * multiple, generator=generator)
    registers = torch.randn(APPENDED, width, generator=generator)
    places = torch.tensor([0, 8])
    on = Wanted(registers, torch.tensor(NEURONS), torch.tensor(VALUES), places)
    idle = Wanted(registers, none_wanted(width).register_neurons, torch.zeros(0), places)
    with torch.no_grad():
        wanted = model.features(image)
        with Hooks(model, plan.special_tokens).installed() as hooks:
            hooks.want(none_wanted(width))
            off = model.features(image)
            hooks.want(on)
            depth, (at_probes, appended) = model(image), hooks.outputs()
            with taken_over(model, special):
                hooks.want(idle)
                wanted_depth, (changed, wanted_appended) = model(image), hooks.outputs()
        plain = model(image)
    for name, tensor in vars(wanted).items():
        torch.testing.assert_close(vars(off)[name], tensor, rtol=0, atol=1e-5, msg=name)
    assert (wanted_depth - plain).abs().max() > 0.1 * plain.std(), "they must matter"
    torch.testing.assert_close(depth, wanted_depth, rtol=0, atol=5e-4 * float(plain.std()))
    torch.testing.assert_close(appended, wanted_appended, rtol=0, atol=2e-4 * float(appended.std()))
    for (block, neuron), value in zip(NEURONS, VALUES, strict=True):
        assert (changed[:, block, :, neuron] == value).all(), "probes are patches"
        assert (at_probes[:, block, :, neuron] != value).all(), "before they are taken over"


@pytest.fixture(scope="module")
def any_view(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Depth Anything 3's any-view network without registers and with them: a camera token, and positions that turn."""
    folder = tmp_path_factory.mktemp("any_view")
    save_file(any_view_oracle.tensors(seed=41), folder / "model.safetensors")
    checkpoint = folder / "model.safetensors"
    return {
        registers: whole(checkpoint, folder / f"{registers}.onnx", registers=registers) for registers in (False, True)
    }


def test_off_it_is_the_plain_file_to_the_bit(any_view: dict[bool, Path]) -> None:
    """Down to its weights: in a model so wide that torch's exporter does not make copies of them as it pleases."""
    weights = {registers: mapped_weights(path) for registers, path in any_view.items()}
    assert {name for name in weights[False] if "block" in name} <= set(weights[True])
    for name in weights[False].keys() & weights[True].keys():
        np.testing.assert_array_equal(weights[True][name], weights[False][name], err_msg=name)
    plain, other = dptscope.load(any_view[False]), dptscope.load(any_view[True])
    names = [output["name"] for output in plain.outputs()]
    for batch, height, width in ((2, 70, 98), (1, 28, 140)):
        image = np.random.default_rng(height).normal(size=(batch, 3, height, width)).astype(np.float32)
        wanted, got = plain.run(image, names), other.run(image, names)
        assert [name for name in names if not np.array_equal(wanted[name], got[name])] == []


def test_a_depth_that_hardly_varies_is_verified(any_view: dict[bool, Path], tmp_path: Path) -> None:
    """At the end of its range, say: its rounding is not held against its own range."""
    read = read_checkpoint(any_view[True].with_name("model.safetensors"))
    plan = recognise(read, ExportOptions())
    model: Any = build(read, plan)
    plan = replace(plan, mlp_width=hidden_width(model))
    graph = onnx.load(any_view[True])
    (last,) = (weight for weight in graph.graph.initializer if weight.name == "head/conv3/weight")
    for factor, right in ((1e-6, True), (1e5, False)):
        model.head.conv3.weight.data = torch.from_numpy(factor * numpy_helper.to_array(last))
        if right:
            last.CopyFrom(numpy_helper.from_array(model.head.conv3.weight.numpy(), last.name))
        onnx.save(graph, tmp_path / "flat.onnx")
        with nullcontext() if right else pytest.raises(VerificationError, match="depth with registers"):
            verify_registers(model, tmp_path / "flat.onnx", plan)


def test_an_appended_token_is_not_turned(any_view: dict[bool, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the other implementation, with tokens appended in it; and what attends to what."""
    registers = np.random.default_rng(3).normal(size=(APPENDED, 128)).astype(np.float32)
    image = torch.randn(2, 3, 70, 98, generator=torch.Generator().manual_seed(5))
    embed, turns_of = da3_oracle.embed, any_view_oracle.turns_of

    def embed_more(weights: Any, photo: torch.Tensor) -> tuple[torch.Tensor, int, int]:
        tokens, rows, columns = embed(weights, photo)
        return torch.cat([tokens, torch.tensor(registers).expand(len(tokens), -1, -1)], dim=1), rows, columns

    def turn_no_more(*where: Any) -> torch.Tensor:
        turns = turns_of(*where)
        return torch.cat([turns, torch.ones(APPENDED, turns.shape[1], dtype=turns.dtype)])

    published = any_view_oracle.tensors(seed=41)
    weights = {name.removeprefix(da3_oracle.PREFIX): tensor for name, tensor in published.items()}
    monkeypatch.setattr(da3_oracle, "embed", embed_more)
    monkeypatch.setattr(any_view_oracle, "turns_of", turn_no_more)
    wanted: Sequence[torch.Tensor] = any_view_oracle.encode(weights, image)
    added = AddedRegisters(tokens=registers)
    names = [contract.BLOCK_APPENDED_TOKENS, *(contract.block_tokens_name(block) for block in range(len(wanted)))]
    appended, *patches = dptscope.load(any_view[True]).run(image.numpy(), names, registers=added).values()
    for block, tokens in enumerate(wanted):
        got = np.concatenate([patches[block].reshape(2, -1, 128), appended[:, block]], axis=1)
        np.testing.assert_allclose(got, tokens[:, 1:].numpy(), atol=2e-5 * float(tokens.std()), err_msg=str(block))
    check_blocks(any_view[True], (70, 98), 6e-7, added)
