"""A block's map in colour. The window draws with the same."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.opencv import cv2
from dptscope.pictures.colours import NORM_COLOURS, colour_map, colourise
from dptscope.pictures.scaling import Scale


def map_picture(
    values_hw: Float32Array,
    scale: Scale,
    size_hw: tuple[int, int],
    colours: str = NORM_COLOURS,
    reverse: bool = False,
    token: tuple[int, int] | None = None,
) -> UInt8Array:
    """Draw a map of tokens, every cell a plain rectangle, outliers in the colour that the map does not hold.

    Args:
        values_hw: norms or one channel, float32 ``[grid_height, grid_width]``.
        scale: what it is shown with.
        size_hw: height and width of the picture.
        colours: name of the colour map.
        reverse: turn the colour map round.
        token: row and column of one that gets the outliers' colour, too: the one that the map is about.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    cells = colourise(scale.levels(values_hw), colours, reverse)
    cells[scale.marks(values_hw)] = colour_map(colours).outlier
    if token is not None:
        cells[token] = colour_map(colours).outlier
    return cells_picture(cells, size_hw)


def colours_picture(rgb_hwc: Float32Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Draw tokens that have a colour each, red first, float32 ``[grid_height, grid_width, 3]`` from 0 to 1, as
    :func:`map_picture` does."""
    return cells_picture((rgb_hwc[..., ::-1] * 255 + 0.5).astype(np.uint8), size_hw)


def cells_picture(cells: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Every cell of uint8 ``[grid_height, grid_width, 3]`` as a plain rectangle, ``[height, width, 3]``."""
    height, width = size_hw
    smaller = width < cells.shape[1] or height < cells.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(cells, (width, height), interpolation=how), dtype=np.uint8)
