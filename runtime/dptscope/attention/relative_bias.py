"""BEiT's attention biases: a number a head for how far apart two patches lie, resized to the grid at hand.

In a file for any size they are a table of the grid that the model was trained at; in a file for one size, made at the export,
whole or, where that would be too large, in part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dptscope.arrays import Float32Array
from dptscope.attention.maps import PairBias
from dptscope.attention.weights import Weights

# By the name of the operator that takes it: in the default and in the portable form of a file for one size, and in one that
# takes registers.
_WHOLE = ("Scan/initial_state_and_scan_inputs", "Add/B", "relative_bias/Pad/data")


def relative_bias(weights: Weights, attention: str, grid_hw: tuple[int, int]) -> PairBias:
    """The bias of the block whose attention has that path, class token first.

    Raises:
        ModelFileError: the file does not have it by its name.
    """
    for name in _WHOLE:
        if f"{attention}/{name}" in weights:
            whole = weights.get(f"{attention}/{name}")
            return WholeBias(whole.reshape(whole.shape[0], *whole.shape[-2:]))
    path = f"{attention}/relative_bias"
    return _spread(weights, path, grid_hw) if f"{path}/Gather/data" in weights else _from_table(weights, path, grid_hw)


def _spread(weights: Weights, path: str, grid_hw: tuple[int, int]) -> OffsetBias:
    """From a file for one size where the bias of all pairs would be too large: for each query's column the row offsets and
    the keys' columns, behind them a row for the class token; and what all tokens give it."""
    height, width = grid_hw
    rows_hrw, to_cls_hn1 = weights.get(f"{path}/Gather/data"), weights.get(f"{path}/Concat/inputs")
    spread_hwrw = rows_hrw[:, :-1].reshape(-1, width, 2 * height - 1, width)
    # The last column looks at those before it, the first at those behind it.
    offsets_hrc = np.concatenate([spread_hwrw[:, -1], spread_hwrw[:, 0, :, 1:]], axis=2)
    return OffsetBias(offsets_hrc, grid_hw, rows_hrw[:, -1, 0], to_cls_hn1[:, 1, 0], to_cls_hn1[:, 0, 0])


def _from_table(weights: Weights, path: str, grid_hw: tuple[int, int]) -> OffsetBias:
    """From a file for any size."""
    whole_table = f"{path}/Slice/data"
    if whole_table in weights:  # as large as the published models' are, it is cut up when the graph runs
        table_ho = weights.get(whole_table)
        side = math.isqrt(table_ho.shape[1])  # three more than its square
        offsets_hrc, for_cls = table_ho[:, :-3].reshape(-1, side, side), list(table_ho[:, -3:].T)
    else:
        # The first block makes shapes that the others use, too, and has more Concats for them.
        numbers = (number for number in range(2, 16) if f"{path}/Concat_{number}/inputs" in weights)
        itself = f"Concat_{next(numbers, 2)}/inputs"
        offsets_hrc = weights.get(f"{path}/MatMul/B")
        for_cls = [weights.get(f"{path}/{name}").reshape(-1) for name in ("Expand/input", "Expand_2/input", itself)]
    cls_to_patch_h, patch_to_cls_h, cls_to_cls_h = for_cls
    return OffsetBias(resize_table(offsets_hrc, grid_hw), grid_hw, cls_to_patch_h, patch_to_cls_h, cls_to_cls_h)


@dataclass(frozen=True)
class WholeBias:
    """Every pair's, ``[heads, tokens, tokens]``."""

    pairs_hnn: Float32Array

    @property
    def heads(self) -> int:
        return len(self.pairs_hnn)

    def rows(self, head: int, start: int, stop: int) -> Float32Array:
        return self.pairs_hnn[head, start:stop]

    def row(self, query: int) -> Float32Array:
        return self.pairs_hnn[:, query]

    def column(self, key: int) -> Float32Array:
        return self.pairs_hnn[:, :, key]


