"""Folders of checkpoints: the names that producers give their files, configs that are not transformers', and what is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from support.seeded import seeded_tensors

from dptscope_export.checkpoints.file_names import weights_in
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.families.depth_anything_variants import INDOOR, V1, V2
from dptscope_export.pipeline import build

MIXIN = {"encoder": "vits", "features": 64, "out_channels": [48, 96, 192, 384], "use_bn": False, "use_clstoken": False}


def write(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    if path.suffix == ".safetensors":
        save_file(dict(tensors), path)
    else:
        torch.save(dict(tensors), path)


def hub_folder(folder: Path, weights: str, config: dict[str, Any] | None = None) -> Path:
    """A folder with these weights: ``{}`` stands for the number of a shard where there are several."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(MIXIN if config is None else config))
    tensors = seeded_tensors()
    if not weights.endswith(".json"):
        write(folder / weights, tensors)
        return folder
    kind, _, rest = weights.partition(".index.")
    stem, _, ending = kind.rpartition(".")
    variant = "." + rest.removesuffix(".json").removesuffix("json") if rest != "json" else ""
    names = list(tensors)
    shards = {f"{stem}{variant}-0000{n}-of-00002.{ending}": names[n - 1 :: 2] for n in (1, 2)}
    for shard, part in shards.items():
        write(folder / shard, {name: tensors[name] for name in part})
    index = {"metadata": {}, "weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (folder / weights).write_text(json.dumps(index))
    return folder


NAMES = [
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
    "model.fp16.safetensors", "model.bf16.safetensors", "pytorch_model.fp16.bin", "model.non_ema.safetensors",
    "model.safetensors.index.fp16.json", "pytorch_model.bin.index.fp16.json", "depth_anything_vits14.pth",
    "weights.safetensors", "last.ckpt",
]  # fmt: skip


@pytest.mark.parametrize("weights", NAMES)
def test_names_of_weights(weights: str, tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "mine", weights)
    (folder / "README.md").write_text("about")
    for left in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth", "training_args.bin", "scaler.pt"):
        (folder / left).write_bytes(b"of a trainer")
    for path in (folder, folder / weights):
        read = read_checkpoint(path)
        assert read.tensors.keys() == seeded_tensors().keys()
        assert read.file == weights
        if path == folder:
            assert read.name == "mine"


def test_the_plain_name_before_the_others() -> None:
    assert weights_in(["model.fp16.safetensors", "pytorch_model.bin", "model.safetensors"]) == ["model.safetensors"]
    assert weights_in(["x.pth", "model.fp16.safetensors"]) == ["model.fp16.safetensors"]


def test_two_kinds_of_weights(tmp_path: Path) -> None:
    """Nobody can tell which; either is taken by its name, with the config."""
    folder = hub_folder(tmp_path / "mine", "model.fp16.safetensors")
    hub_folder(folder, "model.bf16.safetensors")
    with pytest.raises(
        CheckpointError, match=r"got model\.bf16\.safetensors, model\.fp16\.safetensors; name one of them"
    ):
        read_checkpoint(folder)
    assert read_checkpoint(folder / "model.fp16.safetensors").settings == MIXIN


def test_the_file_that_was_named_is_read(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "mine", "model.safetensors")
    write(folder / "pytorch_model.bin", {name: tensor * 2 for name, tensor in seeded_tensors().items()})
    first, second = (read_checkpoint(folder / name).tensors for name in ("model.safetensors", "pytorch_model.bin"))
    assert torch.equal(first["pretrained.cls_token"] * 2, second["pretrained.cls_token"])


def test_what_is_missing_and_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"expected a folder with config\.json and model\.safetensors, got an empty"
    ):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match=r"and model\.safetensors, got config\.json, notes\.txt$"):
        read_checkpoint(tmp_path)
    hub_folder(tmp_path, "pytorch_model.bin.index.json")
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(CheckpointError) as raised:
        read_checkpoint(tmp_path)
    assert "expected 2 files in its folder, pytorch_model-00002-of-00002.bin missing, got config.json," in str(
        raised.value
    )
    assert "pytorch_model-00001-of-00002.bin" in str(raised.value)


