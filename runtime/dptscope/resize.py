"""Resizing a depth map the way the original projects do with PyTorch, and a photo as one does with PIL."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array, UInt8Array
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


def resized_value(depth_hw: Float32Array, size_hw: tuple[int, int], how: OutputResize, row: int, column: int) -> float:
    """One value of :func:`resize_depth`, without the others: a photo can have a thousand times the model's pixels."""
    (height, width), (rows, columns) = size_hw, depth_hw.shape
    row_indices, row_weights = _taps(rows, height, row, how)
    column_indices, column_weights = _taps(columns, width, column, how)
    return float(row_weights @ depth_hw[np.ix_(row_indices, column_indices)] @ column_weights)


def _taps(length: int, size: int, index: int, how: OutputResize) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which of ``length`` values the one at ``index`` of ``size`` is made of, and how much of each."""
    if how == "bilinear_align_corners":
        position = index * (length - 1) / (size - 1) if size > 1 else 0.0
    else:
        position = (index + 0.5) * length / size - 0.5
    low = math.floor(position)
    t = position - low
    if how == "bicubic":
        a = -0.75
        near = [(a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (t, 1 - t)]
        far = [a * (d**3 - 5 * d**2 + 8 * d - 4) for d in (1 + t, 2 - t)]
        offsets, weights = [-1, 0, 1, 2], [far[0], *near, far[1]]
    else:
        offsets, weights = [0, 1], [1 - t, t]
    return np.clip(np.array(offsets) + low, 0, length - 1), np.array(weights)


_ONE = 1 << 22  # of PIL's weights, which are whole numbers
_PLACES = 8  # made in one product: their windows overlap


def resize_bytes(plane_hw: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Resize one channel of a photo in bytes, with antialiasing.

    Args:
        plane_hw: uint8 ``[height, width]``.
        size_hw: height and width to reach.

    Returns:
        uint8 of ``size_hw``; equals Pillow's ``resize`` with ``BILINEAR``: a triangle, as wide as two pixels of the coarser
        image, over the columns and then over the rows, rounded to bytes after each. (Pillow 13 takes the rows first where
        that is less work: then bytes differ by one.)
    """
    for axis in (1, 0):
        if plane_hw.shape[axis] != size_hw[axis]:
            plane_hw = _resize_rows(plane_hw.swapaxes(1, axis), size_hw[axis]).swapaxes(1, axis)
    return plane_hw


def _resize_rows(plane_ni: UInt8Array, size: int) -> UInt8Array:
    """Resize along the second axis."""
    count, length = plane_ni.shape
    step = length / size
    reach = max(step, 1.0)
    resized_no = np.empty((count, size), np.uint8)
    for start in range(0, size, _PLACES):
        centre_o = (np.arange(start, min(start + _PLACES, size)) + 0.5) * step
        low, high = max(int(centre_o[0] - reach + 0.5), 0), min(int(centre_o[-1] + reach + 0.5), length)
        distance_io = np.abs(np.arange(low, high)[:, None] + 0.5 - centre_o) * (1 / reach)
        weight_io = np.maximum(1 - distance_io, 0)
        whole_io = np.floor(weight_io / weight_io.sum(axis=0) * _ONE + 0.5)
        sums_no = plane_ni[:, low:high].astype(np.float64) @ whole_io  # below 2 to the 53: exact
        resized_no[:, start : start + len(centre_o)] = np.clip(np.floor(sums_no / _ONE + 0.5), 0, 255)
    return resized_no
