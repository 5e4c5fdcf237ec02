"""What plain vision transformers share (Dosovitskiy et al. 2021): patches and a class token, a learned position for each, one
block after the other on one grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class PositionTable(nn.Module):
    """The learned position of the class token and of every patch, resized to the grid at hand. Subclasses say how."""

    def __init__(self, native_grid: int, width: int) -> None:
        super().__init__()
        self.native_grid = native_grid
        self.table = nn.Parameter(torch.zeros(1, 1 + native_grid * native_grid, width))

    def weights(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        """Interpolation weights along the rows ``[grid_h, native_grid]`` and along the columns ``[grid_w, native_grid]``."""
        raise NotImplementedError

    def forward(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        """Return the class token's position ``[1, 1, C]`` and the patches' ``[1, grid_h * grid_w, C]``."""
        native = self.native_grid
        rows_hn, columns_wn = self.weights(grid_h, grid_w)
        patches_nnc = self.table[0, 1:].unflatten(0, (native, native))
        patches_hnc = (rows_hn @ patches_nnc.flatten(1)).unflatten(1, (native, -1))
        patches_hwc = columns_wn @ patches_hnc
        return self.table[:, :1], patches_hwc.flatten(0, 1).unsqueeze(0)


class PlainViT(nn.Module):
    """Image, or a map of a convolutional network, to the tokens that go into the first block and leave each.

    Args:
        width: channels of a token.
        patch_size: pixels a patch side, or places of the map that is cut into patches.
        position: added to every token; None for encoders whose blocks tell positions by other means.
        blocks: the blocks, first to last.
        in_channels: of the image or the map.
    """

    def __init__(
        self,
        width: int,
        patch_size: int,
        position: PositionTable | None,
        blocks: Iterable[nn.Module],
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(in_channels, width, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = position
        self.block_names = []
        for index, block in enumerate(blocks):
            self.block_names.append(f"block_{index:02d}")
            self.add_module(self.block_names[-1], block)

    def forward(self, map_bchw: Tensor) -> tuple[list[Tensor], int, int]:
        """Return the tokens ``[B, 1 + grid_h * grid_w, C]`` before the first block and after each, class token first (behind
        it what :meth:`special` adds), and the grid."""
        tokens_bnc, grid_h, grid_w = self.embed(map_bchw)
        shared = self.shared(grid_h, grid_w)
        tokens = [tokens_bnc]
        for index in range(len(self.block_names)):
            tokens_bnc = self.run_block(index, tokens_bnc, shared)
            tokens.append(tokens_bnc)
        return tokens, grid_h, grid_w

    def embed(self, map_bchw: Tensor) -> tuple[Tensor, int, int]:
        """The tokens that go into the first block, and the grid's size."""
        patches_bchw = self.patch_embed(map_bchw)
        grid_h, grid_w = patches_bchw.shape[-2:]
        positions = None if self.position is None else self.position(grid_h, grid_w)
        cls_11c, patches_bnc = self.cls_token, patches_bchw.flatten(2).transpose(1, 2)
        if positions is not None:
            cls_position, patch_positions = positions
            patches_bnc, cls_11c = patches_bnc + patch_positions, cls_11c + cls_position
        special_bsc = self.special(cls_11c).expand(map_bchw.shape[0], -1, -1)
        return torch.cat([special_bsc, patches_bnc], dim=1), grid_h, grid_w

    def special(self, cls_11c: Tensor) -> Tensor:
        """The tokens before the patches ``[1, tokens, C]``: the class token with its position."""
        return cls_11c

    def shared(self, grid_h: int, grid_w: int) -> Any:
        """What the blocks have in common at one grid, and need beside their tokens; nothing here."""

    def run_block(self, index: int, tokens_bnc: Tensor, shared: Any) -> Tensor:
        """The tokens that leave a block, from those that left the one before."""
        left_bnc: Tensor = self.get_submodule(self.block_names[index])(tokens_bnc)
        return left_bnc
