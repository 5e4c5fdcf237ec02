"""What stands in the place of pictures that are not there, and over those that are out of date."""

from __future__ import annotations

from dptscope.pictures.text import BOLD
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.parts import Hover, Part, ViewInput


def absent_part(shown: ViewInput, rect: Rect) -> Part:
    """Say that the pictures are on their way, or why there are none."""

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        m = canvas.measures
        canvas.panel(place)
        if not shown.problem:
            canvas.text(place, "the encoder runs …", colour=theme.MUTED, align="centre")
            return
        inner = place.inset(min(place.width // 8, m.font * 8), place.height // 4)
        title, below = inner.cut_top(round(m.large * 1.6), m.gap)
        canvas.text(title, shown.facts.photos[shown.state.photo], size=m.large, weight=BOLD, ends=True)
        canvas.paragraph(below, shown.problem, colour=theme.BAD)

    return Part("absent", rect, draw)


def veil_part(rect: Rect) -> Part:
    """Darken what belongs to another photo than the one whose name is shown, frames around it included."""
    return Part("veil", rect, lambda canvas, place, hover: canvas.dim(place.inset(-canvas.measures.gap // 2), 0.6))
