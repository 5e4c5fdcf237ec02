"""Colour maps, each with a colour that it does not hold itself, for outliers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dptscope.opencv import cv2

Colour = tuple[int, int, int]
"""Blue, green, red: OpenCV's order."""


@dataclass(frozen=True)
class ColourMap:
    """One colour map.

    Attributes:
        name: as on the button; OpenCV's, plain grey, or one of :data:`_ANCHORS`.
        outlier: blue, green, red; far from every colour of the map.
    """

    name: str
    outlier: Colour


GREY = "grey"
NORM_COLOURS = "viridis"  # unless the user chooses others
DEPTH_COLOURS = "inferno"

COLOUR_MAPS = (
    ColourMap("inferno", (255, 230, 40)),
    ColourMap("viridis", (200, 60, 255)),
    ColourMap("magma", (160, 255, 60)),
    ColourMap("turbo", (255, 255, 255)),
    ColourMap("cividis", (200, 60, 255)),
    ColourMap("spectral", (255, 0, 255)),
    ColourMap(GREY, (70, 60, 255)),
)
COLOUR_MAP_NAMES = tuple(colours.name for colours in COLOUR_MAPS)


_ANCHORS = {
    # ColorBrewer's Spectral in eleven steps, from blue to red, as Depth Anything's own pictures have it: red is near.
    "spectral": (
        0x5E4FA2, 0x3288BD, 0x66C2A5, 0xABDDA4, 0xE6F598, 0xFFFFBF, 0xFEE08B, 0xFDAE61, 0xF46D43, 0xD53E4F, 0x9E0142,
    ),
}  # fmt: skip
"""Red, green, blue of colours at equal distances."""


def colour_map(name: str) -> ColourMap:
    """The map of that name."""
    return next(colours for colours in COLOUR_MAPS if colours.name == name)


@lru_cache(maxsize=32)
def _table(name: str, reverse: bool) -> NDArray[np.uint8]:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    if name == GREY:
        table = cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGR)
    elif name in _ANCHORS:
        anchors = np.array([(rgb & 255, rgb >> 8 & 255, rgb >> 16) for rgb in _ANCHORS[name]], np.float64)
        places = np.linspace(0, 255, len(anchors))
        table = np.stack([np.interp(ramp[:, 0], places, channel) for channel in anchors.T], axis=1).round()
    else:
        table = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))
    ordered = table[::-1] if reverse else table
    return np.ascontiguousarray(ordered, dtype=np.uint8).reshape(256, 1, 3)


def colourise(levels_hw: NDArray[np.uint8], name: str, reverse: bool = False) -> NDArray[np.uint8]:
    """uint8 ``[height, width]`` to blue, green, red ``[height, width, 3]``."""
    return np.asarray(cv2.applyColorMap(levels_hw, _table(name, reverse)), dtype=np.uint8)


def colour_at(level: int, name: str, reverse: bool = False) -> Colour:
    """The colour of one level 0 … 255."""
    blue, green, red = _table(name, reverse)[level, 0]
    return int(blue), int(green), int(red)
