"""Words beside the mouse."""

from __future__ import annotations

from collections.abc import Sequence

from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Hover, Part


def token_label(text: str, hint: str, pointer: tuple[int, int], areas: Sequence[Rect], measures: Measures) -> Part:
    """A line in a box beside the mouse, never under the mouse itself: it would take its clicks.

    Args:
        text: what is under the mouse.
        hint: what can be done with it, or nothing.
        pointer: the mouse.
        areas: where it may stand; the first that is wide enough is taken, or the last.
        measures: of the window.
    """
    told = text_width(text, measures.small, REGULAR)
    more = text_width(hint, measures.small, REGULAR) + measures.gap if hint else 0
    wanted = told + more + 2 * measures.gap
    area = next((area for area in areas if area.width >= wanted), areas[-1])
    width = min(wanted, area.width)
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
        inner = place.inset(measures.gap, 0)
        used = canvas.text(inner, text, size=measures.small)
        canvas.text(inner.cut_left(used, measures.gap)[1], hint, size=measures.small, colour=theme.ACCENT)

    return Part("token-label", rect, draw)
