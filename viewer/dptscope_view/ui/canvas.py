"""What the views draw on: a picture and the measures of its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import UInt8Array
from dptscope.opencv import cv2
from dptscope.pictures.colours import Colour
from dptscope.pictures.text import REGULAR, elide, put_text, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures

Align = Literal["left", "centre", "right"]
_SUBPIXEL_BITS = 4


class Canvas:
    """A picture of the window.

    Attributes:
        pixels: uint8 ``[height, width, 3]``, blue first.
        measures: lengths for this size.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pixels: UInt8Array = np.empty((height, width, 3), dtype=np.uint8)
        self.measures = Measures.of_window(width, height)
        self.fill(self.area, theme.GROUND)

    @property
    def area(self) -> Rect:
        """The whole of it."""
        return Rect(0, 0, self.pixels.shape[1], self.pixels.shape[0])

    def fill(self, rect: Rect, colour: Colour) -> None:
        """A plain rectangle."""
        if rect.width > 0 and rect.height > 0:
            cv2.rectangle(self.pixels, (rect.x, rect.y, rect.width, rect.height), colour, cv2.FILLED)

    def panel(self, rect: Rect, colour: Colour = theme.PANEL, radius: int | None = None) -> None:
        """A rectangle with rounded corners."""
        radius = min(self.measures.radius if radius is None else radius, rect.width // 2, rect.height // 2)
        if radius < 3:
            self.fill(rect, colour)
            return
        self.fill(rect.inset(radius, 0), colour)
        self.fill(rect.inset(0, radius), colour)
        for x in (rect.x + radius, rect.right - radius - 1):
            for y in (rect.y + radius, rect.bottom - radius - 1):
                cv2.circle(self.pixels, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)

    def frame(self, rect: Rect, colour: Colour, thickness: int | None = None) -> None:
        """The outline of a rectangle, drawn outside it."""
        thick = self.measures.line if thickness is None else thickness
        outer = Rect(rect.x - thick, rect.y - thick, rect.width + 2 * thick, rect.height + 2 * thick)
        self.fill(Rect(outer.x, outer.y, outer.width, thick), colour)
        self.fill(Rect(outer.x, rect.bottom, outer.width, thick), colour)
        self.fill(Rect(outer.x, outer.y, thick, outer.height), colour)
        self.fill(Rect(rect.right, outer.y, thick, outer.height), colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        one = 1 << _SUBPIXEL_BITS
        centre = (round(x * one), round(y * one))
        cv2.circle(self.pixels, centre, round(radius * one), colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)

    def lines(self, points: Sequence[tuple[float, float]], colour: Colour, thickness: int | None = None) -> None:
        """Straight lines from point to point."""
        fixed = np.round(np.asarray(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        thick = self.measures.line if thickness is None else thickness
        cv2.polylines(self.pixels, [fixed], False, colour, thick, cv2.LINE_AA, _SUBPIXEL_BITS)

    def area_between(
        self, upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], c: Colour
    ) -> None:
        """The surface between two lines that run from left to right."""
        outline = np.round(np.asarray([*upper, *reversed(lower)]) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(self.pixels, [outline], c, cv2.LINE_AA, _SUBPIXEL_BITS)

    def triangle(self, rect: Rect, up: bool, colour: Colour) -> None:
        """A small one in the rectangle's middle."""
        half = rect.height * 0.18
        x, y, way = rect.x + rect.width / 2, rect.y + rect.height / 2, -half if up else half
        self.area_between([(x - 2 * half, y - way), (x + 2 * half, y - way)], [(x, y + way)], colour)

    def dim(self, rect: Rect, share: float) -> None:
        """Darken what is there: 0 leaves it, 1 leaves nothing."""
        part = self.pixels[rect.y : rect.bottom, rect.x : rect.right]
        cv2.addWeighted(part, 1 - share, np.full_like(part, theme.GROUND), share, 0, dst=part)

    def picture(self, rect: Rect, image_bgr: NDArray[np.uint8]) -> None:
        """Put a picture of exactly the rectangle's size."""
        self.pixels[rect.y : rect.bottom, rect.x : rect.right] = image_bgr

    def text(
        self,
        rect: Rect,
        text: str,
        *,
        size: int | None = None,
        colour: Colour = theme.TEXT,
        weight: int = REGULAR,
        align: Align = "left",
        ends: bool = False,
    ) -> int:
        """A line of text in the rectangle's vertical middle, shortened where it does not fit; see :func:`elide`.

        Returns:
            pixels that it is wide.
        """
        size = self.measures.font if size is None else size
        text = elide(text, rect.width, size, weight, ends)
        width = text_width(text, size, weight)
        x = {"left": rect.x, "centre": rect.x + (rect.width - width) // 2, "right": rect.right - width}[align]
        # Capitals are about 0.7 of the size high; this puts their middle on the rectangle's.
        put_text(self.pixels, text, x, rect.y + round((rect.height + 0.7 * size) / 2), size, colour, weight)
        return width

    def paragraph(self, rect: Rect, text: str, *, size: int | None = None, colour: Colour = theme.TEXT) -> None:
        """Lines of text from the rectangle's top, broken between words, and inside one that is longer than a line."""
        size = self.measures.font if size is None else size
        tall = round(size * 1.5)
        lines = broken(text, rect.width, size)
        fit = max(1, rect.height // tall)
        if len(lines) > fit:
            lines = [*lines[: fit - 1], " ".join(lines[fit - 1 :])]
        for number, line in enumerate(lines):
            self.text(Rect(rect.x, rect.y + number * tall, rect.width, tall), line, size=size, colour=colour)


def broken(text: str, width: int, size: int) -> list[str]:
    """A text in lines of at most a width in pixels; all its letters but the blanks at the breaks are kept."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, REGULAR) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while text_width(line, size, REGULAR) > width and len(line) > 1:
            # One letter at least, however narrow the place is.
            kept = next((n for n in range(len(line) - 1, 1, -1) if text_width(line[:n], size, REGULAR) <= width), 1)
            lines.append(line[:kept])
            line = line[kept:]
    return [*lines, line] if line else lines
