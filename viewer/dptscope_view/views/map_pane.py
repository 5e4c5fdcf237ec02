"""One block's map of one photo, with a token marked in it."""

from __future__ import annotations

import numpy as np

from dptscope.opencv import cv2
from dptscope_view.anchor import Place, cell_at
from dptscope_view.state import Show
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.kept import kept_place
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.parts import ViewInput
from dptscope_view.views.photo import photo_picture


def draw_map(canvas: Canvas, rect: Rect, shown: ViewInput, maps: BlockMaps, place: Place | None) -> None:
    """Draw the chosen block, the photo, or both, and frame the token at a place, and another that is kept."""
    state = shown.state
    if state.show is Show.PHOTO:
        canvas.picture(rect, photo_picture(shown, maps.frame, rect))
    elif state.blend:
        over, under = maps.picture(maps.chosen, rect), photo_picture(shown, maps.frame, rect)
        canvas.picture(rect, np.asarray(cv2.addWeighted(under, state.blend, over, 1 - state.blend, 0), np.uint8))
    else:
        canvas.picture(rect, maps.picture(maps.chosen, rect))
    kept = None if state.cropping else kept_place(shown, maps.frame)
    for where, ink in ((kept, theme.ACCENT), (place, theme.TEXT)):
        if where is not None:
            marked = cell_rect(rect, maps.values(maps.chosen).shape, where)
            canvas.frame(marked, theme.GROUND, canvas.measures.line * 2)
            canvas.frame(marked, ink)


def cell_rect(rect: Rect, shape: tuple[int, ...], place: Place) -> Rect:
    """The token at a place, in a picture of its grid."""
    rows, columns = shape
    row, column = cell_at(place, shape)
    x0, x1 = (rect.x + rect.width * (column + k) // columns for k in (0, 1))
    y0, y1 = (rect.y + rect.height * (row + k) // rows for k in (0, 1))
    return Rect(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))
