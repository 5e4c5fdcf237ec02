"""The torch model of MiDaS Swin V2, at its native size and at any other, against transformers and against the definition.

Squares are held against transformers configured for that size. There, one window and one shift serve both axes, so images
that are not square are held against the definition put into transformers as dense attention.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import midas_oracle
from support.oracle import save_hugging_face
from support.parity import DEPTH_LIMIT, NORM_LIMIT, model_apart

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.dpt import DPT
from dptscope_export.models.windows import Axis
from dptscope_export.pipeline import build

DEPTHS = (2, 2, 2, 2)
WINDOW = 8

# The first stage's grid is a quarter of the size, and every stage halves it: windows of 8 are clipped in the last stage at
# 128, in three of four at 32, and padded at 96 and 288.
SQUARES = [128, 64, 32, 96, 288]
OTHERS = [(256, 128), (32, 128), (96, 160), (192, 32)]  # whole windows, clipped along one axis, padded, both

CONFIGURATIONS = {"as_base": (WINDOW, (4, 4, 4, 2)), "as_tiny": (WINDOW, (0, 0, 0, 0)), "odd_window": (7, (3, 3, 3, 0))}


def hub(name: str, size: int = 128) -> torch.nn.Module:
    """The same weights, configured for another size."""
    window, pretrained = CONFIGURATIONS[name]
    native = midas_oracle.swinv2(128, window, pretrained, DEPTHS, seed=21)
    if size == 128:
        return native
    other = midas_oracle.swinv2(size, window, pretrained, DEPTHS)
    other.load_state_dict(native.state_dict())
    return other


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DPT]:
    models = {}
    for name in CONFIGURATIONS:
        checkpoint = read_checkpoint(save_hugging_face(hub(name), tmp_path_factory.mktemp("swin") / name))
        models[name] = build(checkpoint, recognise(checkpoint, ExportOptions()))
    return models


def hold_against(oracle: torch.nn.Module, model: DPT, height: int, width: int) -> None:
    image = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height + width))
    depth, norms = model_apart(model, image, *midas_oracle.run(oracle, image))
    assert (depth <= 1, norms <= 1) == (True, True)


@pytest.mark.parametrize("size", SQUARES)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_squares_against_transformers(models: dict[str, DPT], name: str, size: int) -> None:
    hold_against(hub(name, size), models[name], size, size)


@pytest.mark.parametrize("size", OTHERS)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_other_sizes_against_the_definition(models: dict[str, DPT], name: str, size: tuple[int, int]) -> None:
    oracle = hub(name)
    midas_oracle.use_windows_per_axis(oracle)
    hold_against(oracle, models[name], *size)


def test_the_logit_scale_is_clamped(tmp_path: Path) -> None:
    """At 100. Attention that sharp amplifies rounding, so this looks at the first block only, and less closely."""
    oracle = hub("as_tiny")
    with torch.no_grad():
        oracle.backbone.encoder.layers[0].blocks[0].attention.self.logit_scale.fill_(6.0)  # exp(6) is 403
    checkpoint = read_checkpoint(save_hugging_face(oracle, tmp_path / "hub"))
    model = build(checkpoint, recognise(checkpoint, ExportOptions()))
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    wanted = midas_oracle.run(oracle, image)[1][0].norm(dim=-1)
    with torch.no_grad():
        got = model.features(image).block_tokens[0].norm(dim=-1).flatten(1)
    assert (got - wanted).abs().max() <= 25 * NORM_LIMIT * wanted.mean()


@pytest.mark.parametrize("size", [128, 96])
def test_the_definition_is_transformers_on_squares(size: int) -> None:
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
    oracle = hub("as_base", size)
    wanted, _ = midas_oracle.run(oracle, image)
    midas_oracle.use_windows_per_axis(oracle)
    got, _ = midas_oracle.run(oracle, image)
    assert (got - wanted).abs().max() <= DEPTH_LIMIT * wanted.std()


@pytest.mark.parametrize(
    ("grid", "window", "expected"),
    [
        (32, 8, (8, 4, 4)),
        (8, 8, (8, 1, 0)),
        (5, 8, (5, 1, 0)),
        (9, 8, (8, 2, 4)),
        (1, 8, (1, 1, 0)),
        (20, 7, (7, 3, 3)),
    ],
)
def test_windows_along_an_axis(grid: int, window: int, expected: tuple[int, int, int]) -> None:
    axis = Axis.of(grid, window)
    assert (axis.window, axis.windows, axis.shift) == expected
    # Every token has one place, and that place holds that token.
    for shift in (0, axis.shift):
        assert torch.equal(axis.source(shift)[axis.place(shift)], torch.arange(grid))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = save_hugging_face(hub("as_tiny"), tmp_path_factory.mktemp("swin") / "hub")
    tensors = midas_oracle.to_original(load_file(folder / "model.safetensors"), hub("as_tiny").config)
    torch.save(tensors, folder.parent / "mine.pt")
    return read_checkpoint(folder.parent / "mine.pt")


def test_original_layout(original: Checkpoint) -> None:
    plan = recognise(original, ExportOptions())
    assert plan.layout == "original"
    assert "16 windows of 8 × 8" in plan.evidence
    hold_against(hub("as_tiny"), build(original, plan), 128, 128)


def test_what_the_checkpoint_tells(original: Checkpoint) -> None:
    plan = recognise(original, ExportOptions())
    assert (plan.family, plan.variant, plan.has_cls) == ("midas_swinv2", "midas-swinv2", False)
    assert plan.taps == (1, 3, 5, 7)
    assert [block.stride for block in plan.blocks] == [4, 4, 8, 8, 16, 16, 32, 32]
    assert [block.channels for block in plan.blocks] == [16, 16, 32, 32, 64, 64, 128, 128]
    assert (plan.sizes.native, plan.sizes.dynamic, plan.sizes.multiple) == ((128, 128), False, 32)
    assert plan.preparation.resize_rule == "exact"
    assert "--dynamic" in plan.notes[0]
    anysize = recognise(original, ExportOptions(dynamic=True))
    assert anysize.sizes.dynamic
    assert anysize.preparation.resize_rule == "minimal"
    assert recognise(original, ExportOptions(fixed=(64, 160))).sizes.native == (64, 160)


def test_published_shapes() -> None:
    """Window, native size and pretrained windows of base and large, from what the published files hold."""
    shapes: dict[str, tuple[int, ...]] = {
        "pretrained.model.patch_embed.proj.weight": (192, 3, 4, 4),
        "pretrained.model.layers.0.blocks.1.attn_mask": (16, 576, 576),
        "scratch.layer1_rn.weight": (256, 192, 3, 3),
        "scratch.output_conv.0.weight": (128, 256, 3, 3),
        "scratch.output_conv.2.weight": (32, 128, 3, 3),
    }
    for stage, depth in enumerate((2, 2, 18, 2)):
        for index in range(depth):
            block = f"pretrained.model.layers.{stage}.blocks.{index}"
            shapes[f"{block}.attn.logit_scale"] = (6 << stage, 1, 1)
            shapes[f"{block}.attn.cpb_mlp.0.weight"] = (512, 2)
            shapes[f"{block}.mlp.fc1.weight"] = (768 << stage, 192 << stage)
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    plan = recognise(Checkpoint("dpt_swin2_large_384.pt", tensors, ""), ExportOptions())
    assert (plan.architecture, plan.sizes.native) == ("swin2_large_384", (384, 384))
    assert plan.taps == (1, 3, 21, 23)
    with torch.device("meta"):
        stages = plan.build().config.encoder.stages
    assert [(stage.window, stage.pretrained_window) for stage in stages] == [(24, 12), (24, 12), (24, 12), (24, 6)]


def test_every_published_tensor_has_its_place() -> None:
    """Strictly: none is missing, none is left over but those that nobody uses."""
    backbone = {"model_type": "swinv2", "window_size": 16, "image_size": 256, "pretrained_window_sizes": [0, 0, 0, 0]}
    for checkpoint in (
        midas_oracle.published("dpt_swin2_tiny_256"),
        midas_oracle.published("dpt-swinv2-tiny-256", {"model_type": "dpt", "backbone_config": backbone}),
    ):
        plan = recognise(checkpoint, ExportOptions())
        assert (plan.architecture, plan.taps, plan.sizes.native) == ("swin2_tiny_256", (1, 3, 9, 11), (256, 256))
        with torch.device("meta"):
            load_strictly(plan.build(), checkpoint, plan.key_map)


def test_without_a_config_or_a_mask(original: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> None:
    tensors = {name: tensor for name, tensor in original.tensors.items() if "attn_mask" not in name}
    with pytest.raises(CheckpointError, match="expected an attn_mask"):
        recognise(Checkpoint("no_mask.pt", tensors, ""), ExportOptions())
    folder = save_hugging_face(hub("as_tiny"), tmp_path_factory.mktemp("swin") / "bare")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match="window and size of a Swin V2 model stand only there"):
        recognise(read_checkpoint(folder / "model.safetensors"), ExportOptions())
