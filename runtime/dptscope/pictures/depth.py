"""Depth in colour, and in 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.card import DepthKind
from dptscope.errors import DptscopeError
from dptscope.meaning import grows_with_distance
from dptscope.opencv import cv2
from dptscope.pictures.colours import DEPTH_COLOURS, colourise
from dptscope.pictures.scaling import equalised, unit_range

METRIC_STEPS = 256.0  # 16-bit steps a metre, as KITTI's depth maps have them: up to 255.99 m


def depth_picture(
    depth_hw: Float32Array,
    kind: DepthKind,
    size_hw: tuple[int, int] | None = None,
    colours: str = DEPTH_COLOURS,
    reverse: bool = False,
    equalise: bool = False,
    limits: tuple[float, float] | None = None,
) -> UInt8Array:
    """Draw depth in colour, bright is near: the nearest point of this photo at one end of the map, the farthest at the other.

    Args:
        depth_hw: float32 ``[height, width]``.
        kind: says whether large or small is near.
        size_hw: height and width of the picture; the depth's own if None.
        colours: name of the colour map.
        reverse: turn the colour map round.
        equalise: high contrast: every shade covers the same area.
        limits: the depths at the two ends of the map, in place of this depth's own smallest and largest; not with
            ``equalise``.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    shares = equalised(depth_hw) if equalise else unit_range(depth_hw) if limits is None else _within(depth_hw, limits)
    shown = 1 - shares if grows_with_distance(kind) else shares
    if size_hw is not None:
        shown = np.asarray(cv2.resize(shown, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    return colourise((shown * 255 + 0.5).astype(np.uint8), colours, reverse)


def _within(depth_hw: Float32Array, limits: tuple[float, float]) -> Float32Array:
    low, high = limits
    return np.asarray(np.clip((depth_hw - low) / max(high - low, 1e-12), 0, 1), np.float32)


def depth_16_bit(depth_hw: Float32Array, kind: DepthKind) -> NDArray[np.uint16]:
    """Depth as uint16 ``[height, width]``: metres × 256 for metric models, the map's own range for others.

    Raises:
        DptscopeError: a metric depth that 16 bits do not hold.
    """
    if kind != "metric":
        return as_16_bit(depth_hw)
    farthest = float(depth_hw.max())
    if farthest * METRIC_STEPS > 65535:
        raise DptscopeError(
            f"expected metres up to {65535 / METRIC_STEPS:.1f} for a 16-bit PNG, got {farthest:.1f}; use npy"
        )
    return np.rint(np.maximum(depth_hw, 0) * METRIC_STEPS).astype(np.uint16)


def as_16_bit(values_hw: Float32Array) -> NDArray[np.uint16]:
    """A map as uint16: its minimum is 0, its maximum 65535."""
    return np.rint(unit_range(values_hw) * 65535).astype(np.uint16)
