"""The whole way once at full size: ViT-S with random weights, a real photo, depth and norms without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from examples.first_look import VITS, seeded_checkpoint
from support.without_torch import run_without_torch

import dptscope
from dptscope.commands import app as cli
from dptscope.prepare import prepare_image
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import build


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vits") / "depth_anything_v2_vits.pth"
    torch.save(seeded_checkpoint(VITS, seed=11), path)
    return path


def test_export_depth_and_norms(checkpoint: Path, photo_path: Path, photo_bgr: Any) -> None:
    folder = checkpoint.parent
    assert cli.run(["export", str(checkpoint), "-o", str(folder / "vits.onnx")]) == 0
    for command, *options in (("depth", "--scales", 1, 0.5, 1, 1), ("norms", "--format", "json,npy")):
        run = run_without_torch(command, folder / "vits.onnx", photo_path, "-o", folder / "out", *options)
        assert (run.returncode, run.stderr) == (0, "")

    read = read_checkpoint(checkpoint)
    model = build(read, recognise(read, ExportOptions()))
    image = torch.from_numpy(prepare_image(dptscope.load(folder / "vits.onnx").card, photo_bgr))
    assert image.shape == (1, 3, 518, 770)
    with torch.no_grad():
        features = model.features(image)
        scales = tuple(torch.full((1,), scale) for scale in (1, 0.5, 1, 1))
        raw = model.depth(features.fusion_inputs, scales)
        wanted = torch.nn.functional.interpolate(raw[:, None], (500, 741), mode="bilinear", align_corners=True)[0, 0]
    depth = np.load(folder / "out/motorcycle_depth.npy")
    assert depth.shape == (500, 741)
    assert np.abs(depth - wanted.numpy()).max() <= 1e-4 * np.ptp(wanted.numpy())
    norms = np.load(folder / "out/motorcycle_norms.npy")
    assert norms.shape == (12, 37, 55)
    for got, tokens in zip(norms, features.block_tokens, strict=True):
        wanted_norms = tokens[0].norm(dim=-1).numpy()
        assert np.abs(got - wanted_norms).max() <= 4e-6 * wanted_norms.mean()
    summary = json.loads((folder / "out/motorcycle_norms.json").read_text())
    assert len(summary["blocks"]) == 12
