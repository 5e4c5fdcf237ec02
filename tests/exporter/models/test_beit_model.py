"""The torch model of MiDaS BEiT against transformers, in both checkpoint layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import midas_oracle
from support.oracle import save_hugging_face
from support.parity import model_apart

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.dpt import DPT
from dptscope_export.pipeline import build

# Native, small, wide, tall, odd in one and in both directions, larger than native.
SIZES = [(96, 96), (32, 32), (64, 160), (192, 64), (80, 96), (16, 48), (112, 176)]


@pytest.fixture(scope="module")
def hub() -> torch.nn.Module:
    model = midas_oracle.beit(seed=11)
    midas_oracle.fuse_as_the_original(model)
    return model


@pytest.fixture(scope="module")
def checkpoints(hub: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    folder = save_hugging_face(hub, tmp_path_factory.mktemp("beit") / "hub")
    tensors = midas_oracle.to_original(load_file(folder / "model.safetensors"), hub.config)
    torch.save(tensors, folder.parent / "mine.pt")
    return {"hugging_face": read_checkpoint(folder), "original": read_checkpoint(folder.parent / "mine.pt")}


@pytest.fixture(scope="module")
def models(checkpoints: dict[str, Checkpoint]) -> dict[str, DPT]:
    return {name: build(checkpoint, recognise(checkpoint, ExportOptions())) for name, checkpoint in checkpoints.items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["hugging_face", "original"])
def test_against_transformers(hub: torch.nn.Module, models: dict[str, DPT], layout: str, size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    depth, norms = model_apart(models[layout], image, *midas_oracle.run(hub, image))
    assert (depth <= 1, norms <= 1) == (True, True)


def test_what_the_checkpoint_tells(checkpoints: dict[str, Checkpoint]) -> None:
    for layout, checkpoint in checkpoints.items():
        plan = recognise(checkpoint, ExportOptions())
        assert plan.layout.replace(" ", "_").lower() == layout
        assert (plan.family, plan.variant, plan.depth_kind) == ("midas_beit", "midas-beit", "relative")
        assert plan.taps == (0, 1, 2, 3)
        assert plan.sizes.native == (96, 96)
        assert (plan.sizes.multiple, plan.sizes.dynamic, plan.has_cls) == (16, True, True)
        assert (plan.preparation.resize_rule, plan.preparation.multiple) == ("minimal", 32)


PUBLISHED = {
    "dpt_beit_base_384": ("beit_base_384", (2, 5, 8, 11), 12),
    "dpt_beit_large_384": ("beit_large_384", (5, 11, 17, 23), 24),
    "dpt_beit_large_512": ("beit_large_512", (5, 11, 17, 23), 24),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(name: str) -> None:
    """The shapes of the published files, from the few that everything is read from."""
    architecture, taps, blocks = PUBLISHED[name]
    width, heads, rows = (768, 12, 2212) if "base" in name else (1024, 16, 3972 if "512" in name else 2212)
    shapes: dict[str, tuple[int, ...]] = {
        "pretrained.model.patch_embed.proj.weight": (width, 3, 16, 16),
        "pretrained.model.blocks.0.mlp.fc1.weight": (4 * width, width),
        "scratch.layer1_rn.weight": (256, 256, 3, 3),
        "scratch.output_conv.0.weight": (128, 256, 3, 3),
        "scratch.output_conv.2.weight": (32, 128, 3, 3),
    }
    shapes |= {f"pretrained.model.blocks.{i}.attn.relative_position_bias_table": (rows, heads) for i in range(blocks)}
    shapes |= {f"pretrained.act_postprocess{stage}.3.weight": (96 << stage, width, 1, 1) for stage in (1, 2, 3, 4)}
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    plan = recognise(Checkpoint(f"{name}.pt", tensors, ""), ExportOptions())
    native = int(name[-3:])
    assert (plan.architecture, plan.taps, plan.sizes.native) == (architecture, taps, (native, native))
    assert len(plan.blocks) == blocks


def test_every_published_tensor_has_its_place() -> None:
    """Strictly: none is missing, none is left over but those that nobody uses."""
    backbone = {"model_type": "beit", "out_indices": [3, 6, 9, 12]}
    for checkpoint in (
        midas_oracle.published("dpt_beit_base_384"),
        midas_oracle.published("dpt-beit-base-384", {"model_type": "dpt", "backbone_config": backbone}),
    ):
        plan = recognise(checkpoint, ExportOptions())
        assert (plan.architecture, plan.taps) == ("beit_base_384", (2, 5, 8, 11))
        with torch.device("meta"):
            load_strictly(plan.build(), checkpoint, plan.key_map)


def test_what_the_user_must_not_say(checkpoints: dict[str, Checkpoint], tmp_path: Path) -> None:
    with pytest.raises(VariantError, match="the tensors say midas-beit, got --variant depth-anything-v2"):
        recognise(checkpoints["original"], ExportOptions(variant="depth-anything-v2"))
    with pytest.raises(VariantError, match="--max-depth is for metric models"):
        recognise(checkpoints["original"], ExportOptions(max_depth=20))


def test_a_table_of_no_grid(checkpoints: dict[str, Checkpoint]) -> None:
    tensors = dict(checkpoints["original"].tensors)
    name = "pretrained.model.blocks.0.attn.relative_position_bias_table"
    tensors[name] = tensors[name][:-1]
    with pytest.raises(CheckpointError, match=r"expected \(2 g - 1\)² \+ 3 rows .* got 123"):
        recognise(Checkpoint("broken.pt", tensors, ""), ExportOptions())
