"""The torch model of DPT on DINOv2 against transformers', in the authors' files and as on the hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support import dpt_dinov2_oracle, midas_oracle
from support.mistakes import Mistake, broken, fit_what_is_carried, patched
from support.oracle import save_hugging_face
from support.parity import model_apart
from torch import Tensor

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models import dinov2, dpt_dinov2
from dptscope_export.models.dpt import DPT
from dptscope_export.pipeline import build

NYU, KITTI = "dpt-dinov2-nyu", "dpt-dinov2-kitti"

# Native, one patch, odd in one and in both directions, wide, tall, larger than native.
SIZES = [(84, 84), (14, 14), (98, 42), (70, 126), (28, 140), (210, 238)]


@dataclass(frozen=True)
class Case:
    """An implementation by others, and its weights in both layouts."""

    oracle: Any
    checkpoints: dict[str, Checkpoint]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    oracle = dpt_dinov2_oracle.dpt(blocks=12, seed=51)
    hub = save_hugging_face(oracle, tmp_path_factory.mktemp("dinov2") / "dpt-dinov2-small-nyu")
    original = dpt_dinov2_oracle.to_original(load_file(hub / "model.safetensors"))
    return Case(
        oracle, {"hub": read_checkpoint(hub), "pair": read_checkpoint(write_pair(original, hub.parent / "pair"))}
    )


def write_pair(tensors: dict[str, Tensor], folder: Path, data: str = "nyu") -> Path:
    """The authors' two files: bare names in one, Adam's moments beside the weights in the other."""
    folder.mkdir()
    backbone = {n.removeprefix("backbone."): t for n, t in tensors.items() if n.startswith("backbone.")}
    head = {n: t for n, t in tensors.items() if n.startswith("decode_head.")}
    torch.save(backbone, folder / "dinov2_vits14_pretrain.pth")
    moments = {index: {"exp_avg": tensor, "exp_avg_sq": tensor} for index, tensor in enumerate(head.values())}
    written = {"meta": {"epoch": 1}, "state_dict": head, "optimizer": {"state": moments, "param_groups": []}}
    torch.save(written, folder / f"dinov2_vits14_{data}_dpt_head.pth")
    return folder


def distances(case: Case, model: DPT, size: tuple[int, int], max_depth: float = 10.0) -> tuple[float, float]:
    """Largest differences of depth and norms from the oracle, in units of their limits."""
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    return model_apart(model, image, *dpt_dinov2_oracle.run(case.oracle, image, max_depth=max_depth), least=0.5)


@pytest.mark.parametrize(("layout", "size"), [("hub", (70, 126)), *(("pair", size) for size in SIZES)])
def test_against_transformers(case: Case, layout: str, size: tuple[int, int]) -> None:
    checkpoint = case.checkpoints[layout]
    depth, norms = distances(case, build(checkpoint, plan_of(checkpoint)), size)
    assert (depth <= 1, norms <= 1) == (True, True)


def test_the_giants_gated_mlp(tmp_path: Path) -> None:
    oracle = dpt_dinov2_oracle.dpt(blocks=12, seed=52, swiglu=True)
    checkpoint = read_checkpoint(save_hugging_face(oracle, tmp_path / "dpt-dinov2-giant-nyu"))
    depth, norms = distances(Case(oracle, {}), build(checkpoint, plan_of(checkpoint)), (70, 126))
    assert (depth <= 1, norms <= 1) == (True, True)


def plan_of(checkpoint: Checkpoint, **options: Any) -> Any:
    """With the taps that the small model has: no config beside the authors' files tells others than the published ones."""
    plan = recognise(checkpoint, ExportOptions(**options))
    config = plan.build().config
    wanted = replace(config, taps=(0, 1, 10, 11))
    return replace(plan, build=lambda: dpt_dinov2.DptDinov2(wanted), taps=wanted.taps)


def test_streets(case: Case) -> None:
    """The same tensors, cut at eighty metres."""
    plan = plan_of(case.checkpoints["pair"], variant=KITTI)
    assert (plan.max_depth, plan.evidence) == (80.0, f"--variant {KITTI}")
    assert plan.notes == (
        f"--variant {KITTI} overrides the published file name dinov2_vits14_nyu_dpt_head.pth, which says {NYU}",
    )
    depth, _ = distances(case, build(case.checkpoints["pair"], plan), (70, 42), max_depth=80.0)
    assert depth <= 1


def tanh_gelu(model: DPT) -> None:
    for stage in (1, 2, 3, 4):
        model.reassemble.get_submodule(f"readout_{stage}").approximate = "tanh"  # type: ignore[union-attr]


def final_norm(model: DPT) -> None:
    model.reassemble.register_forward_pre_hook(  # type: ignore[union-attr]
        lambda _module, inputs: ([F.layer_norm(tap, tap.shape[-1:], eps=1e-6) for tap in inputs[0]], *inputs[1:])
    )


def no_relu_after_project(model: DPT) -> None:
    head: Any = model.head
    head.fine = lambda x: head._metres(
        F.interpolate(head.conv1(head.project(x)), scale_factor=2, mode="bilinear", align_corners=True)
    )


def no_resize_within_the_head(model: DPT) -> None:
    head: Any = model.head
    head.fine = head.coarse


def a_sigmoid(model: DPT) -> None:
    head: Any = model.head
    head._metres = lambda x: (head.conv3(head.conv2(x).relu()).sigmoid() * 10).squeeze(1)


def never_cut(model: DPT) -> None:
    model.head.max_depth = 1e6  # type: ignore[assignment]


