"""The BEiT encoder as MiDaS 3.1 uses it (Bao et al. 2021; ``midas/backbones/beit.py`` over timm's ``beit.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, MLP, LayerScale
from dptscope_export.models.plain_vit import PlainViT
from dptscope_export.models.relative_bias import column_offsets, pair_rows, row_index
from dptscope_export.models.resample import linear_weights

CLS_ENTRIES = 3  # the last rows of a bias table: class token to patch, patch to class token, class token to itself


@dataclass(frozen=True)
class BeitConfig:
    """Sizes of a BEiT encoder.

    Attributes:
        width: channels of a token.
        blocks: number of transformer blocks.
        heads: attention heads of a block.
        mlp_width: hidden channels of the MLP.
        native_grid: patches a side of the square grid that the bias tables were trained for.
        patch_size: pixels a patch side.
    """

    width: int
    blocks: int
    heads: int
    mlp_width: int
    native_grid: int
    patch_size: int = 16

    @property
    def native_offsets(self) -> int:
        """Row (or column) offsets between the patches of the native grid."""
        return 2 * self.native_grid - 1


@dataclass(frozen=True)
class GridBias:
    """What the biases of all blocks share at one grid ``h`` × ``w``; ``n`` offsets of the native grid.

    Attributes:
        row_weights_rn: ``[2h - 1, n]``: native row offsets to those of the grid.
        column_weights_wnw: ``[w, n, w]``: native column offsets to the keys' columns, for each column of a query.
        index: where each row of keys lies, the class token's first; see :func:`pair_rows`.
        queries: tokens, class token included.
    """

    row_weights_rn: Tensor
    column_weights_wnw: Tensor
    index: Tensor
    queries: int


class RelativePositions(nn.Module):
    """Grid to the interpolation weights and the index by which every block makes its bias from its table."""

    def __init__(self, native_offsets: int) -> None:
        super().__init__()
        self.native_offsets = native_offsets

    def forward(self, grid_h: int, grid_w: int) -> GridBias:
        row_weights_rn = self._weights(2 * grid_h - 1)
        column_weights_on = self._weights(2 * grid_w - 1)
        offsets = column_offsets(grid_w).flatten()
        column_weights_wwn = column_weights_on.index_select(0, offsets).unflatten(0, (grid_w, grid_w))
        # The class token is the first query. Its row of the bias is one value, kept behind the others by RelativeBias.
        cls_index_h = torch.full((grid_h,), grid_w * (2 * grid_h - 1))
        return GridBias(
            row_weights_rn=row_weights_rn,
            column_weights_wnw=column_weights_wwn.transpose(1, 2),
            index=torch.cat([cls_index_h, row_index(grid_h, grid_w)]),
            queries=1 + grid_h * grid_w,
        )

    def _weights(self, offsets: int) -> Tensor:
        """``[offsets, native offsets]``: bilinear, align_corners=False; the identity at the native grid.

        The table counts offsets from key to query, the result from query to key, so the rows are reversed.
        """
        reversed_o = (offsets - 1) - torch.arange(offsets, dtype=torch.float32)
        positions_o = (reversed_o + 0.5) * (self.native_offsets / offsets) - 0.5
        return linear_weights(positions_o, self.native_offsets)


class RelativeBias(nn.Module):
    """A block's attention bias for the grid at hand.

    As in the original, the table is resized bilinearly to the offsets that the grid has, and the entries of the class
    token stay as they are. The resize is two matrix products; the second one also spreads the result over the query's
    column.

    ``table`` is ``[offsets² + 3, heads]``, row offsets outside, as in the checkpoint.
    """

    def __init__(self, native_offsets: int, heads: int) -> None:
        super().__init__()
        self.native_offsets = native_offsets
        self.table = nn.Parameter(torch.zeros(native_offsets**2 + CLS_ENTRIES, heads))

    def forward(self, grid: GridBias) -> Tensor:
        """Return ``[heads, N, N]``, queries before keys, class token first."""
        grid_w = grid.column_weights_wnw.shape[0]
        table_hn = self.table.transpose(0, 1)
        patches_hnn = table_hn[:, :-CLS_ENTRIES].unflatten(1, (self.native_offsets, self.native_offsets))
        cls_to_patch_h11, patch_to_cls_h11, cls_to_cls_h11 = table_hn[:, -CLS_ENTRIES:, None, None].unbind(1)

        offsets_hrn = grid.row_weights_rn @ patches_hnn
        spread_hwrw = offsets_hrn[:, None] @ grid.column_weights_wnw
        cls_row_h11w = cls_to_patch_h11[..., None].expand(-1, -1, -1, grid_w)
        spread_h1rw = torch.cat([spread_hwrw.flatten(1, 2)[:, None], cls_row_h11w], dim=2)
        to_patches_hnk = pair_rows(spread_h1rw, grid.index, grid.queries)
        to_cls_hn1 = torch.cat([cls_to_cls_h11, patch_to_cls_h11.expand(-1, grid.queries - 1, -1)], dim=1)
        return torch.cat([to_cls_hn1, to_patches_hnk], dim=2)


class Attention(nn.Module):
    """Multi-head self-attention with a relative-position bias. The projection's bias is zero for the keys."""

    def __init__(self, config: BeitConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.scale = (config.width // config.heads) ** -0.5
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.relative_bias = RelativeBias(config.native_offsets, config.heads)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, tokens_bnc: Tensor, grid: GridBias) -> Tensor:
        # Of what a node needs, onnxruntime makes first what stands last in the file. So the bias stands before the rest:
        # it waits until the block's turn comes, and the biases of all blocks are never in memory together.
        bias_h1nn = self.relative_bias(grid)[:, None]
        # Heads first: each head is one piece of memory, and the export attends head by head.
        qkv_3hbnd = self.qkv(tokens_bnc).unflatten(-1, (3, self.heads, -1)).permute(2, 3, 0, 1, 4)
        query_hbnd, key_hbnd, value_hbnd = qkv_3hbnd.unbind(0)
        logits_hbnn = (query_hbnd * self.scale) @ key_hbnd.transpose(-2, -1) + bias_h1nn
        return self.proj((logits_hbnn.softmax(dim=-1) @ value_hbnd).permute(1, 2, 0, 3).flatten(2))


class Block(nn.Module):
    """A pre-norm transformer block with layer scale."""

    def __init__(self, config: BeitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attention = Attention(config)
        self.scale1 = LayerScale(config.width)
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(config.width, config.mlp_width)
        self.scale2 = LayerScale(config.width)

    def forward(self, tokens_bnc: Tensor, grid: GridBias) -> Tensor:
        tokens_bnc = tokens_bnc + self.scale1(self.attention(self.norm1(tokens_bnc), grid))
        return tokens_bnc + self.scale2(self.mlp(self.norm2(tokens_bnc)))


class BeitEncoder(PlainViT):
    """Image to the tokens that go into the first block and leave each. There is no absolute position embedding."""

    def __init__(self, config: BeitConfig) -> None:
        super().__init__(config.width, config.patch_size, None, (Block(config) for _ in range(config.blocks)))
        self.relative_positions = RelativePositions(config.native_offsets)

    def shared(self, grid_h: int, grid_w: int) -> GridBias:
        grid: GridBias = self.relative_positions(grid_h, grid_w)
        return grid

    def run_block(self, index: int, tokens_bnc: Tensor, grid: GridBias) -> Tensor:
        left_bnc: Tensor = self.get_submodule(self.block_names[index])(tokens_bnc, grid)
        return left_bnc
