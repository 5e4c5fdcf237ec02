"""What one token attends to in a block and who attends to it, and how both come from the queries and keys of all tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.errors import DptscopeError

Token = tuple[int, int] | Literal["class"] | tuple[Literal["register"], int]
"""Row and column in the grid, the class token, or one of the registers that the model was trained with, from 0."""

_ROWS = 512  # queries at once: their logits stay in the cache


@dataclass(frozen=True)
class Attention:
    """One token in the attention of one block. All are weights from 0 to 1: those of one query sum to one.

    Attributes:
        row: what the token attends to, float32 ``[heads, grid_height, grid_width]``.
        column: who attends to it, float32 ``[heads, grid_height, grid_width]``.
        row_special: its weights on the tokens beside the grid, the class token and then the model's registers, float32
            ``[heads, tokens]``.
        column_special: the weights of those on it, float32 ``[heads, tokens]``.
        window: rows and columns of the window that the token attends within; None where it attends to the whole grid.
    """

    row: Float32Array
    column: Float32Array
    row_special: Float32Array
    column_special: Float32Array
    window: tuple[slice, slice] | None = None


@dataclass(frozen=True)
class Received:
    """How much attention each token receives in one block: all weights on it summed, the mean over the heads. Each gives one,
    so that they receive one on average.

    Attributes:
        grid: float32 ``[grid_height, grid_width]``.
        special: the tokens beside the grid, float32 ``[tokens]``.
    """

    grid: Float32Array
    special: Float32Array


class PairBias(Protocol):
    """What a block adds to the logits of pairs of tokens, the class token first."""

    @property
    def heads(self) -> int:
        """As many as the block has."""

    def rows(self, head: int, start: int, stop: int) -> Float32Array:
        """Of the queries from ``start`` to ``stop``, ``[queries, tokens]``."""

    def row(self, query: int) -> Float32Array:
        """Of one query with all keys, ``[heads, tokens]``."""

    def column(self, key: int) -> Float32Array:
        """Of one key with all queries, ``[heads, tokens]``."""


class BlockAttention(Protocol):
    """The attention of one block, ready for any of its tokens."""

    def of(self, token: Token) -> Attention:
        """One token's weights.

        Raises:
            DptscopeError: no such token.
        """

    def received(self) -> Received:
        """How much attention each token receives."""


class FullAttention:
    """The attention of a block in which every token attends to every other.

    Args:
        query_hnd: queries, already scaled, ``[heads, tokens, channels]``; the class token before the grid's.
        key_hnd: keys, the same shape.
        grid_hw: rows and columns of the grid.
        bias: added to the logits, or None.
    """

    def __init__(
        self, query_hnd: Float32Array, key_hnd: Float32Array, grid_hw: tuple[int, int], bias: PairBias | None = None
    ) -> None:
        self._query_hnd, self._key_hnd, self._grid_hw, self._bias = query_hnd, key_hnd, grid_hw, bias
        self._special: int = query_hnd.shape[1] - grid_hw[0] * grid_hw[1]
        self._received_hn = np.zeros(query_hnd.shape[:2], np.float32)
        self._log_sum_hn = np.stack([self._log_sums(head) for head in range(len(query_hnd))])

    def _log_sums(self, head: int) -> Float32Array:
        """Logarithm of the sum that the softmax of each query divides by, ``[tokens]``. All weights pass by here alone: what
        each key receives is summed on the way."""
        query_nd, key_nd = self._query_hnd[head], self._key_hnd[head]
        log_sums_n = np.empty(len(query_nd), np.float32)
        for start in range(0, len(query_nd), _ROWS):
            logits_qn = query_nd[start : start + _ROWS] @ key_nd.T
            stop = start + len(logits_qn)
            if self._bias is not None:
                logits_qn += self._bias.rows(head, start, stop)
            log_sums_n[start:stop], sums_q = log_sum_exp(logits_qn)
            self._received_hn[head] += (1 / sums_q) @ logits_qn
        return log_sums_n

    def of(self, token: Token) -> Attention:
        """One token's weights.

        Raises:
            DptscopeError: no such token.
        """
        place = self._place(token)
        row_hn = np.einsum("hnd,hd->hn", self._key_hnd, self._query_hnd[:, place], optimize=True)
        column_hn = np.einsum("hnd,hd->hn", self._query_hnd, self._key_hnd[:, place], optimize=True)
        if self._bias is not None:
            row_hn, column_hn = row_hn + self._bias.row(place), column_hn + self._bias.column(place)
        row_hn = np.exp(row_hn - self._log_sum_hn[:, place, None])
        column_hn = np.exp(column_hn - self._log_sum_hn)
        special = self._special
        return Attention(self._grid(row_hn), self._grid(column_hn), row_hn[:, :special], column_hn[:, :special])

    def received(self) -> Received:
        """How much attention each token receives."""
        received_n = self._received_hn.mean(axis=0)
        return Received(received_n[self._special :].reshape(self._grid_hw), received_n[: self._special])

    def _grid(self, weights_hn: Float32Array) -> Float32Array:
        return weights_hn[:, self._special :].reshape(len(weights_hn), *self._grid_hw)

    def _place(self, token: Token) -> int:
        return grid_index(token, self._grid_hw, self._special)


def log_sum_exp(logits: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Logarithm of the sum of the exponentials along the last axis. The logits are overwritten with these, divided by the
    largest of each row, and the sum of those is given beside.

    Raises:
        DptscopeError: logits beyond float32.
    """
    top = logits.max(axis=-1)
    logits -= top[..., None]
    sums = np.exp(logits, out=logits).sum(axis=-1)
    log_sums = np.asarray(top + np.log(sums), np.float32)
    if not np.isfinite(log_sums).all():
        raise DptscopeError("expected attention that float32 can hold, got NaN or infinity: weights that are too large")
    return log_sums, sums


def grid_index(token: Token, grid_hw: tuple[int, int], special: int = 0) -> int:
    """Where a token stands: those of the grid in reading order, behind the class token and the registers.

    Args:
        token: which.
        grid_hw: rows and columns of the grid.
        special: how many tokens stand before the grid.

    Raises:
        DptscopeError: a place outside the grid, or no such token beside it.
    """
    if token == "class":
        if not special:
            raise DptscopeError("expected row and column of a token, got 'class': this model has no class token")
        return 0
    first, second = token
    if first == "register":
        if not 0 <= second < special - 1:
            raise DptscopeError(f"expected one of the model's {max(special - 1, 0)} registers, got register {second}")
        return 1 + int(second)
    row, column = int(first), int(second)
    height, width = grid_hw
    if not (0 <= row < height and 0 <= column < width):
        raise DptscopeError(f"expected a token of the grid of {height} × {width}, got row {row}, column {column}")
    return special + row * width + column
