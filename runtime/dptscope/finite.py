"""Whether the weights of a model file are numbers that a network can compute with."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

# By TensorProto.DataType.
_KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_AT_ONCE = 1 << 18  # numbers; as many as stay in the cache, for weights in a file are not aligned and are copied


def are_sound(data: mmap.mmap, data_type: int, start: int, end: int) -> bool:
    """Whether the sum of the squares of floating-point weights is finite in float32: none is NaN, infinite or above 1e19.

    Such weights do not always show in what a model gives: a ReLU takes minus infinity for zero, and the normalisation of a
    layer divides by an infinite variance, which makes zeros of everything. What comes out can look like a depth.

    Args:
        data: the file.
        data_type: of the weights, as ``TensorProto.DataType`` has it; others than floating point are sound.
        start: where they begin in the file.
        end: where they end.
    """
    kind = _KINDS.get(data_type)
    if kind is None:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        for place in range(start, end, _AT_ONCE * kind.itemsize):
            count = min(_AT_ONCE, (end - place) // kind.itemsize)
            numbers = np.frombuffer(data, kind, count, place).astype(np.float32)
            if not np.isfinite(np.dot(numbers, numbers)):
                return False
    return True
