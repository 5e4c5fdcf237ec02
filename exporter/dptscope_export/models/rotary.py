"""Rotary position embedding in two dimensions (Su et al. 2021; Heo et al. 2024), as Depth Anything 3 has it
(``depth_anything_3/model/dinov2/layers/rope.py``): half of a head's channels turn with the row, half with the column."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.dinov2 import HEAD_WIDTH, Attention

BASE = 100.0
PAIRS = HEAD_WIDTH // 4  # of channels that turn with one of the two
QK_NORM_EPS = 1e-5


@dataclass(frozen=True)
class Rotation:
    """How far every token's queries and keys are turned, ``[N, 64]`` each, the token before the grid's first.

    Attributes:
        cos_nd: of each channel's angle.
        sin_nd: with the sign of a channel's partner in it.
    """

    cos_nd: Tensor
    sin_nd: Tensor

    def turn(self, vectors_hbnd: Tensor) -> Tensor:
        """Queries or keys, turned. The partner of channel i of a half is i + 16 or i - 16."""
        first, second, third, fourth = vectors_hbnd.chunk(4, dim=-1)
        partners_hbnd = torch.cat([second, first, fourth, third], dim=-1)
        return vectors_hbnd * self.cos_nd + partners_hbnd * self.sin_nd


@dataclass(frozen=True)
class Rotations:
    """Those of both kinds of blocks at one grid."""

    local: Rotation
    everywhere: Rotation


class RotaryPositions(nn.Module):
    """Grid to rotations.

    In blocks that attend within a photo the token before the patches is at 0, 0, and patch (row, column) at (row + 1,
    column + 1). In those that attend to all photos at once, here to the one, every patch is at (1, 1).
    """

    def forward(self, grid_h: int, grid_w: int) -> Rotations:
        rows_h = torch.arange(1, grid_h + 1, dtype=torch.float32)[:, None, None]
        columns_w = torch.arange(1, grid_w + 1, dtype=torch.float32)[None, :, None]
        return Rotations(
            local=_rotation(rows_h, columns_w, grid_h, grid_w),
            everywhere=_rotation(torch.ones(1, 1, 1), torch.ones(1, 1, 1), grid_h, grid_w),
        )


def _rotation(rows_h11: Tensor, columns_1w1: Tensor, grid_h: int, grid_w: int) -> Rotation:
    frequencies = torch.tensor([BASE ** (-pair / PAIRS) for pair in range(PAIRS)])
    angles = [places * frequencies for places in (rows_h11, columns_1w1)]
    cos, sin = ([angle.cos() for angle in angles], [angle.sin() for angle in angles])

    def table(parts: list[Tensor], at_zero: float) -> Tensor:
        patches_nd = torch.cat([part.expand(grid_h, grid_w, -1) for part in parts], dim=-1).flatten(0, 1)
        return torch.cat([torch.full((1, HEAD_WIDTH), at_zero), patches_nd])

    return Rotation(table([cos[0], cos[0], cos[1], cos[1]], 1.0), table([-sin[0], sin[0], -sin[1], sin[1]], 0.0))


class RotaryAttention(Attention):
    """Attention whose queries and keys are normalised within each head, then turned by their place."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.q_norm = nn.LayerNorm(HEAD_WIDTH, eps=QK_NORM_EPS)
        self.k_norm = nn.LayerNorm(HEAD_WIDTH, eps=QK_NORM_EPS)

    def forward(self, tokens_bnc: Tensor, rotation: Rotation) -> Tensor:  # type: ignore[override]  # has a place, too
        query_hbnd, key_hbnd, value_hbnd = self.project(tokens_bnc)
        return self.attend(rotation.turn(self.q_norm(query_hbnd)), rotation.turn(self.k_norm(key_hbnd)), value_hbnd)
