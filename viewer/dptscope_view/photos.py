"""The part of a photo that a crop leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dptscope_view.state import Crop


def cropped(image_bgr: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """The part of a photo ``[height, width, 3]`` that a crop leaves, at least 16 pixels a side where the photo has them."""
    height, width = image_bgr.shape[:2]
    left, right = _pixels(crop[0], crop[2], width)
    top, bottom = _pixels(crop[1], crop[3], height)
    return image_bgr[top:bottom, left:right]


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    first = max(0, min(round(start * length), length - min(16, length)))
    return first, max(first + min(16, length), min(round(end * length), length))
