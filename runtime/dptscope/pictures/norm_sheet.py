"""The norm sheet: all blocks of one photo in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.norms import NormStatistics
from dptscope.opencv import cv2
from dptscope.pictures.colours import BACKGROUND, GREY, OUTLIER, colourise, normalise, put_text, text_width

TILE_WIDTH = 300  # pixels
GAP = 14
LABEL_HEIGHT = 30
TEXT = 11.0
TITLE = 15.0


def norm_tile(norms_hw: Float32Array, statistics: NormStatistics, size_hw: tuple[int, int]) -> UInt8Array:
    """One block's norms in colour, every cell a sharp square, outliers in a colour of their own.

    The colours run from the smallest norm to the largest that is no outlier: a few tokens many times longer than the rest
    would otherwise leave everything else black.
    """
    inliers = norms_hw[norms_hw <= statistics.threshold]
    high = float(inliers.max()) if inliers.size else statistics.maximum
    tile = colourise(normalise(norms_hw, statistics.minimum, high))
    tile[norms_hw > statistics.threshold] = OUTLIER
    return np.asarray(cv2.resize(tile, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def norm_sheet(norms: Sequence[Float32Array], statistics: Sequence[NormStatistics], title: str) -> UInt8Array:
    """Draw all blocks as a labelled grid in reading order.

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
    top = 2 * GAP + round(TITLE) + GAP
    height = top + rows * (tile_h + LABEL_HEIGHT + GAP)
    width = GAP + columns * (TILE_WIDTH + GAP)
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    put_text(canvas, title, GAP, 2 * GAP + round(TITLE) // 2, TITLE)
    for index, (norms_hw, block) in enumerate(zip(norms, statistics, strict=True)):
        left = GAP + (index % columns) * (TILE_WIDTH + GAP)
        upper = top + (index // columns) * (tile_h + LABEL_HEIGHT + GAP)
        _label(canvas, block, left, upper + LABEL_HEIGHT - 10)
        tile = norm_tile(norms_hw, block, (tile_h, TILE_WIDTH))
        canvas[upper + LABEL_HEIGHT : upper + LABEL_HEIGHT + tile_h, left : left + TILE_WIDTH] = tile
    return canvas


def _label(canvas: UInt8Array, block: NormStatistics, left: int, baseline: int) -> None:
    name = f"block {block.block:02d}"
    put_text(canvas, name, left, baseline, TEXT)
    put_text(
        canvas, f"{block.minimum:.4g} .. {block.maximum:.4g}", left + text_width(name, TEXT) + 12, baseline, TEXT, GREY
    )
    if block.outliers:
        count = f"{len(block.outliers)} out"
        put_text(canvas, count, left + TILE_WIDTH - text_width(count, TEXT), baseline, TEXT, OUTLIER)
