"""Words beside the mouse."""

from __future__ import annotations

from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Hover, Part


def token_label(text: str, pointer: tuple[int, int], area: Rect, measures: Measures) -> Part:
    """A line in a box beside the mouse, inside ``area``, never under the mouse itself: it would take its clicks."""
    width = min(text_width(text, measures.small, REGULAR) + 2 * measures.gap, area.width)
    height = round(measures.small * 1.9)
    away = measures.gap + measures.font // 2
    x = pointer[0] + away
    if x + width > area.right:
        x = max(pointer[0] - away - width, area.x)
    y = pointer[1] + away
    if y + height > area.bottom:
        y = pointer[1] - away - height
    rect = Rect(x, y, width, height)

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        canvas.panel(place, theme.RAISED)
        canvas.text(place.inset(measures.gap, 0), text, size=measures.small)

    return Part("token-label", rect, draw)
