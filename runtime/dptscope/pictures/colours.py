"""Small drawing helpers: colours for values, and text of a chosen pixel height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.card import DepthKind
from dptscope.opencv import cv2

Colour = tuple[int, int, int]  # blue, green, red

WHITE: Colour = (242, 240, 238)
GREY: Colour = (160, 155, 150)
BACKGROUND: Colour = (30, 27, 25)
OUTLIER: Colour = (255, 230, 60)  # cyan, which none of the warm colour maps contains

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL_HEIGHT = 21.0  # pixels of a capital letter at font scale 1


def normalise(values: Float32Array, low: float | None = None, high: float | None = None) -> Float32Array:
    """Map ``low`` … ``high`` (by default the values' own ends) to 0 … 1, clipped; a constant array becomes zeros."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    span = high - low
    if not span > 0:
        return np.zeros_like(values)
    unit: Float32Array = np.clip((values - low) / span, 0, 1).astype(np.float32)
    return unit


def colourise(unit: Float32Array, colour_map: int = cv2.COLORMAP_INFERNO) -> UInt8Array:
    """Values in 0 … 1 to uint8 ``[height, width, 3]``, blue first."""
    levels = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, colour_map), dtype=np.uint8)


def depth_picture(depth_hw: Float32Array, kind: DepthKind, colour_map: int = cv2.COLORMAP_INFERNO) -> UInt8Array:
    """Depth in colour, bright is near: the nearest point of this photo at one end of the map, the farthest at the other."""
    unit = normalise(depth_hw)
    return colourise(unit if kind == "relative" else 1 - unit, colour_map)


def text_width(text: str, height: float, thickness: int = 1) -> int:
    """Width in pixels of a line whose capitals are ``height`` pixels high."""
    (width, _), _ = cv2.getTextSize(text, _FONT, height / _CAPITAL_HEIGHT, thickness)
    return int(width)


def put_text(
    canvas: NDArray[np.uint8],
    text: str,
    left: int,
    baseline: int,
    height: float,
    colour: Colour = WHITE,
    thickness: int = 1,
) -> None:
    """Draw a line of text into ``canvas`` with its baseline at ``baseline`` and capitals ``height`` pixels high."""
    scale = height / _CAPITAL_HEIGHT
    cv2.putText(canvas, text, (left, baseline), _FONT, scale, colour, thickness, cv2.LINE_AA)
