"""A signed difference of two depths in colour."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.opencv import cv2

_NEARER, _FARTHER = (60, 170, 255), (255, 140, 60)  # orange and blue, in OpenCV's order


def difference_picture(nearer_hw: Float32Array, largest: float, size_hw: tuple[int, int] | None = None) -> UInt8Array:
    """Draw a signed difference of two depths: black is none, orange nearer, blue farther.

    Args:
        nearer_hw: float32 ``[height, width]``: by how much each point has come nearer.
        largest: what gets the full colour, above 0.
        size_hw: height and width of the picture; the difference's own if None.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    if size_hw is not None:
        nearer_hw = np.asarray(
            cv2.resize(nearer_hw, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_LINEAR), np.float32
        )
    share_hw1 = np.clip(nearer_hw / np.float32(largest), -1, 1)[..., None]
    shades = np.maximum(share_hw1, 0) * np.array(_NEARER, np.float32) + np.maximum(-share_hw1, 0) * np.array(
        _FARTHER, np.float32
    )
    return np.asarray(shades + 0.5, dtype=np.float32).astype(np.uint8)