MISTAKES: dict[str, Mistake] = {
    "no offset of the positions": patched(dinov2, "GRID_OFFSET", 1e-9),
    "epsilon of the blocks": patched(dinov2, "LAYER_NORM_EPS", 1e-5),
    "0.001 left out": patched(dpt_dinov2, "LEAST_DEPTH", 0.0),
    "tanh GELU in the readout": broken(tanh_gelu),
    "a final norm on the taps": broken(final_norm),
    "what is carried is resized, not the skip": broken(fit_what_is_carried),
    "no ReLU after the projection": broken(no_relu_after_project),
    "one resize in place of two": broken(no_resize_within_the_head),
    "a sigmoid, as in V2": broken(a_sigmoid),
    "not cut at the end of the range": broken(never_cut),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_would_show(case: Case, mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = case.checkpoints["pair"]
    model = MISTAKES[mistake](monkeypatch, lambda: build(pair, plan_of(pair)))
    assert max(distances(case, model, (70, 42))) > 1.2


def test_what_the_checkpoints_tell(case: Case) -> None:
    for layout, evidence, taps in (
        ("hub", "the published repository dpt-dinov2-small-nyu", (0, 1, 10, 11)),
        ("pair", "the published file name dinov2_vits14_nyu_dpt_head.pth", (2, 5, 8, 11)),
    ):
        plan = recognise(case.checkpoints[layout], ExportOptions())
        assert (plan.family, plan.variant, plan.evidence, plan.taps) == ("dpt_dinov2", NYU, evidence, taps)
        assert (plan.depth_kind, plan.max_depth, plan.registers) == ("metric", 10.0, 0)
        assert (plan.sizes.native, plan.sizes.multiple, plan.sizes.dynamic) == ((84, 84), 14, True)
        assert (plan.preparation.resize_rule, plan.preparation.multiple) == ("pad", 14)


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("facebook/dpt-dinov2-giant-kitti", KITTI),
        ("facebook/dpt-dinov2-base-nyu", NYU),
        ("dinov2_vitl14_kitti_dpt_head.pth", KITTI),
        ("dpt-dinov2-huge-nyu", None),
        ("dinov2_vits14_nyu_linear_head.pth", None),
        ("mine.pth", None),
    ],
)
def test_names(case: Case, name: str, variant: str | None) -> None:
    """Nothing is guessed: ten metres or eighty is in no tensor and in no config."""
    checkpoint = replace(case.checkpoints["hub"], name=name, file="")
    if variant is None:
        with pytest.raises(VariantError, match=f"its tensors fit both, so say --variant {NYU} | {KITTI}"):
            recognise(checkpoint, ExportOptions())
        with pytest.raises(VariantError, match=f"expected --variant {NYU} | {KITTI}, got depth-anything-v2"):
            recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
        assert recognise(checkpoint, ExportOptions(variant=NYU)).evidence == f"--variant {NYU}"
        return
    assert recognise(checkpoint, ExportOptions()).variant == variant


@pytest.mark.parametrize(
    ("listed", "size", "taps"),
    [("dpt_dinov2_small", "vits", (2, 5, 8, 11)), ("dpt-dinov2-small-nyu", "vits", (2, 5, 8, 11))],
)
def test_every_published_tensor_has_its_place(listed: str, size: str, taps: tuple[int, ...]) -> None:
    """Strictly: none is missing, none is left over but those that nobody uses."""
    checkpoint = midas_oracle.published(listed)
    plan = recognise(checkpoint, ExportOptions(variant=NYU))
    assert (plan.architecture, plan.taps, plan.sizes.native, plan.fusion_channels) == (size, taps, (518, 518), 256)
    with torch.device("meta"):
        load_strictly(plan.build(), checkpoint, plan.key_map)


def test_halves(case: Case, tmp_path: Path) -> None:
    """A head's file finds its backbone beside it; without one nothing is read; in one file both are a model, too."""
    tensors = dict(case.checkpoints["pair"].tensors)
    folder = write_pair(tensors, tmp_path / "pair", "kitti")
    head = folder / "dinov2_vits14_kitti_dpt_head.pth"
    checkpoint = read_checkpoint(head)
    assert checkpoint.tensors.keys() == tensors.keys()
    assert recognise(checkpoint, ExportOptions()).variant == KITTI
    assert checkpoint.sha256 != read_checkpoint(write_pair(tensors, tmp_path / "other")).sha256
    (folder / "dinov2_vits14_pretrain.pth").unlink()
    with pytest.raises(
        CheckpointError, match=r"expected dinov2_vits14_pretrain\.pth beside it: this file holds the head"
    ):
        read_checkpoint(head)
    torch.save({"state_dict": tensors, "meta": {}}, tmp_path / "both.pth")
    checkpoint = read_checkpoint(tmp_path / "both.pth")
    assert recognise(checkpoint, ExportOptions(variant=NYU)).layout == "original"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"readout_type": "ignore"}, "expected readout_type project in config.json"),
        ({"backbone_config": None}, "expected config.json of a dpt model with a dinov2 backbone_config"),
        ({"head_in_index": 0}, "expected head_in_index -1 or 3 in config.json, got 0"),
    ],
)
def test_configs_of_other_models(case: Case, said: dict[str, Any], message: str) -> None:
    checkpoint = case.checkpoints["hub"]
    with pytest.raises(CheckpointError, match=message):
        recognise(replace(checkpoint, config={**(checkpoint.config or {}), **said}), ExportOptions())
