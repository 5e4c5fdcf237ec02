"""Depth with each fusion block scaled alone, on one sheet."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.card import DepthKind
from dptscope.contract import FUSION_BLOCKS
from dptscope.opencv import cv2
from dptscope.pictures.block_sheets import BACKGROUND, GREY, WHITE
from dptscope.pictures.depth import depth_picture
from dptscope.pictures.text import BOLD, put_text, text_width
from dptscope.scales import FusionScales
from dptscope.scene import Scene

SCALINGS = (-1.0, 0.0, 0.5, 1.0, 2.0)

_TILE_HEIGHT = 150  # pixels
_GAP = 12
_TEXT = 15


def fusion_sheet(scene: Scene, kind: DepthKind, title: str) -> UInt8Array:
    """Draw a row a fusion block, a column a factor; every tile has its own colour range.

    Args:
        scene: a prepared photo.
        kind: of the model's depth.
        title: line above the grid.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    photo_h, photo_w = scene.photo_size
    tile_w = round(_TILE_HEIGHT * photo_w / photo_h)
    left, top = 2 * _GAP + text_width("fusion block 4", _TEXT), 5 * _GAP
    height = top + len(FUSION_BLOCKS) * (_TILE_HEIGHT + _GAP)
    width = left + len(SCALINGS) * (tile_w + _GAP)
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    put_text(canvas, title, _GAP, 2 * _GAP, _TEXT + 2, WHITE, BOLD)
    for column, factor in enumerate(SCALINGS):
        put_text(canvas, f"× {factor:g}", left + column * (tile_w + _GAP), top - _GAP // 2, _TEXT, GREY)
    for row, block in enumerate(FUSION_BLOCKS):
        upper = top + row * (_TILE_HEIGHT + _GAP)
        put_text(canvas, f"fusion block {block}", _GAP, upper + _TILE_HEIGHT // 2, _TEXT, WHITE)
        for column, factor in enumerate(SCALINGS):
            depth = depth_picture(scene.raw_depth(_only(block, factor)), kind)
            tile = cv2.resize(depth, (tile_w, _TILE_HEIGHT), interpolation=cv2.INTER_AREA)
            start = left + column * (tile_w + _GAP)
            canvas[upper : upper + _TILE_HEIGHT, start : start + tile_w] = tile
    return canvas


def _only(block: int, factor: float) -> FusionScales:
    """All blocks at 1 but one."""
    one, two, three, four = (factor if other == block else 1.0 for other in FUSION_BLOCKS)
    return one, two, three, four
