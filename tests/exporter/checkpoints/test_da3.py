"""Which of Depth Anything 3's two monocular models a file holds, and that it holds all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from exporter.checkpoints.test_read import published
from safetensors.torch import save_file
from support import any_view_oracle, da3_oracle

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise

MONO, METRIC = "depth-anything-3-mono", "depth-anything-3-metric"


def published_da3(called: str) -> Checkpoint:
    """Names and shapes of both published files, as they are after reading."""
    listed = published("da3mono_large", called=called)
    return Checkpoint(called, {name.removeprefix("model."): t for name, t in listed.tensors.items()}, listed.sha256)


def test_a_published_list_fills_the_model() -> None:
    checkpoint = published_da3("depth-anything/DA3MONO-LARGE")
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.variant, plan.architecture, plan.taps) == (MONO, "vitl", (4, 11, 17, 23))
    assert plan.evidence == "the published repository depth-anything/DA3MONO-LARGE"
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)
    assert sum(parameter.numel() for parameter in model.parameters()) == 334_171_394  # every number of the file
    fewer = {name: t for name, t in checkpoint.tensors.items() if name != "head.scratch.sky_output_conv2.2.bias"}
    with pytest.raises(CheckpointError, match=r"1 of 406 .* missing: head\.scratch\.sky_output_conv2\.2\.bias"):
        load_strictly(model, Checkpoint("x", fewer, ""), plan.key_map)
    more = {**checkpoint.tensors, "backbone.pretrained.camera_token": torch.empty(1, 2, 1024, device="meta")}
    with pytest.raises(CheckpointError, match=r"1 unexpected tensors: backbone\.pretrained\.camera_token"):
        load_strictly(model, Checkpoint("x", more, ""), plan.key_map)


@pytest.mark.parametrize(
    ("called", "variant"),
    [
        ("depth-anything/DA3METRIC-LARGE", METRIC),
        ("DA3MONO-LARGE", MONO),  # a clone of the repository
        ("DA3METRIC-LARGE.safetensors", METRIC),
        ("da3mono-large.pth", MONO),
        ("depth_anything_3_metric_large.safetensors", METRIC),
    ],
)
def test_published_names(called: str, variant: str) -> None:
    plan = recognise(published_da3(called), ExportOptions())
    assert (plan.variant, plan.canonical_focal) == (variant, 300.0 if variant == METRIC else None)
    assert called in plan.evidence


@pytest.mark.parametrize("called", ["model.safetensors", "my-da3mono-large.pth", "someone/DA3MONO-LARGE", "DA3-LARGE"])
def test_other_names_tell_nothing(called: str) -> None:
    with pytest.raises(VariantError, match=f"its tensors fit both, so say --variant {MONO} . {METRIC}"):
        recognise(published_da3(called), ExportOptions())
    assert recognise(published_da3(called), ExportOptions(variant=METRIC)).evidence == f"--variant {METRIC}"


def test_the_user_and_other_evidence() -> None:
    plan = recognise(published_da3("DA3MONO-LARGE"), ExportOptions(variant=METRIC))
    assert plan.variant == METRIC
    assert plan.notes[0] == f"--variant {METRIC} overrides the published repository DA3MONO-LARGE, which says {MONO}"
    with pytest.raises(VariantError, match=f"expected --variant {MONO} . {METRIC}, got depth-anything-v2"):
        recognise(published_da3("DA3MONO-LARGE"), ExportOptions(variant="depth-anything-v2"))
    with pytest.raises(VariantError, match="--max-depth"):
        recognise(published_da3("DA3METRIC-LARGE"), ExportOptions(max_depth=80.0))


@pytest.mark.parametrize("weights", ["model.safetensors", "model.fp16.safetensors"])
def test_a_folder_of_the_hub(tmp_path: Path, weights: str) -> None:
    """The mixin's config: what its constructor was called with."""
    save_file(da3_oracle.tensors(), tmp_path / weights)
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3metric-large"}))
    checkpoint = read_checkpoint(tmp_path)
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.variant, plan.evidence) == (METRIC, "model_name da3metric-large in config.json")
    with pytest.raises(VariantError, match=f"config.json says model_name da3metric-large, got --variant {MONO}"):
        recognise(checkpoint, ExportOptions(variant=MONO))
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "da3-large"}))
    with pytest.raises(VariantError, match=re.escape("config.json's model_name 'da3-large' is neither")):
        recognise(read_checkpoint(tmp_path), ExportOptions())


def test_the_metric_model_of_a_nested_file(tmp_path: Path) -> None:
    """Two networks in a file: the any-view one first, the metric one by its key."""
    inner = {name.removeprefix("model."): tensor for name, tensor in da3_oracle.tensors().items()}
    any_view = {name.removeprefix("model."): tensor for name, tensor in any_view_oracle.tensors().items()}
    nested = {
        f"model.{part}.{n}": t.clone() for part, ts in (("da3", any_view), ("da3_metric", inner)) for n, t in ts.items()
    }
    save_file(nested, tmp_path / "nested.safetensors")
    checkpoint = read_checkpoint(tmp_path / "nested.safetensors", key="da3_metric")
    assert set(checkpoint.tensors) == set(inner)
    assert recognise(checkpoint, ExportOptions()).variant == METRIC
    whole = read_checkpoint(tmp_path / "nested.safetensors")
    assert whole.notes == ("2 models are in the file: model.da3 was taken, --key takes model.da3_metric",)
    assert recognise(whole, ExportOptions()).variant == "depth-anything-3"


def test_an_encoder_called_backbone_without_a_head_beside_it(tmp_path: Path) -> None:
    """V2 under another name is V2: only a head beside the encoder makes the two one model."""
    torch.save({"backbone.pretrained.patch_embed.proj.weight": torch.zeros(1)}, tmp_path / "a.pth")
    assert list(read_checkpoint(tmp_path / "a.pth").tensors) == ["pretrained.patch_embed.proj.weight"]
