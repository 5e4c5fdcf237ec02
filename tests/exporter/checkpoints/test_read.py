"""Reading, recognising and strictly loading checkpoints."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.seeded import seeded_tensors, write_tiny

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, UnknownFamilyError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.families.depth_anything_variants import INDOOR, OUTDOOR, V1, V2
from dptscope_export.pipeline import build

PUBLISHED = Path(__file__).parents[2] / "data" / "published"
V2_WISH = ExportOptions(variant=V2)


def published(name: str, config: dict[str, object] | None = None, called: str | None = None) -> Checkpoint:
    """A checkpoint with the names and shapes of a published one, and no values."""
    with (PUBLISHED / f"{name}.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    shapes = {row["name"]: [int(side) for side in row["shape"].split("x")] for row in rows}
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    return Checkpoint(called or f"{name}.pth", tensors, "0" * 64, config)


@pytest.mark.parametrize(
    ("name", "called", "variant", "architecture", "taps", "metres"),
    [
        ("depth_anything_v2_vits", None, V2, "vits", (2, 5, 8, 11), None),
        ("depth_anything_v2_vits", "depth_anything_vits14.pth", V1, "vits", (8, 9, 10, 11), None),
        ("depth_anything_v2_vits", "depth_anything_v2_metric_hypersim_vits.pth", INDOOR, "vits", (2, 5, 8, 11), 20.0),
        ("depth_anything_v2_vits", "depth_anything_v2_metric_vkitti_vits.pth", OUTDOOR, "vits", (2, 5, 8, 11), 80.0),
        ("depth_anything_v2_vitl", None, V2, "vitl", (4, 11, 17, 23), None),
        ("depth_anything_v2_vitl", "depth_anything_vitl14.pth", V1, "vitl", (20, 21, 22, 23), None),
        ("depth_anything_v2_vitg", None, V2, "vitg", (9, 19, 29, 39), None),
    ],
)
def test_published_checkpoints(
    name: str, called: str | None, variant: str, architecture: str, taps: tuple[int, ...], metres: float | None
) -> None:
    checkpoint = published(name, called=called)
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.variant, plan.architecture, plan.taps, plan.max_depth) == (variant, architecture, taps, metres)
    assert plan.preparation.output_resize == ("bilinear" if variant == V1 else "bilinear_align_corners")
    assert checkpoint.name in plan.evidence
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)


def test_published_hugging_face() -> None:
    backbone = {"out_indices": [3, 6, 9, 12], "num_attention_heads": 6}
    config: dict[str, object] = {"model_type": "depth_anything", "backbone_config": backbone}
    checkpoint = published("Depth-Anything-V2-Small-hf", config, called="folder")
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.variant, plan.evidence, plan.layout) == (V2, "config.json", "Hugging Face")
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)

    metric = dict(config, depth_estimation_type="metric", max_depth=80)
    assert recognise(published("Depth-Anything-V2-Small-hf", metric), ExportOptions()).variant == OUTDOOR
    last_four = dict(config, backbone_config={"out_indices": [9, 10, 11, 12]})
    assert recognise(published("Depth-Anything-V2-Small-hf", last_four), ExportOptions()).variant == V1
    with pytest.raises(VariantError, match=r"config.json says depth-anything-v1, got --variant depth-anything-v2"):
        recognise(published("Depth-Anything-V2-Small-hf", last_four), V2_WISH)


@pytest.mark.parametrize(
    "name", ["mine.pth", "my_depth_anything_v2_vits.pth", "depth_anything_v2_vits.onnx", "depth_anything_v2_vits"]
)
def test_a_name_that_is_not_exactly_published_tells_nothing(name: str) -> None:
    with pytest.raises(VariantError) as raised:
        recognise(published("depth_anything_v2_vits", called=name), ExportOptions())
    assert all(variant in str(raised.value) for variant in (V1, V2, INDOOR, OUTDOOR))


def test_the_user_overrides_a_name_and_is_told() -> None:
    plan = recognise(published("depth_anything_v2_vits"), ExportOptions(variant=INDOOR, max_depth=10.0))
    assert (plan.variant, plan.max_depth) == (INDOOR, 10.0)
    assert "overrides" in plan.notes[0]
    with pytest.raises(VariantError, match="--max-depth is for metric models"):
        recognise(published("depth_anything_v2_vits"), ExportOptions(max_depth=10.0))
    with pytest.raises(VariantError, match="got depth-anything-v3"):
        recognise(published("depth_anything_v2_vits"), ExportOptions(variant="depth-anything-v3"))


@pytest.mark.parametrize("wrap", ["bare", "model", "state_dict", "trainer"])
def test_wrappers_and_prefixes(tmp_path: Path, wrap: str) -> None:
    tensors = seeded_tensors()
    prefixed = {f"module.{name}": tensor for name, tensor in tensors.items()}
    content = {
        "bare": tensors,
        "model": {"model": tensors, "optimizer": {"step": torch.tensor(3)}},
        "state_dict": {"state_dict": prefixed, "epoch": 3},
        "trainer": {"model": prefixed, "optimizer": {}, "epoch": 9, "previous_best": {"abs_rel": 0.1}},
    }[wrap]
    torch.save(content, tmp_path / "c.pt")
    read = read_checkpoint(tmp_path / "c.pt")
    assert set(read.tensors) == set(tensors)
    build(read, recognise(read, V2_WISH))


def test_half_precision_and_unused_tensors(tmp_path: Path) -> None:
    tensors = {name: tensor.half() for name, tensor in seeded_tensors().items()}
    tensors["pretrained.mask_token"] = torch.zeros(1, 64)
    tensors["depth_head.scratch.refinenet4.resConfUnit1.conv1.bias"] = torch.zeros(8)
    save_file(tensors, tmp_path / "half.safetensors", metadata={"variant": V1})
    read = read_checkpoint(tmp_path / "half.safetensors")
    plan = recognise(read, ExportOptions())
    assert (plan.variant, plan.evidence) == (V1, "the file's own metadata")
    assert next(build(read, plan).parameters()).dtype == torch.float32


def damaged(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.pth"
    if kind == "text":
        path.write_text("this is no checkpoint\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        torch.save(seeded_tensors(), path)
        path.write_bytes(path.read_bytes()[:-4000])
    elif kind == "code":
        torch.save({"model": Path("x")}, path)
    elif kind == "numbers":
        torch.save({"epoch": 3}, path)
    elif kind == "safetensors":
        path = write_tiny(tmp_path / "bad.safetensors")
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "suffix":
        path = tmp_path / "bad.txt"
        path.write_text("x")
    elif kind == "folder":
        path = tmp_path / "folder"
        path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind", ["text", "empty", "truncated", "code", "numbers", "safetensors", "suffix", "folder", "missing"]
)
def test_damaged_files(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CheckpointError) as raised:
        read_checkpoint(damaged(tmp_path, kind))
    assert "\n" not in str(raised.value)


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    files = {"a.safetensors": ["one", "two"], "b.safetensors": ["two", "three"]}
    for file, names in files.items():
        save_file({name: torch.zeros(2) for name in names}, tmp_path / file)
    (tmp_path / "config.json").write_text("{}")
    index = {"weight_map": {name: file for file, names in files.items() for name in names}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"b\.safetensors: expected other tensors .* got two"):
        read_checkpoint(tmp_path)
    save_file({"three": torch.zeros(2)}, tmp_path / "b.safetensors")
    assert sorted(read_checkpoint(tmp_path).tensors) == ["one", "three", "two"]


def test_something_else(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}, tmp_path / "resnet.pth")
    with pytest.raises(UnknownFamilyError, match=r"expected a checkpoint of .*Depth Anything.*conv1\.weight"):
        recognise(read_checkpoint(tmp_path / "resnet.pth"), ExportOptions())


def test_strict_loading_names_the_first_few_and_counts_the_rest(tmp_path: Path) -> None:
    def load(tensors: dict[str, torch.Tensor]) -> None:
        checkpoint = Checkpoint("c.pth", tensors, "0")
        build(checkpoint, recognise(checkpoint, V2_WISH))

    tensors = seeded_tensors()
    load(tensors)
    few = {name: tensor for name, tensor in tensors.items() if "blocks.2." not in name or "norm1.weight" in name}
    with pytest.raises(CheckpointError, match=r"13 of \d+ expected tensors are missing: .* and 10 more"):
        load(few)
    with pytest.raises(CheckpointError, match=r"2 unexpected tensors: extra\.a, extra\.b$"):
        load(tensors | {"extra.a": torch.zeros(1), "extra.b": torch.zeros(1)})
    wrong = tensors | {"pretrained.blocks.1.attn.qkv.weight": torch.zeros(192, 63)}
    with pytest.raises(CheckpointError, match=r"qkv\.weight \(expected \(192, 64\), got \(192, 63\)\)"):
        load(wrong)
    with pytest.raises(CheckpointError, match=r"blocks\.2 is missing"):
        load({name: tensor for name, tensor in tensors.items() if "blocks.2." not in name})
