"""The torch model of TIPSv2-DPT against transformers'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import midas_oracle, tips_oracle
from support.mistakes import Mistake, broken, fit_what_is_carried, patched
from support.oracle import save_hugging_face
from support.parity import model_apart
from torch import Tensor

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models import dinov2, mmseg_dpt, tips
from dptscope_export.models.dpt import DPT
from dptscope_export.models.resample import cubic_weights, linear_weights
from dptscope_export.pipeline import build

# Native, one patch, odd in one and in both directions, wide, tall, larger than native.
SIZES = [(126, 126), (14, 14), (98, 42), (70, 126), (28, 140), (168, 56), (210, 238)]


@dataclass(frozen=True)
class Case:
    """An implementation by others, and its weights as they are published."""

    oracle: Any
    checkpoint: Checkpoint


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    oracle = tips_oracle.tips(seed=41)
    folder = save_hugging_face(oracle, tmp_path_factory.mktemp("tips") / "hub")
    return Case(oracle, read_checkpoint(folder))


def distances(case: Case, model: DPT, size: tuple[int, int]) -> tuple[float, float]:
    """Largest differences of depth and norms from the oracle, in units of their limits."""
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    return model_apart(model, image, *tips_oracle.run(case.oracle, image), least=0.1)


@pytest.mark.parametrize("size", SIZES)
def test_against_transformers(case: Case, size: tuple[int, int]) -> None:
    depth, norms = distances(case, build(case.checkpoint, recognise(case.checkpoint, ExportOptions())), size)
    assert (depth <= 1, norms <= 1) == (True, True)


def without_antialiasing(index_o: Tensor, size: int) -> Tensor:
    return linear_weights((index_o + 0.5) * (size / len(index_o)) - 0.5, size)


def as_in_dinov2(index_o: Tensor, size: int) -> Tensor:
    offset = 0 if len(index_o) == size else dinov2.GRID_OFFSET
    return cubic_weights((index_o + 0.5) * (size / (len(index_o) + offset)) - 0.5, size)


def exact_gelu(model: DPT) -> None:
    for stage in (1, 2, 3, 4):
        model.reassemble.get_submodule(f"readout_{stage}").approximate = "none"  # type: ignore[union-attr]


def no_final_norm(model: DPT) -> None:
    model.reassemble.norm = torch.nn.Identity()  # type: ignore[union-attr]


def register_for_class_token(model: DPT) -> None:
    for stage in (1, 2, 3, 4):
        readout = model.reassemble.get_submodule(f"readout_{stage}")  # type: ignore[union-attr]
        readout.register_forward_pre_hook(
            lambda _module, inputs: (inputs[0][:, [1, 0, *range(2, inputs[0].shape[1])]], 1)
        )


def no_relu_before_the_bins(model: DPT) -> None:
    head: Any = model.head
    head.fine = lambda x: (sums := head.sums(head.bins(head.project(x)).relu()))[:, 0] / sums[:, 1]


def bins_from_zero(model: DPT) -> None:
    model.head.sums.weight.data[0] -= 1e-3  # type: ignore[union-attr,operator]


def no_least_weight(model: DPT) -> None:
    model.head.sums.bias.data[:] = 1e-9  # type: ignore[union-attr]


def corners_aligned(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    assert not align_corners
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


MISTAKES: dict[str, Mistake] = {
    "positions without antialiasing": patched(tips, "antialiased_linear_weights", without_antialiasing),
    "DINOv2's positions": patched(tips, "antialiased_linear_weights", as_in_dinov2),
    "epsilon of the blocks": patched(dinov2, "LAYER_NORM_EPS", 1e-5),
    "exact GELU in the readout": broken(exact_gelu),
    "no final norm on the taps": broken(no_final_norm),
    "the register is read out": broken(register_for_class_token),
    "what is carried is resized, not the skip": broken(fit_what_is_carried),
    "no ReLU before the bins": broken(no_relu_before_the_bins),
    "bins from zero": broken(bins_from_zero),
    "no least weight of a bin": broken(no_least_weight),
    "resizes with corners aligned": patched(mmseg_dpt, "interpolate", corners_aligned),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_would_show(case: Case, mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MISTAKES[mistake](monkeypatch, lambda: build(case.checkpoint, recognise(case.checkpoint, ExportOptions())))
    assert max(distances(case, model, (70, 42))) > 1.5


def test_what_the_checkpoint_tells(case: Case) -> None:
    plan = recognise(case.checkpoint, ExportOptions())
    assert (plan.family, plan.variant, plan.evidence) == ("tipsv2", "tipsv2-dpt", "config.json")
    assert (plan.depth_kind, plan.max_depth, plan.taps) == ("metric", 10.0, (0, 1, 3, 4))
    assert (plan.has_cls, plan.registers) == (True, 1)
    assert (plan.sizes.native, plan.sizes.multiple, plan.sizes.dynamic) == ((126, 126), 14, True)
    assert (plan.preparation.resize_rule, plan.preparation.interpolation) == ("exact", "uint8_linear_antialiased")
    assert (plan.preparation.mean, plan.preparation.std) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("name", "size", "taps", "heads", "unused"),
    [("b", "vitb", (2, 5, 8, 11), 12, 105), ("l", "vitl", (5, 11, 17, 23), 16, 105)],
)
def test_every_published_tensor_has_its_place(
    name: str, size: str, taps: tuple[int, ...], heads: int, unused: int
) -> None:
    """Strictly: none is missing, none is left over but those of the other two heads and the mask."""
    checkpoint = midas_oracle.published(f"tipsv2_{name}14_dpt")
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.architecture, plan.taps, plan.sizes.native) == (size, taps, (448, 448))
    assert (plan.max_depth, plan.registers, plan.fusion_channels) == (10.0, 1, 256)
    assert plan.evidence == "the tensors, such as vision_encoder.register_tokens"
    with torch.device("meta"):
        model = plan.build()
        load_strictly(model, checkpoint, plan.key_map)
    assert {module.heads for module in model.modules() if isinstance(module, dinov2.Attention)} == {heads}
    used = {source for ours in model.state_dict() for source in plan.key_map.source(ours).names}
    assert len(checkpoint.tensors) - len(used) == unused


@contextmanager
def refused(kind: type[Exception], message: str) -> Iterator[None]:
    with pytest.raises(kind, match=message):
        yield


def test_what_is_refused(case: Case) -> None:
    """Heads alone, as the repository had them; other sizes without a config; other models' configs; other variants."""
    tensors, config = case.checkpoint.tensors, case.checkpoint.config
    assert config is not None
    heads_only = {name: tensor for name, tensor in tensors.items() if not name.startswith("vision_encoder.")}
    with refused(CheckpointError, "got the heads alone: take the repository as it is since July 2026"):
        recognise(replace(case.checkpoint, tensors=heads_only), ExportOptions())
    with refused(CheckpointError, "expected config.json with a backbone_config, or one of the published sizes"):
        recognise(replace(case.checkpoint, config=None), ExportOptions())
    with refused(VariantError, "the tensors say tipsv2-dpt, got --variant dpt-dinov2-nyu"):
        recognise(case.checkpoint, ExportOptions(variant="dpt-dinov2-nyu"))
    with refused(VariantError, "gives up to 10 metres, got --max-depth 20"):
        recognise(case.checkpoint, ExportOptions(max_depth=20))
    for said, message in (
        ({"readout_activation": "gelu"}, "expected readout_activation gelu_pytorch_tanh in config.json, got 'gelu'"),
        ({"max_depth": True}, "expected max_depth in metres in config.json, got True"),
        ({"backbone_config": {**config["backbone_config"], "num_attention_heads": 3}}, "a width that 3 heads divide"),
        ({"backbone_config": {**config["backbone_config"], "apply_layernorm": False}}, "expected apply_layernorm True"),
    ):
        with refused(CheckpointError, message):
            recognise(replace(case.checkpoint, config={**config, **said}), ExportOptions())


def test_in_any_wrapper(case: Case, tmp_path: Path) -> None:
    """As a training script leaves it."""
    inner = {f"module.{name}": tensor for name, tensor in case.checkpoint.tensors.items()}
    torch.save({"model": inner, "optimizer": {}}, tmp_path / "mine.pt")
    checkpoint = read_checkpoint(tmp_path / "mine.pt")
    assert checkpoint.tensors.keys() == case.checkpoint.tensors.keys()
