"""Seeded checkpoints in the published layout: the tensors a family expects, filled so that signals stay alive."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from dptscope_export.families.depth_anything import original_keys
from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dinov2 import DinoV2Config

TINY = DepthAnythingConfig(
    encoder=DinoV2Config(width=64, blocks=4, mlp_width=64, native_grid=5),
    taps=(0, 1, 2, 3),
    stage_channels=(8, 8, 8, 8),
    fusion_channels=8,
    middle_channels=8,
    head_channels=8,
)


def seeded_tensors(config: DepthAnythingConfig = TINY, seed: int = 0) -> dict[str, torch.Tensor]:
    """Every tensor of the original layout, by name."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        model = DepthAnything(config)
    keys = original_keys(config.encoder.blocks, config.encoder.swiglu)
    tensors = {}
    for ours, tensor in model.state_dict().items():
        value = torch.randn(tensor.shape, generator=generator)
        if "norm" in ours and ours.endswith("weight"):
            value = 1 + 0.2 * value
        elif ours.endswith("gamma"):
            value = 0.4 + 0.2 * value
        elif ours.endswith("bias"):
            value = 0.2 * value + (2.0 if ours == "head.conv3.bias" else 0.0)
        elif ours.endswith(("table", "token")):
            value = 0.5 * value
        else:
            value = value * (1.4 / math.sqrt(value[0].numel()))
        (name,) = keys.source(ours).names
        tensors[name] = value
    return tensors


def write_tiny(path: Path, variant: str = "depth-anything-v2", seed: int = 0) -> Path:
    """A tiny checkpoint as a safetensors file that says its variant."""
    save_file(seeded_tensors(seed=seed), path, metadata={"variant": variant})
    return path
