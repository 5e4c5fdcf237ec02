"""A small picture, and the eight ways in which a camera may have stored it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Turn = Callable[[NDArray[Any]], NDArray[Any]]

# What has to be done to a picture that says it is stored in one of the eight ways of EXIF.
UPRIGHT: dict[int, Turn] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def smooth_picture() -> NDArray[np.uint8]:
    """No two corners alike: uint8 ``[44, 60, 3]``, red first."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (60, 44), interpolation=cv2.INTER_LINEAR), np.uint8)
