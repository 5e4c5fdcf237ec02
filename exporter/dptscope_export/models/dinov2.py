"""The DINOv2 encoder as Depth Anything uses it (Oquab et al. 2023; ``dinov2_layers`` in the original repository)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.plain_vit import PlainViT, PositionTable
from dptscope_export.models.resample import cubic_weights

LAYER_NORM_EPS = 1e-6
HEAD_WIDTH = 64
# The original adds this to the grid before it divides by the native grid, "to avoid floating point error", and then
# resizes by that factor, so the sampling positions depend on it: leaving it out moves the depth by up to 0.2 of its std.
GRID_OFFSET = 0.1


@dataclass(frozen=True)
class DinoV2Config:
    """Sizes of a DINOv2 encoder.

    Attributes:
        width: channels of a token; a multiple of 64, the width of one attention head.
        blocks: number of transformer blocks.
        mlp_width: hidden channels of the MLP.
        swiglu: whether the MLP is gated (ViT-giant) instead of GELU.
        patch_size: pixels a patch side.
        native_grid: patches a side of the square grid that the position embedding was trained for.
        head_width: channels of an attention head.
    """

    width: int
    blocks: int
    mlp_width: int
    swiglu: bool = False
    patch_size: int = 14
    native_grid: int = 37
    head_width: int = HEAD_WIDTH

    @property
    def heads(self) -> int:
        return self.width // self.head_width


class PositionEmbedding(PositionTable):
    """Bicubic without antialiasing, with the original's coordinates (:data:`GRID_OFFSET`); exactly the learned values on the
    native square grid, as in the original.
    """

    def weights(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        native = self.native_grid
        rows_h = torch.arange(grid_h, dtype=torch.float32, device=self.table.device)
        columns_w = torch.arange(grid_w, dtype=torch.float32, device=self.table.device)
        # The sizes as tensors: an `if` on them would bind a traced graph to one branch.
        height = rows_h[-1] + 1
        width = columns_w[-1] + 1
        offset = torch.where((height == native) & (width == native), 0.0, GRID_OFFSET)
        return (
            cubic_weights((rows_h + 0.5) * (native / (height + offset)) - 0.5, native),
            cubic_weights((columns_w + 0.5) * (native / (width + offset)) - 0.5, native),
        )


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        return self.attend(*self.project(tokens_bnc))

    def project(self, tokens_bnc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, ``[heads, B, N, D]`` each."""
        # Heads first: each head is one piece of memory, and the export attends head by head.
        query_hbnd, key_hbnd, value_hbnd = (
            part_bnc.unflatten(-1, (self.heads, -1)).permute(2, 0, 1, 3)
            for part_bnc in self.qkv(tokens_bnc).chunk(3, dim=-1)
        )
        return query_hbnd, key_hbnd, value_hbnd

    def attend(self, query_hbnd: Tensor, key_hbnd: Tensor, value_hbnd: Tensor) -> Tensor:
        """What every token takes from the others, ``[B, N, C]``."""
        weights_hbnn = ((query_hbnd * self.scale) @ key_hbnd.transpose(-2, -1)).softmax(dim=-1)
        mixed_bnc: Tensor = self.proj((weights_hbnn @ value_hbnd).permute(1, 2, 0, 3).flatten(2))
        return mixed_bnc


class MLP(nn.Module):
    """Two linear layers around an exact (erf) GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens_bnc)))


class SwiGLU(nn.Module):
    """The gated MLP of ViT-giant: ``w3(silu(x1) * x2)`` with ``x1, x2 = w12(x)`` (Shazeer 2020)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        gate_bnm, value_bnm = self.w12(tokens_bnc).chunk(2, dim=-1)
        return self.w3(F.silu(gate_bnm) * value_bnm)


class LayerScale(nn.Module):
    """A learned factor a channel (Touvron et al. 2021, CaiT)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        return tokens_bnc * self.gamma


class Block(nn.Module):
    """A pre-norm transformer block with layer scale.

    Args:
        config: sizes.
        attention: another one than that of DINOv2.
    """

    def __init__(self, config: DinoV2Config, attention: nn.Module | None = None) -> None:
        super().__init__()
        mlp = SwiGLU if config.swiglu else MLP
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attention = Attention(config.width, config.heads) if attention is None else attention
        self.scale1 = LayerScale(config.width)
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = mlp(config.width, config.mlp_width)
        self.scale2 = LayerScale(config.width)

    def forward(self, tokens_bnc: Tensor, *shared: Any) -> Tensor:
        """Tokens to tokens; ``shared`` is what the attention needs beside them."""
        tokens_bnc = tokens_bnc + self.scale1(self.attention(self.norm1(tokens_bnc), *shared))
        return tokens_bnc + self.scale2(self.mlp(self.norm2(tokens_bnc)))


class DinoV2Encoder(PlainViT):
    """Image to the tokens that go into the first block and leave each."""

    def __init__(self, config: DinoV2Config) -> None:
        super().__init__(
            config.width,
            config.patch_size,
            PositionEmbedding(config.native_grid, config.width),
            (Block(config) for _ in range(config.blocks)),
        )
