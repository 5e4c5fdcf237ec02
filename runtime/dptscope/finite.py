"""Numbers that a network can compute with: those whose squares have a finite sum in float32.

NaN and infinity are none, nor is a number above 1e19: the variance of a normalisation is infinite with it, and what it
divides becomes zero. Such numbers do not always show in what a model gives: a ReLU takes minus infinity for zero, and a depth
made of zeros looks like one. So weights are looked at when a file is opened, and every array that goes into a graph or out.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT_KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
"""By TensorProto.DataType."""
_AT_ONCE = 1 << 18  # numbers; as many as stay in the cache, for weights in a file are not aligned and are copied


def has_finite_squares(array: NDArray[Any]) -> bool:
    """Tell whether the sum of an array's squares is finite in its own type: one fast pass."""
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))


def is_finite(array: NDArray[Any]) -> bool:
    """Tell whether an array holds neither NaN nor infinity. The squares of almost every good array have a finite sum; only
    where they have not, each number is looked at."""
    return has_finite_squares(array) or bool(np.isfinite(array).all())


def weights_are_finite(data: mmap.mmap, data_type: int, start: int, end: int) -> bool:
    """Tell whether weights in a mapped file have squares with a finite sum.

    Args:
        data: the file.
        data_type: of the weights, as ``TensorProto.DataType`` has it; others than floating point pass.
        start: where they begin in the file.
        end: where they end.
    """
    kind = FLOAT_KINDS.get(data_type)
    if kind is None:
        return True
    for place in range(start, end, _AT_ONCE * kind.itemsize):
        count = min(_AT_ONCE, (end - place) // kind.itemsize)
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = np.frombuffer(data, kind, count, place).astype(np.float32)
        if not has_finite_squares(numbers):
            return False
    return True


def is_lowest(data: mmap.mmap, data_type: int, start: int) -> bool:
    """Tell whether a number in a mapped file is the lowest of its type, or minus infinity. Exporters hide tokens from
    attention by such a one, which has no axes and is no weight."""
    kind = FLOAT_KINDS[data_type]
    return bool(np.frombuffer(data, kind, 1, start)[0] <= np.finfo(kind).min)
