"""A plain vision transformer with learned positions (Dosovitskiy et al. 2021), as MiDaS 3.0 uses it
(``midas/backbones/vit.py`` over timm's ``vision_transformer.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, MLP, Attention
from dptscope_export.models.plain_vit import PlainViT, PositionTable
from dptscope_export.models.resample import linear_weights


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a plain vision transformer.

    Attributes:
        width: channels of a token.
        blocks: number of transformer blocks.
        heads: attention heads of a block.
        mlp_width: hidden channels of the MLP.
        native_grid: patches a side of the square grid that the position embedding was trained for.
        patch_size: pixels a patch side, or places of the map that is cut into patches.
        in_channels: of the image or the map.
    """

    width: int
    blocks: int
    heads: int
    mlp_width: int
    native_grid: int
    patch_size: int = 16
    in_channels: int = 3


class PositionEmbedding(PositionTable):
    """Bilinear, half-pixel centres, no antialiasing, as in the original. Bicubic moves the depth by a hundredth of its
    std and more.
    """

    def weights(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        return self._weights(grid_h), self._weights(grid_w)

    def _weights(self, places: int) -> Tensor:
        """``[places, native_grid]``; the identity at the native grid."""
        index_o = torch.arange(places, dtype=torch.float32, device=self.table.device)
        return linear_weights((index_o + 0.5) * (self.native_grid / places) - 0.5, self.native_grid)


class Block(nn.Module):
    """A pre-norm transformer block without layer scale."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attention = Attention(config.width, config.heads)
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(config.width, config.mlp_width)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        tokens_bnc = tokens_bnc + self.attention(self.norm1(tokens_bnc))
        return tokens_bnc + self.mlp(self.norm2(tokens_bnc))


class ViTEncoder(PlainViT):
    """Image, or a map of a convolutional network, to the tokens that go into the first block and leave each."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(
            config.width,
            config.patch_size,
            PositionEmbedding(config.native_grid, config.width),
            (Block(config) for _ in range(config.blocks)),
            config.in_channels,
        )
