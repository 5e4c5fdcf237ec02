"""Tiny checkpoints in the published layout."""

from __future__ import annotations

from pathlib import Path

import torch
from examples.first_look import seeded_checkpoint
from safetensors.torch import save_file

from dptscope_export.models.depth_anything import DepthAnythingConfig
from dptscope_export.models.dinov2 import DinoV2Config

TINY = DepthAnythingConfig(
    encoder=DinoV2Config(width=64, blocks=4, mlp_width=64, native_grid=5),
    taps=(0, 1, 2, 3),
    stage_channels=(8, 8, 8, 8),
    fusion_channels=8,
    middle_channels=8,
    head_channels=8,
)


def seeded_tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """Every tensor of the tiny model in the original layout, by name."""
    return seeded_checkpoint(TINY, seed)


def write_tiny(path: Path, variant: str = "depth-anything-v2", seed: int = 0) -> Path:
    """A tiny checkpoint as a safetensors file that says its variant."""
    save_file(seeded_tensors(seed), path, metadata={"variant": variant})
    return path
