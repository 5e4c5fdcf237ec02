"""Resizing a depth map the way the original projects do with PyTorch, in numpy and OpenCV."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.card import OutputResize
from dptscope.opencv import cv2


def resize_depth(depth_hw: Float32Array, size_hw: tuple[int, int], how: OutputResize) -> Float32Array:
    """Resize a depth map to the photo's size.

    Args:
        depth_hw: float32 ``[height, width]``.
        size_hw: height and width to reach.
        how: the model card's ``output_resize``.

    Returns:
        float32 of ``size_hw``; equals ``torch.nn.functional.interpolate`` with the same mode to float32 rounding.
    """
    height, width = size_hw
    if how == "bilinear_align_corners":
        return _bilinear_align_corners(depth_hw, height, width)
    # OpenCV's linear and cubic resize sample at half-pixel centres, repeat the border and use the cubic coefficient
    # -0.75, as PyTorch does with align_corners=False.
    interpolation = cv2.INTER_LINEAR if how == "bilinear" else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(depth_hw, (width, height), interpolation=interpolation), dtype=np.float32)


def _bilinear_align_corners(depth_hw: Float32Array, height: int, width: int) -> Float32Array:
    """Bilinear with the outermost sample centres held in place, which OpenCV does not offer (its remap rounds the
    weights to 1/32)."""
    columns = _lerp(depth_hw, width, axis=1)
    return _lerp(columns, height, axis=0)  # the larger pass last: whole rows are quick to take


def _lerp(values: Float32Array, size: int, axis: int) -> Float32Array:
    last = values.shape[axis] - 1
    positions = np.arange(size) * (last / (size - 1) if size > 1 else 0.0)
    low = np.minimum(positions.astype(np.intp), last)
    high = np.minimum(low + 1, last)
    weight = (positions - low).astype(np.float32)
    weight = weight[:, None] if axis == 0 else weight[None, :]
    lower: Float32Array = values.take(low, axis=axis)
    blended: Float32Array = values.take(high, axis=axis)
    # In place: maps of this size come fresh from the operating system each time, which costs more than the arithmetic.
    blended -= lower
    blended *= weight
    blended += lower
    return blended
