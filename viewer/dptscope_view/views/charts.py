"""A histogram and a colour bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.opencv import cv2
from dptscope.pictures.colours import Colour, colour_at, colour_map, colourise
from dptscope.pictures.scaling import Scale
from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures


def number(value: float) -> str:
    """Three digits that count, without an exponent where it can be helped."""
    if value == 0:
        return "0"
    size = float(f"{abs(value):.2e}")  # rounded first, or 0.9999 would have a digit more than 1.0
    if size >= 99999.5 or size < 0.001:
        return f"{value:.1e}".replace("-", "−")
    digits = max(0, 2 - math.floor(math.log10(size)))
    return f"{value:.{min(digits, 4)}f}".replace("-", "−")


@dataclass(frozen=True)
class Histogram:
    """How often which value occurs, each bar in the colour that the picture gives it, and a line where the colours end
    before the values do.

    Attributes:
        values: float32, any shape.
        scale: of the picture.
        colours: name of the colour map.
        reverse: it is turned round.
        pointer: value under the mouse, marked.
    """

    values: NDArray[np.float32]
    scale: Scale
    colours: str
    reverse: bool
    pointer: float | None = None

    def draw(self, canvas: Canvas, rect: Rect) -> None:
        """Draw it; counts are logarithmic, so that a single outlier can be seen."""
        measures, size = canvas.measures, canvas.measures.small
        plot, axis = self._parts(rect, measures)
        marked = self.scale.marks(self.values)
        rest = self.values[~marked] if not marked.all() else self.values.ravel()
        outliers = int(marked.sum())
        if outliers:
            # Apart at the right end: on one axis with the rest they would press it into a single bar.
            farthest = number(float(max(self.values[marked], key=abs)))
            note = f"{outliers} outliers to {farthest}" if outliers > 1 else f"1 outlier: {farthest}"
            beyond, plot = plot.cut_right(text_width(note, size, REGULAR), measures.gap)
            self._draw_outliers(canvas, beyond, axis, note)
            _, axis = axis.cut_right(axis.right - plot.right)
        low, high = float(rest.min()), float(rest.max())
        # Not more bars than the count of values fills, or most stand alone.
        bars = min(max(8, plot.width // max(3, measures.line * 3)), max(8, round(2 * math.sqrt(rest.size))))
        counts, edges = np.histogram(self._bent(rest), bars, self._ends(low, high))
        centres = self._straight(((edges[1:] + edges[:-1]) / 2).astype(np.float32))
        levels = self.scale.levels(centres)
        heights = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
        slots = plot.columns([1.0] * bars)
        gap = 1 if slots[0].width > 3 else 0
        canvas.fill(Rect(plot.x, plot.bottom, plot.width, 1), theme.EDGE)
        for slot, height, level in zip(slots, heights, levels, strict=True):
            if height > 0:
                tall = max(2, round(height * plot.height))
                colour = _visible(colour_at(int(level), self.colours, self.reverse))
                canvas.fill(Rect(slot.x, slot.bottom - tall, slot.width - gap, tall), colour)
        for end in (self.scale.low, self.scale.high):
            if low < end < high:
                self._mark(canvas, plot, end, (low, high), theme.EDGE)
        canvas.text(axis, number(low), size=size, colour=theme.MUTED)
        canvas.text(axis, number(high), size=size, colour=theme.MUTED, align="right")
        canvas.text(axis, "log count", size=size, colour=theme.FAINT, align="centre")
        if self.pointer is not None and high > low and low <= self.pointer <= high:
            self._mark(canvas, plot, self.pointer, (low, high), theme.TEXT)

    def _mark(self, canvas: Canvas, plot: Rect, value: float, ends: tuple[float, float], colour: Colour) -> None:
        """A line at a value between the ends of the axis."""
        start, end = self._ends(*ends)
        share = (float(self._bent(value)) - start) / (end - start)
        x = round(plot.x + share * (plot.width - 1))
        canvas.fill(Rect(x, plot.y, max(1, canvas.measures.line), plot.height), colour)

    def _draw_outliers(self, canvas: Canvas, beyond: Rect, axis: Rect, note: str) -> None:
        colour, size = colour_map(self.colours).outlier, canvas.measures.small
        wide = max(3, canvas.measures.line * 4)
        x = beyond.x + (beyond.width - wide) // 2
        bar = Rect(x, beyond.y + beyond.height // 3, wide, beyond.height - beyond.height // 3)
        canvas.fill(bar, colour)
        if self.pointer is not None and self.scale.marks(np.array([self.pointer], np.float32)).any():
            canvas.frame(bar, theme.TEXT)
        canvas.fill(Rect(beyond.x, beyond.bottom, beyond.width, 1), theme.EDGE)
        canvas.text(Rect(beyond.x, axis.y, beyond.width, axis.height), note, size=size, colour=colour, align="centre")

    def _bent(self, values: Any) -> Any:
        """On the axis of the shades: as they are, or logarithmic like the picture; in float64, where as many bars fit between
        two values of float32 as are drawn."""
        values = np.asarray(values, np.float64)
        return values if self.scale.bend is None else np.arcsinh(values / self.scale.bend)

    def _straight(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values if self.scale.bend is None else np.asarray(np.sinh(values) * self.scale.bend, dtype=np.float32)

    def _ends(self, low: float, high: float) -> tuple[float, float]:
        start, end = float(self._bent(low)), float(self._bent(high))
        return start, end if end > start else start + 1

    @staticmethod
    def _parts(rect: Rect, measures: Measures) -> tuple[Rect, Rect]:
        axis, bars = rect.cut_bottom(round(measures.small * 1.5), 2)
        return bars, axis


def _visible(colour: Colour) -> Colour:
    """Lifted off the panel where the colour map is nearly black."""
    if sum(colour) >= 150:
        return colour
    blue, green, red = (max(part, floor) for part, floor in zip(colour, (84, 70, 62), strict=True))
    return blue, green, red


@dataclass(frozen=True)
class ColourBar:
    """The colour map lying down, with what its ends mean.

    Attributes:
        left: text at the left end.
        right: text at the right end.
        colours: name of the colour map.
        reverse: it is turned round.
    """

    left: str
    right: str
    colours: str
    reverse: bool

    def draw(self, canvas: Canvas, rect: Rect) -> None:
        """Draw it in one row."""
        measures = canvas.measures
        size = measures.small
        used = canvas.text(rect, self.left, size=size, colour=theme.MUTED)
        _, rest = rect.cut_left(used, measures.gap)
        used = canvas.text(rest, self.right, size=size, colour=theme.MUTED, align="right")
        _, rest = rest.cut_right(used, measures.gap)
        thick = max(4, round(rect.height * 0.34))
        bar = Rect(rest.x, rest.y + (rest.height - thick) // 2, rest.width, thick)
        if bar.width > 8:
            ramp = np.linspace(0, 255, bar.width).astype(np.uint8)[None]
            picture = colourise(ramp, self.colours, self.reverse)
            canvas.picture(bar, np.asarray(cv2.resize(picture, (bar.width, bar.height)), dtype=np.uint8))
