"""Norms in colour: one block's map, and all blocks of a photo on one sheet. The window draws with the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.norms import NormStatistics
from dptscope.opencv import cv2
from dptscope.pictures.colours import NORM_COLOURS, colour_map, colourise
from dptscope.pictures.scaling import Scale, Scaling, choose_scale
from dptscope.pictures.text import BOLD, put_text, text_width

BACKGROUND = (23, 19, 16)
WHITE = (244, 239, 236)
GREY = (189, 174, 163)

TILE_WIDTH = 300  # pixels
GAP = 14
LABEL_HEIGHT = 30
TEXT = 15
TITLE = 20


def map_picture(
    values_hw: Float32Array, scale: Scale, size_hw: tuple[int, int], colours: str = NORM_COLOURS, reverse: bool = False
) -> UInt8Array:
    """Draw a map of tokens, every cell a plain rectangle, outliers in the colour that the map does not hold.

    Args:
        values_hw: norms or one channel, float32 ``[grid_height, grid_width]``.
        scale: what it is shown with.
        size_hw: height and width of the picture.
        colours: name of the colour map.
        reverse: turn the colour map round.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    height, width = size_hw
    cells = colourise(scale.levels(values_hw), colours, reverse)
    cells[scale.marks(values_hw)] = colour_map(colours).outlier
    smaller = width < values_hw.shape[1] or height < values_hw.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(cells, (width, height), interpolation=how), dtype=np.uint8)


def norm_sheet(norms: Sequence[Float32Array], statistics: Sequence[NormStatistics], title: str) -> UInt8Array:
    """Draw all blocks as a labelled grid in reading order, each with the robust scale of its own.

    Args:
        norms: one ``[grid_height, grid_width]`` a block; the grids may differ.
        statistics: of the same blocks.
        title: line above the grid.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    columns = next((n for n in (6, 4) if len(norms) % n == 0), math.ceil(math.sqrt(len(norms))))
    columns = min(columns, len(norms))
    rows = math.ceil(len(norms) / columns)
    tile_h = max(1, round(TILE_WIDTH * norms[0].shape[0] / norms[0].shape[1]))
    top = 2 * GAP + TITLE + GAP
    height = top + rows * (tile_h + LABEL_HEIGHT + GAP)
    width = GAP + columns * (TILE_WIDTH + GAP)
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    put_text(canvas, title, GAP, 2 * GAP + TITLE // 2, TITLE, WHITE, BOLD)
    for index, (norms_hw, block) in enumerate(zip(norms, statistics, strict=True)):
        left = GAP + (index % columns) * (TILE_WIDTH + GAP)
        upper = top + (index // columns) * (tile_h + LABEL_HEIGHT + GAP)
        _label(canvas, block, left, upper + LABEL_HEIGHT - 10)
        scale = choose_scale(Scaling.ROBUST, norms_hw, norms, signed=False)
        tile = map_picture(norms_hw, scale, (tile_h, TILE_WIDTH))
        canvas[upper + LABEL_HEIGHT : upper + LABEL_HEIGHT + tile_h, left : left + TILE_WIDTH] = tile
    return canvas


def _label(canvas: UInt8Array, block: NormStatistics, left: int, baseline: int) -> None:
    name = f"block {block.block}"
    put_text(canvas, name, left, baseline, TEXT, WHITE)
    values = f"{block.minimum:.4g} – {block.maximum:.4g}"
    put_text(canvas, values, left + text_width(name, TEXT) + 12, baseline, TEXT, GREY)
    if block.outliers:
        count = f"{len(block.outliers)} out"
        right = left + TILE_WIDTH - text_width(count, TEXT)
        put_text(canvas, count, right, baseline, TEXT, colour_map(NORM_COLOURS).outlier)
