"""Attention inside windows, as Swin V2 has it (Liu et al. 2022): cosines of queries and keys, and windows that shift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.attention.maps import Attention, Received, Token, grid_index, log_sum_exp
from dptscope.attention.weights import Weights, layer_norm
from dptscope.errors import ModelFileError

SEPARATED = np.float32(-100)  # added for two places that the shift brought together from opposite borders
MAX_BIAS = 16
LAYER_NORM_EPS = 1e-5
_SHORTEST = np.float32(1e-12)  # of a query or key
_Places = tuple[NDArray[np.intp], NDArray[np.bool_]]


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Attributes:
        grid: tokens.
        window: places in a window.
        shift: how far the windows are moved.
    """

    grid: int
    window: int
    shift: int

    @classmethod
    def of(cls, grid: int, window: int, shifted: bool) -> Axis:
        """A window of the configuration, clipped to the grid. One that holds the whole axis never shifts."""
        return cls(grid, min(grid, window), window // 2 if shifted and grid > window else 0)

    @property
    def padded(self) -> int:
        """Places of all windows: the last one may reach beyond the grid."""
        return -(-self.grid // self.window) * self.window

    def places(self, position: int) -> tuple[int, NDArray[np.intp], NDArray[np.bool_]]:
        """Of the window that holds a token: the token's place in it, the position that each of its places holds (those from
        ``grid`` on are padding), and whether the shift brought it from the start of the axis."""
        place = (position - self.shift) % self.padded
        window_p = np.arange(place - place % self.window, place - place % self.window + self.window)
        return place % self.window, (window_p + self.shift) % self.padded, window_p >= self.padded - self.shift

    def windows(self) -> Iterator[_Places]:
        """The positions of each window, and which of them the shift brought from the start of the axis."""
        for start in range(0, self.padded, self.window):
            yield self.places(start + self.shift)[1:]


class WindowAttention:
    """The attention of one block, window by window.

    Args:
        query_hnd: queries of length one, times the head's scale, ``[heads, tokens + 1, channels]``; the last is padding's.
        key_hnd: keys of length one, the same shape.
        rows, columns: the windows.
        bias_hpp: added to the logits of two places of a window, ``[heads, places, places]``.
    """

    def __init__(
        self, query_hnd: Float32Array, key_hnd: Float32Array, rows: Axis, columns: Axis, bias_hpp: Float32Array
    ) -> None:
        self._query_hnd, self._key_hnd, self._rows, self._columns = query_hnd, key_hnd, rows, columns
        self._bias_hpp = bias_hpp

    def of(self, token: Token) -> Attention:
        """One token's weights: zero outside its window. Padding takes what a query's weights lack to sum to one.

        Raises:
            DptscopeError: no such token.
        """
        row, column = divmod(grid_index(token, (self._rows.grid, self._columns.grid)), self._columns.grid)
        place_h, rows_p, wrapped_h = self._rows.places(row)
        place_w, columns_p, wrapped_w = self._columns.places(column)
        tokens_p, weights_hpp = self._weights((rows_p, wrapped_h), (columns_p, wrapped_w))
        place = place_h * self._columns.window + place_w
        none = np.zeros((len(weights_hpp), 0), np.float32)
        return Attention(
            self._grid(weights_hpp[:, place], tokens_p),
            self._grid(weights_hpp[:, :, place], tokens_p),
            none,
            none,
            (
                _bounds(rows_p[wrapped_h == wrapped_h[place_h]], self._rows.grid),
                _bounds(columns_p[wrapped_w == wrapped_w[place_w]], self._columns.grid),
            ),
        )

    def received(self) -> Received:
        """How much attention each token receives of the grid; padding, whose own does not count, takes some."""
        padding = self._rows.grid * self._columns.grid
        received_n = np.zeros(padding + 1, np.float32)
        for rows in self._rows.windows():
            for columns in self._columns.windows():
                tokens_p, weights_hpp = self._weights(rows, columns)
                received_n[tokens_p] = weights_hpp[:, tokens_p < padding].sum(axis=1).mean(axis=0)
        return Received(received_n[:-1].reshape(self._rows.grid, self._columns.grid), np.zeros(0, np.float32))

    def _weights(self, rows: _Places, columns: _Places) -> tuple[NDArray[np.intp], Float32Array]:
        """The tokens of a window, the last of :attr:`_query_hnd` in the places of padding, and the weights of each on each,
        ``[heads, places, places]``."""
        (rows_p, wrapped_h), (columns_p, wrapped_w) = rows, columns
        inside_hw = (rows_p < self._rows.grid)[:, None] & (columns_p < self._columns.grid)
        padding = self._rows.grid * self._columns.grid
        tokens_p = np.where(inside_hw, rows_p[:, None] * self._columns.grid + columns_p, padding).reshape(-1)
        piece_p = (wrapped_h[:, None] * 2 + wrapped_w).reshape(-1)
        logits_hpp = self._query_hnd[:, tokens_p] @ self._key_hnd[:, tokens_p].transpose(0, 2, 1) + self._bias_hpp
        logits_hpp += np.where(piece_p[:, None] == piece_p, np.float32(0), SEPARATED)
        _, sums_hp = log_sum_exp(logits_hpp)
        return tokens_p, logits_hpp / sums_hp[..., None]

    def _grid(self, weights_hp: Float32Array, tokens_p: NDArray[np.intp]) -> Float32Array:
        count = self._rows.grid * self._columns.grid
        found_hn = np.zeros((len(weights_hp), count + 1), np.float32)
        found_hn[:, tokens_p] = weights_hp
        return found_hn[:, :count].reshape(-1, self._rows.grid, self._columns.grid)


def _bounds(positions: NDArray[np.intp], grid: int) -> slice:
    inside = positions[positions < grid]
    return slice(int(inside.min()), int(inside.max()) + 1)


def window_attention(
    weights: Weights, path: str, tokens_hwc: Float32Array, shifted: bool, windows: tuple[int, int] | None
) -> WindowAttention:
    """The attention of the block with that path.

    Args:
        weights: of its file.
        path: of its module.
        tokens_hwc: the tokens that go into the block.
        shifted: whether its windows are.
        windows: tokens a side of a window, and of a window of an earlier training, or 0; None where it is not noted: a file
            for one size has a bias for every pair of places of a window, whose number tells.

    Raises:
        ModelFileError: the file does not have the weights by their names.
    """
    height, width, channels = tokens_hwc.shape
    whole = f"{path}/attention/Add/B"
    if whole in weights:
        bias_hpp = weights.get(whole)
        bias_hpp = bias_hpp.reshape(-1, *bias_hpp.shape[-2:])
        window = _window_of(bias_hpp.shape[1], height, width)
    else:
        if windows is None:
            raise ModelFileError(
                f"{weights.path}: expected the size of its windows in the metadata, got a file for any size without it; "
                "export the checkpoint again"
            )
        window, pretrained = windows
        bias_hpp = position_bias(weights, path, (min(height, window), min(width, window)), pretrained)
    rows, columns = Axis.of(height, window, shifted), Axis.of(width, window, shifted)

    scale_h = weights.get(f"{path}/attention/Mul/B").reshape(-1)
    weight_ck = weights.get(f"{path}/attention/qkv/weight")[:channels, : 2 * channels]
    # One more token, of zeros, for the places of padding.
    tokens_nc = np.pad(tokens_hwc.reshape(-1, channels), ((0, 1), (0, 0)))
    projected_nk = tokens_nc @ weight_ck + weights.get(f"{path}/attention/qkv/bias")[: 2 * channels]
    vectors_2hnd = projected_nk.reshape(len(tokens_nc), 2, len(scale_h), -1).transpose(1, 2, 0, 3)
    lengths_2hn1 = np.sqrt(np.square(vectors_2hnd).sum(axis=-1, keepdims=True))
    query_hnd, key_hnd = vectors_2hnd / np.maximum(lengths_2hn1, _SHORTEST)
    return WindowAttention(query_hnd * scale_h[:, None, None], key_hnd, rows, columns, bias_hpp)


def _window_of(places: int, height: int, width: int) -> int:
    """The window, clipped to the grid along each axis, that has so many places.

    Raises:
        ValueError: none.
    """
    for side in range(1, max(height, width) + 1):
        if min(side, height) * min(side, width) == places:
            return side
    raise ValueError(f"no window of {places} places in a grid of {height} × {width}")


def position_bias(weights: Weights, path: str, window_hw: tuple[int, int], pretrained: int) -> Float32Array:
    """A block's bias ``[heads, places, places]``, from 0 to 16: a small MLP of the offset between two places, log-spaced."""
    module = f"{path}/attention/position_bias"
    hidden_2m, hidden_m = weights.get(f"{module}/fc1/weight"), weights.get(f"{module}/fc1/bias")
    rows_r, columns_c = (_offsets(side, pretrained) for side in window_hw)
    offsets_rc2 = np.stack(np.meshgrid(rows_r, columns_c, indexing="ij"), axis=-1)
    table_rch = np.maximum(offsets_rc2 @ hidden_2m + hidden_m, 0) @ weights.get(f"{module}/fc2/weight")
    with np.errstate(over="ignore"):
        table_hrc = (MAX_BIAS / (1 + np.exp(-table_rch))).transpose(2, 0, 1)
    pieces_hrcrc = sliding_window_view(table_hrc, window_hw, axis=(1, 2))[:, ::-1, ::-1]
    places = window_hw[0] * window_hw[1]
    return np.asarray(pieces_hrcrc.reshape(len(table_hrc), places, places), np.float32)


def _offsets(window: int, pretrained: int) -> Float32Array:
    """``[2 * window - 1]``: from query to key, -1 … 1 over the window (of an earlier training, where there was one)."""
    offset = np.arange(window - 1, -window, -1, dtype=np.float32)
    scaled = offset / np.float32(max((pretrained or window) - 1, 1)) * 8
    return np.asarray(np.sign(scaled) * np.log2(np.abs(scaled) + 1) / 3, np.float32)


def merged(weights: Weights, merge: str, tokens_hwc: Float32Array) -> Float32Array:
    """The tokens of one stage as they go into the next: each 2 × 2 of them reduced to one, then normalised."""
    height, width, channels = tokens_hwc.shape
    quads_hwyxc = tokens_hwc.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 3, 1, 4)
    quads_hwc = quads_hwyxc.reshape(height // 2, width // 2, 4 * channels)
    reduced_hwc = quads_hwc @ weights.get(f"{merge}/reduction/weight")[: 4 * channels]
    gain_c, shift_c = (weights.get(f"{merge}/norm/{leaf}") for leaf in ("weight", "bias"))
    return layer_norm(reduced_hwc, gain_c, shift_c, LAYER_NORM_EPS)
