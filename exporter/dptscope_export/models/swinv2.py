"""The Swin V2 encoder as MiDaS 3.1 uses it (Liu et al. 2022; timm's ``swin_transformer_v2.py``), at any size.

The original is built for one square image. At other sizes this is what the same weights mean:

- In every stage and along each axis for itself, the window is the configured one, clipped to the grid. A grid of 8 ×
  20 under a window of 16 has windows of 8 × 16.
- Odd blocks shift by half the configured window along an axis whose grid is larger than the window, and not at all
  along the other one. So the stage that is exactly one window large does not shift, as in the original at its native
  size.
- Offsets are normalised by the pretrained window where the configuration has one, else by the window at hand, again
  along each axis for itself.
- A grid that is no multiple of the window is padded with zeros below and to the right until it is; then it shifts.
  Padding is not masked: it is attended to, as a key of zero and a value of the bias.
- Sides are multiples of 32 pixels, so that each stage's grid is even where the next one halves it.

Where whole windows fit, this is timm's model constructed with ``img_size=(height, width)``. Where they do not, it is
Hugging Face's model configured with that ``image_size``, which pads first and shifts then; timm does it the other
way round. Hugging Face's has one window and one shift for both axes, taken from the height, so it differs where one
axis is clipped and the other is not. At the native size all three agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.dinov2 import MLP
from dptscope_export.models.relative_bias import pair_rows, row_index, spread_columns
from dptscope_export.models.windows import Axis, Windows, plain_windows, shifted_windows, smaller

LAYER_NORM_EPS = 1e-5
MAX_LOGIT_SCALE = math.log(1 / 0.01)  # the learned scale of the cosine is clamped to 100
MAX_BIAS = 16.0
NORM_EPS = 1e-12  # of the length of a query or key


@dataclass(frozen=True)
class StageConfig:
    """Sizes of one stage.

    Attributes:
        width: channels of a token.
        blocks: number of transformer blocks.
        heads: attention heads of a block.
        mlp_width: hidden channels of the MLP.
        window: tokens a side of a window, where the grid has as many.
        pretrained_window: the window of an earlier training, by which offsets are normalised; 0 for the window at hand.
    """

    width: int
    blocks: int
    heads: int
    mlp_width: int
    window: int
    pretrained_window: int = 0


@dataclass(frozen=True)
class SwinV2Config:
    """Sizes of a Swin V2 encoder.

    Attributes:
        stages: the four stages, fine to coarse; each halves the grid of the one before.
        position_width: hidden channels of the position MLP.
        native_size: pixels a side of the square image that the model was trained for.
        patch_size: pixels a patch side.
    """

    stages: tuple[StageConfig, StageConfig, StageConfig, StageConfig]
    position_width: int
    native_size: int
    patch_size: int = 4

    @property
    def blocks(self) -> int:
        return sum(stage.blocks for stage in self.stages)


@dataclass(frozen=True)
class StageGrid:
    """What all blocks of a stage share at one size of the grid.

    Attributes:
        plain: windows of even blocks.
        shifted: windows of odd blocks.
        offsets: ``[row offsets, column offsets, 2]``: log-spaced offsets between two places of a window.
        rows: index for :func:`dptscope_export.models.relative_bias.pair_rows`.
    """

    plain: Windows
    shifted: Windows
    offsets: Tensor
    rows: Tensor


class WindowGrid(nn.Module):
    """The size of a stage's grid to the windows and offsets that its blocks share."""

    def __init__(self, config: StageConfig) -> None:
        super().__init__()
        self.window = config.window
        self.pretrained_window = config.pretrained_window

    def forward(self, grid_h: int, grid_w: int) -> StageGrid:
        rows = Axis.of(grid_h, self.window)
        columns = Axis.of(grid_w, self.window)
        offsets = torch.stack(torch.meshgrid(self._offsets(rows), self._offsets(columns), indexing="ij"), dim=-1)
        return StageGrid(
            plain=plain_windows(rows, columns),
            shifted=shifted_windows(rows, columns),
            offsets=offsets,
            rows=row_index(rows.window, columns.window),
        )

    def _offsets(self, axis: Axis) -> Tensor:
        """``[2 * window - 1]``: from query to key, -1 … 1 over the (pretrained) window, log-spaced.

        The original counts from key to query.
        """
        offset = (axis.window - 1) - torch.arange(2 * axis.window - 1, dtype=torch.float32)
        span = self.pretrained_window - 1 if self.pretrained_window else axis.window - 1
        scaled = offset / (span + 1 - smaller(span, 1)) * 8  # at least 1: a window of one place has only the offset 0
        return scaled.sign() * (scaled.abs() + 1).log2() / math.log2(8)