def test_several_files_without_a_config(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "mine", "model.safetensors.index.json")
    (folder / "config.json").unlink()
    recognise(read_checkpoint(folder), ExportOptions(variant=V2))


def test_a_prefix_that_only_some_files_have(tmp_path: Path) -> None:
    """It is taken off what all files hold together."""
    folder = hub_folder(tmp_path / "mine", "model.safetensors.index.json")
    for number in (1, 2):
        shard = folder / f"model-0000{number}-of-00002.safetensors"
        part = list(seeded_tensors().items())[number - 1 :: 2]
        save_file({f"model.{name}": tensor for name, tensor in part}, shard)
    assert read_checkpoint(folder).tensors.keys() == seeded_tensors().keys()


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize(
    "config",
    [
        MIXIN,
        MIXIN | {"localhub": False},
        {},
        {"encoder": "mine"},
        {"encoder": 3},
        {"model_type": None, "encoder": "vits"},
    ],
    ids=str,
)
def test_a_config_without_model_type_is_no_evidence_and_no_obstacle(
    weights: str, config: dict[str, Any], tmp_path: Path
) -> None:
    read = read_checkpoint(hub_folder(tmp_path / "depth_anything_vits14", weights, config))
    with pytest.raises(VariantError, match="say --variant"):
        recognise(read, ExportOptions())
    plan = recognise(read, ExportOptions(variant=V1))
    assert (plan.variant, plan.evidence) == (V1, "--variant depth-anything-v1")
    build(read, plan)


@pytest.mark.parametrize("encoder", ["vitb", "vitl", "vitg"])
def test_the_encoder_is_held_against_the_tensors(encoder: str, tmp_path: Path) -> None:
    read = read_checkpoint(hub_folder(tmp_path / "mine", "model.safetensors", MIXIN | {"encoder": encoder}))
    with pytest.raises(
        CheckpointError, match=f"mine: config.json says encoder {encoder}, .* tensors of 4 blocks of 64"
    ):
        recognise(read, ExportOptions(variant=V1))


@pytest.mark.parametrize("key", ["use_bn", "use_clstoken"])
@pytest.mark.parametrize("options", [ExportOptions(), ExportOptions(variant=V1)])
def test_what_is_not_supported_is_named(key: str, options: ExportOptions, tmp_path: Path) -> None:
    read = read_checkpoint(hub_folder(tmp_path / "mine", "model.safetensors", MIXIN | {key: True}))
    with pytest.raises(CheckpointError, match=rf"got {key} True in config\.json, which are not supported"):
        recognise(read, options)


def test_the_range_of_a_metric_model(tmp_path: Path) -> None:
    """The authors' metric class has an argument for it, so that the mixin keeps it."""
    read = read_checkpoint(hub_folder(tmp_path / "mine", "model.safetensors", MIXIN | {"max_depth": 10.0}))
    assert recognise(read, ExportOptions(variant=INDOOR)).max_depth == 10.0
    plan = recognise(read, ExportOptions(variant=INDOOR, max_depth=5.0))
    assert (plan.max_depth, plan.notes) == (5.0, ("--max-depth 5 overrides config.json, which says 10",))
    with pytest.raises(VariantError, match=r"config\.json says max_depth 10, as metric models have it, but --variant"):
        recognise(read, ExportOptions(variant=V2))
    read = read_checkpoint(hub_folder(tmp_path / "mine", "model.safetensors", MIXIN | {"max_depth": "far"}))
    with pytest.raises(CheckpointError, match=r"expected max_depth in metres in config\.json, got 'far'"):
        recognise(read, ExportOptions(variant=INDOOR))
