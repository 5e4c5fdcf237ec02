"""The model that is trained: Depth Anything V2's shape, small enough to embed, and how its weights start out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from demo_model.constants import constant
from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dinov2 import DinoV2Config

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)

TINY = DepthAnythingConfig(
    encoder=DinoV2Config(width=192, blocks=12, mlp_width=768, native_grid=16),
    taps=(2, 5, 8, 11),
    stage_channels=(24, 48, 96, 96),
    fusion_channels=32,
    middle_channels=16,
    head_channels=16,
)
"""5.9 million parameters; three attention heads of 64 channels, as wide as the published models' heads. The native grid says
at which size a photo is looked at unless told otherwise: 16 patches, 224 pixels, within the sizes trained at, where the
published models have 37 and 518."""

_LONGEST_WAVE = 4.0
"""In widths of the picture."""
_SHORTEST_WAVE = 1 / 6
"""A sixth of the picture: more than a patch of the 8×8 grid, the smallest one trained at, so that every size sees it."""


def wave_positions(grid: int, width: int) -> Tensor:
    """``[1, 1 + grid², width]``: sines and cosines of the two coordinates; zeros for the class token.

    The position table is resampled to the grid at hand. Smooth waves come out the same at every grid, where a table that
    is learned at a few small grids would only be trained at the handful of entries that those grids touch. So it is
    fixed, as in MAE (He et al. 2022); wave lengths relate to the picture, not to patches.
    """
    pairs = width // 4
    lengths_p = _LONGEST_WAVE * (_SHORTEST_WAVE / _LONGEST_WAVE) ** torch.linspace(0, 1, pairs)
    line_g = (torch.arange(grid) + 0.5) / grid
    angle_gp = 2 * math.pi * line_g[:, None] / lengths_p
    waves_gc = torch.cat([angle_gp.sin(), angle_gp.cos()], dim=1)
    rows_ggc = waves_gc[:, None].expand(-1, grid, -1)
    columns_ggc = waves_gc[None].expand(grid, -1, -1)
    table_nc = torch.cat([rows_ggc, columns_ggc], dim=2).flatten(0, 1)
    return 0.5 * torch.cat([torch.zeros(1, width), table_nc])[None]


def build(seed: int) -> DepthAnything:
    """A fresh model on the CPU."""
    torch.manual_seed(seed)
    model = DepthAnything(TINY)
    initialise(model)
    return model


def initialise(model: DepthAnything) -> None:
    """Fill in starting weights.

    The last layer starts near a constant 1: from a small random one, whose bias starts at 0, half of the outputs lie
    below the final ReLU; the objective does not care about scale, so nothing holds them above it, and within a few steps
    the output is 0 everywhere with no gradient to come back by.
    """
    encoder = model.config.encoder
    for module in model.encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.6 / math.sqrt(module.in_features))
            nn.init.zeros_(module.bias)
    for name, parameter in model.encoder.named_parameters():
        if name.endswith(("proj.weight", "fc2.weight")) and "patch_embed" not in name:
            parameter.data /= math.sqrt(2 * encoder.blocks)  # what the blocks add up to stays near 1 (GPT-2)
    nn.init.trunc_normal_(model.encoder.cls_token, std=0.02)
    table = model.encoder.position.table
    table.data.copy_(wave_positions(encoder.native_grid, encoder.width))
    table.requires_grad_(False)
    for part in (model.reassemble, model.fusion, model.head):
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=1.0)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    nn.init.normal_(model.head.conv3.weight, std=0.02)
    nn.init.ones_(model.head.conv3.bias)


def normalise(rgb_bchw: Tensor) -> Tensor:
    """Float RGB ``[B, 3, H, W]`` in [0, 1] to the model's input."""
    mean, std = (constant(values, rgb_bchw.device)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (rgb_bchw - mean) / std


def to_input(rgb_bhwc: Tensor) -> Tensor:
    """uint8 RGB ``[B, H, W, 3]`` to the model's float32 ``[B, 3, H, W]``."""
    return normalise(rgb_bhwc.permute(0, 3, 1, 2).float() / 255).contiguous()