class PositionBias(nn.Module):
    """Continuous relative position bias: a small MLP from the offset between two places to a bias a head."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, heads, bias=False)

    def forward(self, grid: StageGrid) -> Tensor:
        """Return ``[heads, places, places]``, queries before keys; 0 … 16."""
        table_rch = self.fc2(F.relu(self.fc1(grid.offsets)))
        table_hrc = MAX_BIAS * table_rch.permute(2, 0, 1).sigmoid()
        spread_hwrw = spread_columns(table_hrc, grid.plain.columns.window)
        return pair_rows(spread_hwrw, grid.rows, grid.plain.window_places)


class WindowAttention(nn.Module):
    """Self-attention inside windows: cosine of query and key, times a learned scale a head, plus the position bias.

    The joint projection's bias is zero for the keys, so a place of padding, whose token is zero, has a cosine of zero
    with every query.
    """

    def __init__(self, config: StageConfig, position_width: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.logit_scale = nn.Parameter(torch.zeros(config.heads, 1, 1))
        self.position_bias = PositionBias(position_width, config.heads)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, tokens_bnc: Tensor, grid: StageGrid, windows: Windows) -> Tensor:
        # One more token, of zeros, for the places of padding. They all share it, so it is projected once.
        padded_bnc = F.pad(tokens_bnc, (0, 0, 0, 1))
        qkv_bpc = self.qkv(padded_bnc).index_select(1, windows.tokens)
        qkv_bwp3hd = qkv_bpc.reshape(tokens_bnc.shape[0], windows.windows, windows.window_places, 3, self.heads, -1)
        query_bwhpd, key_bwhpd, value_bwhpd = qkv_bwp3hd.permute(3, 0, 1, 4, 2, 5).unbind(0)
        scale_h11 = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        cosine_bwhpp = _unit(query_bwhpd) @ _unit(key_bwhpd).transpose(-2, -1)
        logits_bwhpp = cosine_bwhpp * scale_h11 + self.position_bias(grid)
        if windows.mask is not None:
            logits_bwhpp = logits_bwhpp + windows.mask
        mixed_bwhpd = logits_bwhpp.softmax(dim=-1) @ value_bwhpd
        mixed_bpc = mixed_bwhpd.transpose(2, 3).reshape(tokens_bnc.shape[0], -1, tokens_bnc.shape[-1])
        return self.proj(mixed_bpc.index_select(1, windows.places))


def _unit(vectors: Tensor) -> Tensor:
    """Vectors divided by their length."""
    return vectors / vectors.square().sum(dim=-1, keepdim=True).sqrt().clamp(min=NORM_EPS)


class Block(nn.Module):
    """A transformer block with its norms on the residual branches (post-norm)."""

    def __init__(self, config: StageConfig, position_width: int, shifted: bool) -> None:
        super().__init__()
        self.shifted = shifted
        self.attention = WindowAttention(config, position_width)
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(config.width, config.mlp_width)
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)

    def forward(self, tokens_bnc: Tensor, grid: StageGrid) -> Tensor:
        windows = grid.shifted if self.shifted else grid.plain
        tokens_bnc = tokens_bnc + self.norm1(self.attention(tokens_bnc, grid, windows))
        return tokens_bnc + self.norm2(self.mlp(tokens_bnc))


class PatchMerging(nn.Module):
    """Each 2 × 2 tokens to one of the next stage's width: reduce, then norm."""

    def __init__(self, width: int, next_width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, next_width, bias=False)
        self.norm = nn.LayerNorm(next_width, eps=LAYER_NORM_EPS)

    def forward(self, tokens_bhwc: Tensor) -> Tensor:
        batch, grid_h, grid_w, _ = tokens_bhwc.shape
        # [batch, row, its half, column, its half, channel]; the halves in the order (0, 0), (1, 0), (0, 1), (1, 1)
        quads = tokens_bhwc.reshape(batch, grid_h // 2, 2, grid_w // 2, 2, -1).permute(0, 1, 3, 4, 2, 5)
        return self.norm(self.reduction(quads.flatten(3)))


class Stage(nn.Module):
    """Blocks at one grid, the odd ones with shifted windows."""

    def __init__(self, config: StageConfig, position_width: int, first_block: int) -> None:
        super().__init__()
        self.window_grid = WindowGrid(config)
        self.names = tuple(f"block_{first_block + index:02d}" for index in range(config.blocks))
        for index, name in enumerate(self.names):
            self.add_module(name, Block(config, position_width, shifted=index % 2 == 1))

    def forward(self, tokens_bhwc: Tensor) -> list[Tensor]:
        """Return the tokens ``[B, grid_h, grid_w, C]`` after each block."""
        grid_h, grid_w = tokens_bhwc.shape[1:3]
        grid = self.window_grid(grid_h, grid_w)
        tokens_bnc = tokens_bhwc.flatten(1, 2)
        tokens = []
        for name in self.names:
            tokens_bnc = self.get_submodule(name)(tokens_bnc, grid)
            tokens.append(tokens_bnc.unflatten(1, (grid_h, grid_w)))
        return tokens


class SwinV2Encoder(nn.Module):
    """Image to the tokens that leave each block, each at its stage's grid."""

    def __init__(self, config: SwinV2Config) -> None:
        super().__init__()
        self.config = config
        width = config.stages[0].width
        self.patch_embed = nn.Conv2d(3, width, kernel_size=config.patch_size, stride=config.patch_size)
        self.patch_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        first_block = 0
        for index, stage in enumerate(config.stages):
            if index:
                self.add_module(f"merge_{index}", PatchMerging(config.stages[index - 1].width, stage.width))
            self.add_module(f"stage_{index + 1}", Stage(stage, config.position_width, first_block))
            first_block += stage.blocks

    def forward(self, image_bchw: Tensor) -> tuple[Tensor, list[list[Tensor]]]:
        """Return the tokens ``[B, grid_h, grid_w, C]`` before the first block, and for each stage after each block."""
        tokens_bhwc = embedded_bhwc = self.patch_norm(self.patch_embed(image_bchw).permute(0, 2, 3, 1))
        stages: list[list[Tensor]] = []
        for index in range(len(self.config.stages)):
            if index:
                tokens_bhwc = self.get_submodule(f"merge_{index}")(stages[-1][-1])
            stages.append(self.get_submodule(f"stage_{index + 1}")(tokens_bhwc))
        return embedded_bhwc, stages
