"""News beside the mouse, for a window of which only a part is seen."""

from __future__ import annotations

from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Hover, Part

_SMALLEST_TYPE = 7


def notice_label(text: str, bad: bool, pointer: tuple[int, int], area: Rect, m: Measures, magnified: float) -> Part:
    """A line above the mouse, as large as elsewhere after the window has magnified it.

    Args:
        text: the line.
        bad: it is of something that went wrong.
        pointer: the mouse.
        area: the whole picture.
        m: measures of it.
        magnified: how many times as large the window shows a part of it.
    """
    size = max(_SMALLEST_TYPE, round(m.small / magnified))
    around = max(2, round(m.gap / magnified))
    seen = _seen(pointer, area, magnified)
    width = min(text_width(text, size, REGULAR) + 2 * around, seen.width)
    height = size + 2 * around
    x = max(seen.x, min(pointer[0] - width // 2, seen.right - width))
    y = pointer[1] - height - 2 * around
    rect = Rect(x, y if y >= seen.y else pointer[1] + 4 * around, width, height)

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        canvas.panel(place, theme.RAISED)
        canvas.text(place.inset(around, 0), text, size=size, colour=theme.BAD if bad else theme.ACCENT)

    return Part("notice", rect, draw)


def _seen(pointer: tuple[int, int], area: Rect, magnified: float) -> Rect:
    """The part that the window shows, if it was magnified where the mouse is: that stays where it was."""
    x, y = (round(where * (1 - 1 / magnified)) for where in pointer)
    return Rect(x, y, round(area.width / magnified), round(area.height / magnified))
