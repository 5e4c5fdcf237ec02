"""Other numbers in a model file, without onnx."""

from __future__ import annotations

import numpy as np


def multiplied(data: bytes, weight: str, factor: float) -> bytes:
    """A model file with all numbers of a weight multiplied. In the file they follow the weight's name."""
    start = data.index(b"\x42" + bytes([len(weight)]) + weight.encode()) + 2 + len(weight)
    assert data[start] == 0x4A  # raw_data, and then its length in groups of seven bits
    length, shift, place = 0, 0, start + 1
    while True:
        length |= (data[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if data[place - 1] < 0x80:
            break
    numbers = np.frombuffer(data[place : place + length], "<f4") * np.float32(factor)
    return data[:place] + numbers.tobytes() + data[place + length :]
