"""A plain vision transformer with learned positions (Dosovitskiy et al. 2021), as MiDaS 3.0 uses it
(``midas/backbones/vit.py`` over timm's ``vision_transformer.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, MLP, Attention
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


class PositionEmbedding(nn.Module):
    """The learned position of the class token and of every patch, resized to the grid at hand.

    Bilinear, half-pixel centres, no antialiasing, as in the original. Bicubic moves the depth by a hundredth of its
    std and more.
    """

    def __init__(self, native_grid: int, width: int) -> None:
        super().__init__()
        self.native_grid = native_grid
        self.table = nn.Parameter(torch.zeros(1, 1 + native_grid * native_grid, width))

    def forward(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        """Return the class token's position ``[1, 1, C]`` and the patches' ``[1, grid_h * grid_w, C]``."""
        native = self.native_grid
        patches_nnc = self.table[0, 1:].unflatten(0, (native, native))
        patches_hnc = (self._weights(grid_h) @ patches_nnc.flatten(1)).unflatten(1, (native, -1))
        patches_hwc = self._weights(grid_w) @ patches_hnc
        return self.table[:, :1], patches_hwc.flatten(0, 1).unsqueeze(0)

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


class ViTEncoder(nn.Module):
    """Image, or a map of a convolutional network, to the tokens that go into the first block and leave each."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        patch = config.patch_size
        self.patch_embed = nn.Conv2d(config.in_channels, config.width, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.position = PositionEmbedding(config.native_grid, config.width)
        for index in range(config.blocks):
            self.add_module(f"block_{index:02d}", Block(config))

    def forward(self, map_bchw: Tensor) -> tuple[list[Tensor], int, int]:
        """Return the tokens ``[B, 1 + grid_h * grid_w, C]`` before the first block and after each, class token first, and the
        grid."""
        patches_bchw = self.patch_embed(map_bchw)
        grid_h, grid_w = patches_bchw.shape[-2:]
        cls_position, patch_positions = self.position(grid_h, grid_w)
        patches_bnc = patches_bchw.flatten(2).transpose(1, 2) + patch_positions
        cls_b1c = (self.cls_token + cls_position).expand(map_bchw.shape[0], -1, -1)
        tokens_bnc = torch.cat([cls_b1c, patches_bnc], dim=1)

        tokens = [tokens_bnc]
        for index in range(self.config.blocks):
            tokens_bnc = self.get_submodule(f"block_{index:02d}")(tokens_bnc)
            tokens.append(tokens_bnc)
        return tokens, grid_h, grid_w
