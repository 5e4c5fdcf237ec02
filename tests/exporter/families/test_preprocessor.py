"""``preprocessor_config.json``: the colours that reach the model are those that transformers' image processor makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file
from support.seeded import seeded_tensors
from transformers import DPTImageProcessor

from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families import ExportOptions, ExportPlan, recognise

OURS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def plan(said: dict[str, Any] | None) -> ExportPlan:
    checkpoint = Checkpoint("depth_anything_v2_vits.pth", seeded_tensors(), "0" * 64, preprocessor=said)
    return recognise(checkpoint, ExportOptions())


@pytest.mark.parametrize(
    "said",
    [
        {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "image_processor_type": "DPTImageProcessor"},
        {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
        {"image_mean": [0.485, 0.456, 0.406]},
        {},
        {"do_normalize": False},
        {"do_normalize": False, "do_rescale": False},
        {"do_rescale": False, "image_mean": [120.0, 110.0, 100.0], "image_std": [58.0, 57.0, 56.0]},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
    ],
    ids=str,
)
def test_as_transformers_prepares(said: dict[str, Any]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 42, 3), dtype=np.uint8)
    settings = {key: value for key, value in said.items() if key != "image_processor_type"}
    wanted = DPTImageProcessor(do_resize=False, **settings)(image, return_tensors="np")["pixel_values"][0]
    found = plan(said)
    got = (image / 255 - np.array(found.preparation.mean)) / np.array(found.preparation.std)
    np.testing.assert_allclose(got.transpose(2, 0, 1), wanted, rtol=1e-4, atol=1e-4)
    assert bool(found.notes) == (said.get("image_mean") != list(OURS[0]) or "image_std" not in said)


def test_what_differs_is_told() -> None:
    found = plan({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})
    assert found.preparation == replace(plan(None).preparation, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert found.notes == (
        "preprocessor_config.json says mean (0.5, 0.5, 0.5) and std (0.5, 0.5, 0.5), not (0.485, 0.456, 0.406) and "
        "(0.229, 0.224, 0.225) as published: photos are prepared as it says",
    )
    assert plan({"image_mean": list(OURS[0]), "image_std": list(OURS[1])}).preparation == plan(None).preparation


@pytest.mark.parametrize(
    "said",
    [
        {"image_mean": [0.5, 0.5]},
        {"image_mean": "0.5"},
        {"image_std": [0.5, 0.5, None]},
        {"image_std": [0.5, 0.0, 0.5]},
        {"image_std": [0.5, -1.0, 0.5]},
        {"image_mean": [float("nan"), 0.5, 0.5]},
        {"rescale_factor": 0},
        {"rescale_factor": "x"},
        {"image_processor_type": "CLIPImageProcessor"},
    ],
    ids=str,
)
def test_what_no_photo_can_be_prepared_with(said: dict[str, Any]) -> None:
    with pytest.raises(
        CheckpointError, match=r"depth_anything_v2_vits\.pth: expected .* in preprocessor_config\.json, got"
    ):
        plan(said)


def test_it_is_read_from_the_folder(tmp_path: Path) -> None:
    save_file(seeded_tensors(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": 0.25, "image_std": 0.75}))
    for path in (tmp_path, tmp_path / "model.safetensors"):
        found = recognise(read_checkpoint(path), ExportOptions(variant="depth-anything-v2"))
        assert (found.preparation.mean, found.preparation.std) == ((0.25,) * 3, (0.75,) * 3)
