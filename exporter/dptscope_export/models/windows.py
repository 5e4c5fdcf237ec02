"""Windows over a grid of tokens as index arithmetic on the grid's size, for window attention that shifts (Swin).

Partition, padding and cyclic shift only say which token stands where, so together they are one index: which token each
place of each window holds. One gather by that index replaces a pad, a roll, a reshape and a transpose, the way back is
the inverse gather, and because the index is arithmetic on the size, it traces with a dynamic size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

# Added to the logit of two places that the cyclic shift brought together from opposite borders, as in the original.
SEPARATED = -100.0


@dataclass(frozen=True)
class Axis:
    """Windows along one axis. All sizes may be symbolic.

    Attributes:
        grid: tokens.
        window: places in a window: the configured window, clipped to the grid.
        windows: windows that cover the grid, the last one padded where the grid is no multiple.
        shift: how far odd blocks shift: half the configured window, or nothing where one window covers the grid.
    """

    grid: int
    window: int
    windows: int
    shift: int

    @classmethod
    def of(cls, grid: int, window: int) -> Axis:
        """Cut ``grid`` tokens into windows of ``window``."""
        clipped = smaller(grid, window)
        # 1 or 0. There is no branching on a size, so that it may be symbolic.
        is_larger = smaller(grid - clipped, 1)
        return cls(
            grid,
            window=_as_symbol(clipped, smallest=1),
            windows=_as_symbol((grid + clipped - 1) // clipped, smallest=1),
            shift=_as_symbol(is_larger * (window // 2), smallest=0),
        )

    @property
    def padded(self) -> int:
        """Places of all windows."""
        return self.windows * self.window

    def source(self, shift: int) -> Tensor:
        """``[padded]``: which position of the padded axis each place holds after a cyclic shift towards the start."""
        return (torch.arange(self.padded) + shift) % _number(self.padded)

    def place(self, shift: int) -> Tensor:
        """``[grid]``: at which place of the shifted axis each token is."""
        return (torch.arange(self.grid) + self.padded - shift) % _number(self.padded)

    def wrapped(self, shift: int) -> Tensor:
        """``[padded]``: whether a place of the last window was brought there from the start of the axis."""
        return torch.arange(self.padded) >= self.padded - shift


@dataclass(frozen=True)
class Windows:
    """Where the tokens of a grid are in its windows.

    Attributes:
        rows: windows along the height.
        columns: windows along the width.
        tokens: ``[windows * places]``: the token at each place; windows in reading order, and the places inside them.
            The number of tokens stands for padding.
        places: ``[grid_h * grid_w]``: the place of each token, the inverse of ``tokens``.
        mask: ``[windows, 1, places, places]``, added to the logits, or None where nothing is shifted.
    """

    rows: Axis
    columns: Axis
    tokens: Tensor
    places: Tensor
    mask: Tensor | None

    @property
    def window_places(self) -> int:
        return self.rows.window * self.columns.window

    @property
    def windows(self) -> int:
        return self.rows.windows * self.columns.windows


def plain_windows(rows: Axis, columns: Axis) -> Windows:
    """Windows that begin at the corner of the grid."""
    return Windows(rows, columns, _tokens(rows, columns, 0, 0), _places(rows, columns, 0, 0), mask=None)


def shifted_windows(rows: Axis, columns: Axis) -> Windows:
    """Windows moved by half a window along every axis that has more than one."""
    separated_hh = _separated(rows)
    separated_ww = _separated(columns)
    # [rows, columns, row in the window, its column, row of the other place, its column]
    separated = separated_hh[:, None, :, None, :, None] | separated_ww[None, :, None, :, None, :]
    mask = torch.where(separated, SEPARATED, 0.0)
    count = rows.windows * columns.windows
    places = rows.window * columns.window
    return Windows(
        rows,
        columns,
        _tokens(rows, columns, rows.shift, columns.shift),
        _places(rows, columns, rows.shift, columns.shift),
        mask.reshape(count, 1, places, places),
    )


def _tokens(rows: Axis, columns: Axis, shift_h: int, shift_w: int) -> Tensor:
    row = rows.source(shift_h).reshape(rows.windows, 1, rows.window, 1)
    column = columns.source(shift_w).reshape(1, columns.windows, 1, columns.window)
    inside = (row < rows.grid) & (column < columns.grid)
    return torch.where(inside, row * columns.grid + column, rows.grid * columns.grid).flatten()


def _places(rows: Axis, columns: Axis, shift_h: int, shift_w: int) -> Tensor:
    row, window_h = rows.place(shift_h)[:, None], _number(rows.window)
    column, window_w = columns.place(shift_w)[None, :], _number(columns.window)
    window = (row // window_h) * columns.windows + column // window_w
    inside = (row % window_h) * columns.window + column % window_w
    return (window * (rows.window * columns.window) + inside).flatten()


def _separated(axis: Axis) -> Tensor:
    """``[windows, window, window]``: whether only one of two places was brought from the start of the axis."""
    wrapped = axis.wrapped(axis.shift).reshape(axis.windows, axis.window)
    return wrapped[:, :, None] != wrapped[:, None, :]


def smaller(first: int, second: int) -> int:
    """The smaller of two sizes, either of which may be symbolic: ``min`` would decide for the example that is traced."""
    size: int = torch.sym_min(first, second)
    return size


def _as_symbol(size: int, smallest: int) -> int:
    """The size under a symbol of its own, where it is symbolic.

    Tracing takes half the time when the sizes that follow are said in terms of that symbol instead of a growing
    expression of minima and quotients.
    """
    if type(size) is int:  # and not one of torch's symbolic sizes
        return size
    symbol = cast(int, _number(size).item())
    torch._check(symbol >= smallest)
    return symbol


def _number(size: int) -> Tensor:
    """A size as a tensor: torch's ONNX exporter knows remainders and quotients of two tensors only."""
    return torch.scalar_tensor(size, dtype=torch.int64)
