"""The norms of all blocks, over depth, or the attention that tokens receive in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dptscope.pictures.colours import Colour
from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.charts import number

OUTLIERS = "mean outlier"


@dataclass(frozen=True)
class Strip:
    """Minimum, median, maximum and outliers of every block, over depth.

    Attributes:
        low, middle, high: one number a block, greater than or equal to 0.
        outliers: one count a block; empty where there is nothing to count.
        chosen: index of the chosen one of these blocks.
        colour: of the outliers.
        token: numbers of one token, one a block, drawn over the rest; empty for none.
        special: those of the class token, of registers and of outliers by name, one a block; empty where there are none.
        title: what the numbers are.
        first: index in the model of the first of these blocks.
        sums: of the lines over all blocks by their names, told behind these; empty where they would mean nothing.
    """

    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    outliers: tuple[int, ...]
    chosen: int
    colour: Colour
    token: tuple[float, ...] = ()
    special: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    title: str = "norms over depth:"
    first: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)

    def _plot(self, rect: Rect, measures: Measures) -> Rect:
        _, below_legend = rect.cut_top(round(measures.small * 1.5), 2)
        _, plot = below_legend.cut_bottom(round(measures.small * 1.45), 1)
        _, plot = plot.cut_left(round(measures.small * (4.4 if self.sums else 3.2)))  # small numbers are long
        return plot

    def column(self, block: int, plot: Rect) -> float:
        """The middle of a block's column."""
        return plot.x + (block + 0.5) / len(self.middle) * plot.width

    def answer(self, event: Mouse, rect: Rect, measures: Measures) -> int | None:
        """The block that a press (or a drag, as the caller says) is on, or that the wheel asks for."""
        count = len(self.middle)
        if event.kind in (Pointer.PRESS, Pointer.MOVE):
            plot = self._plot(rect, measures)
            return max(0, min(int((event.x - plot.x) / max(plot.width, 1) * count), count - 1))
        if event.kind is Pointer.WHEEL:
            return max(0, min(self.chosen - event.steps, count - 1))
        return None

    def draw(self, canvas: Canvas, rect: Rect) -> None:
        """Draw it with a logarithmic axis: outliers would press the medians flat on a linear one."""
        measures, size = canvas.measures, canvas.measures.small
        plot = self._plot(rect, measures)
        highest = max(max(norms) for norms in (self.high, *self.special.values()))
        lowest = min(min(norms) for norms in (self.low, *self.special.values()))
        floor = max(lowest, highest * 1e-4, 1e-12)
        bottom, top = math.log(floor), math.log(max(highest, floor * 1.01))

        def row(value: float) -> float:
            share = (math.log(max(value, floor)) - bottom) / (top - bottom)
            return plot.bottom - 1 - share * (plot.height - 1)

        def line(values: tuple[float, ...]) -> list[tuple[float, float]]:
            points = [(self.column(i, plot), row(v)) for i, v in enumerate(values)]
            return points if len(points) > 1 else [(plot.x, points[0][1]), (plot.right, points[0][1])]

        half = plot.width / len(self.middle) / 2
        x = self.column(self.chosen, plot)
        canvas.fill(Rect(round(x - half), plot.y, max(round(2 * half), 1), plot.height), theme.RAISED)
        canvas.area_between(line(self.high), line(self.low), theme.HOVER)
        self._draw_outliers(canvas, plot, half)
        canvas.lines(line(self.low), theme.FAINT)
        canvas.lines(line(self.high), theme.MUTED)
        canvas.lines(line(self.middle), theme.ACCENT, measures.line * 2)
        for name, norms in self.special.items():
            canvas.lines(line(norms), self._ink(name))
        if self.token:
            canvas.lines(line(self.token), theme.TEXT, measures.line * 2)
        canvas.disc(x, row(self.middle[self.chosen]), measures.line * 3, theme.TEXT)
        canvas.fill(Rect(plot.x, plot.bottom, plot.width, 1), theme.EDGE)
        axis = Rect(rect.x, plot.y, plot.x - rect.x - measures.gap // 2, size)
        canvas.text(axis, number(highest), size=size, colour=theme.MUTED, align="right")
        axis = Rect(rect.x, plot.bottom - size, plot.x - rect.x - measures.gap // 2, size)
        canvas.text(axis, number(floor), size=size, colour=theme.MUTED, align="right")
        self._draw_numbers(canvas, plot)
        self._draw_legend(canvas, rect)

    def _draw_outliers(self, canvas: Canvas, plot: Rect, half: float) -> None:
        most = max(self.outliers, default=0)
        for block, count in enumerate(self.outliers):
            if count:
                tall = max(3, round(count / most * plot.height * 0.6))
                wide = max(2, round(half * 0.4))
                x = round(self.column(block, plot) - wide / 2)
                # From above, where the maximum is: that is where the outliers are.
                canvas.fill(Rect(x, plot.y, wide, tall), self.colour)

    def _draw_numbers(self, canvas: Canvas, plot: Rect) -> None:
        size, count = canvas.measures.small, len(self.middle)
        every = max(1, math.ceil(size * 2.2 / (plot.width / count)))
        for block in range(count):
            if block % every and block != self.chosen:
                continue
            if block != self.chosen and abs(block - self.chosen) < every and every > 1:
                continue
            middle = round(self.column(block, plot))
            label = Rect(middle - size * 2, plot.bottom + 1, size * 4, round(size * 1.45))
            ink = theme.ACCENT if block == self.chosen else theme.MUTED
            canvas.text(label, str(self.first + block), size=size, colour=ink, align="centre")

    def _draw_legend(self, canvas: Canvas, rect: Rect) -> None:
        measures, size = canvas.measures, canvas.measures.small
        legend, _ = rect.cut_top(round(size * 1.5))
        total = sum(self.outliers)
        inks = {"max": theme.MUTED, "median": theme.ACCENT, "min": theme.FAINT}
        inks |= {name: self._ink(name) for name in self.special}
        inks |= {"this token": theme.TEXT} if self.token else {}
        parts = [(self.title, theme.TEXT)]
        for name in self.sums or inks:
            told = name.replace("class", "class token")
            parts.append((f"{told} {number(self.sums[name])}" if self.sums else told, inks[name]))
        if self.outliers:
            parts.append((f"outliers {total}" if total else "no outliers", self.colour if total else theme.MUTED))
        for text, colour in parts:
            if text_width(text, size, REGULAR) > legend.width:
                break  # a part of a word would be another word
            used = canvas.text(legend, text, size=size, colour=colour)
            _, legend = legend.cut_left(used, measures.gap)

    def _ink(self, name: str) -> Colour:
        return {"class": theme.WARN, OUTLIERS: self.colour}.get(name, theme.BAD)