@dataclass(frozen=True)
class OffsetBias:
    """By offset, and for the class token by itself. No matrix of all pairs is made.

    Attributes:
        offsets_hrc: ``[heads, 2 * grid_height - 1, 2 * grid_width - 1]``, from query to key: of one query the keys are a
            piece of it as large as the grid.
        grid_hw: rows and columns of the grid.
        cls_to_patch_h, patch_to_cls_h, cls_to_cls_h: ``[heads]``, from query to key.
    """

    offsets_hrc: Float32Array
    grid_hw: tuple[int, int]
    cls_to_patch_h: Float32Array
    patch_to_cls_h: Float32Array
    cls_to_cls_h: Float32Array

    @property
    def heads(self) -> int:
        return len(self.offsets_hrc)

    def rows(self, head: int, start: int, stop: int) -> Float32Array:
        pieces_rchw = sliding_window_view(self.offsets_hrc[head], self.grid_hw)[::-1, ::-1]
        found_qn = np.empty((stop - start, 1 + self.grid_hw[0] * self.grid_hw[1]), np.float32)
        found_qn[:, 0] = self.patch_to_cls_h[head]
        first = max(start, 1)
        row_q, column_q = np.divmod(np.arange(first, stop) - 1, self.grid_hw[1])
        found_qn[first - start :, 1:] = pieces_rchw[row_q, column_q].reshape(stop - first, found_qn.shape[1] - 1)
        if start == 0:
            found_qn[0, 0], found_qn[0, 1:] = self.cls_to_cls_h[head], self.cls_to_patch_h[head]
        return found_qn

    def row(self, query: int) -> Float32Array:
        return self._of(query, self.offsets_hrc, self.cls_to_patch_h, self.patch_to_cls_h)

    def column(self, key: int) -> Float32Array:
        return self._of(key, self.offsets_hrc[:, ::-1, ::-1], self.patch_to_cls_h, self.cls_to_patch_h)

    def _of(
        self, token: int, offsets_hrc: Float32Array, of_cls_h: Float32Array, with_cls_h: Float32Array
    ) -> Float32Array:
        height, width = self.grid_hw
        found_hn = np.empty((len(offsets_hrc), 1 + height * width), np.float32)
        if token == 0:
            found_hn[:, 0], found_hn[:, 1:] = self.cls_to_cls_h, of_cls_h[:, None]
            return found_hn
        row, column = divmod(token - 1, width)
        top, left = height - 1 - row, width - 1 - column
        found_hn[:, 0] = with_cls_h
        found_hn[:, 1:] = offsets_hrc[:, top : top + height, left : left + width].reshape(len(offsets_hrc), -1)
        return found_hn


@dataclass(frozen=True)
class WithAddedTokens:
    """A bias in which tokens that were added behind the class token have no part: nothing with all others.

    Attributes:
        bias: of the class token and the grid.
        added: how many such tokens there are.
        tokens: how many there are in all.
    """

    bias: PairBias
    added: int
    tokens: int

    @property
    def heads(self) -> int:
        return self.bias.heads

    def rows(self, head: int, start: int, stop: int) -> Float32Array:
        found_qn = np.zeros((stop - start, self.tokens), np.float32)
        for first, last in ((start, min(stop, 1)), (max(start, 1 + self.added), stop)):
            if first < last:
                rows_qn = self.bias.rows(head, self._without_added(first), self._without_added(last - 1) + 1)
                found_qn[first - start : last - start] = self._widened(rows_qn)
        return found_qn

    def row(self, query: int) -> Float32Array:
        return self._of(query, self.bias.row)

    def column(self, key: int) -> Float32Array:
        return self._of(key, self.bias.column)

    def _of(self, token: int, found: Callable[[int], Float32Array]) -> Float32Array:
        if 0 < token <= self.added:
            return np.zeros((self.heads, self.tokens), np.float32)
        return self._widened(found(self._without_added(token)))

    def _without_added(self, token: int) -> int:
        return token - self.added if token else 0

    def _widened(self, bias_qn: Float32Array) -> Float32Array:
        return np.insert(bias_qn, [1] * self.added, 0, axis=-1)


def resize_table(table_hrc: Float32Array, grid_hw: tuple[int, int]) -> Float32Array:
    """A table of one grid's offsets, from key to query, to another's, from query to key; bilinear, half-pixel centres."""
    rows_rn, columns_cn = (
        _weights(2 * side - 1, size) for side, size in zip(grid_hw, table_hrc.shape[1:], strict=True)
    )
    return np.asarray(rows_rn @ table_hrc @ columns_cn.T, np.float32)


def _weights(offsets: int, size: int) -> Float32Array:
    """``[offsets, size]``, the last offset first; the borders are repeated."""
    positions_o = (np.arange(offsets, dtype=np.float32)[::-1] + 0.5) * (size / offsets) - 0.5
    distance_on = np.abs(np.clip(positions_o, 0, size - 1)[:, None] - np.arange(size, dtype=np.float32))
    return np.asarray(np.maximum(1 - distance_on, 0), np.float32)
