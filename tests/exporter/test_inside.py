"""Weights that float32 cannot compute with are found, though what comes out may be finite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.seeded import seeded_tensors

from dptscope.finite import has_finite_squares
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.inside import check_inside
from dptscope_export.pipeline import build

# A weight that is finite; where what it makes is too large; whether the depth shows it.
HUGE = {
    "a bias that GELU takes for zero": ("pretrained.blocks.1.mlp.fc1.bias", -3e38, "encoder.block_01.mlp.fc1"),
    "tokens whose variance is infinite": ("pretrained.blocks.2.mlp.fc2.bias", 3e38, "encoder.block_02.mlp.fc2"),
    "a map that ReLU takes for zero": ("depth_head.scratch.output_conv2.0.bias", -3e38, "head.conv2"),
}


@pytest.mark.parametrize("kind", HUGE)
def test_huge_weights(kind: str) -> None:
    name, value, place = HUGE[kind]
    tensors = seeded_tensors()
    tensors[name] = tensors[name].clone()
    tensors[name][3] = value
    checkpoint = Checkpoint("c.pth", tensors, "0" * 64)
    plan = recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
    model = build(checkpoint, plan)
    with torch.no_grad():
        assert torch.isfinite(model(torch.zeros(1, 3, 28, 28))).all()  # nothing in the depth would tell
    with pytest.raises(CheckpointError, match=f"c.pth: .* what {place} gives"):
        check_inside(model, plan, "c.pth")
    assert not any(module._forward_hooks for module in model.modules())


def test_good_weights(tmp_path: Path) -> None:
    checkpoint = Checkpoint("c.pth", seeded_tensors(), "0" * 64)
    plan = recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
    check_inside(build(checkpoint, plan), plan, "c.pth")


@pytest.mark.parametrize(("value", "sound"), [(1e15, True), (2e19, False), (float("nan"), False), (-torch.inf, False)])
def test_numbers(value: float, sound: bool) -> None:
    numbers = torch.zeros(3, 5)
    numbers[1, 2] = value
    assert has_finite_squares(numbers.numpy()) is sound
