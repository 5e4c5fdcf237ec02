"""One of several, side by side; and a button, which may stay down."""

from __future__ import annotations

from dataclasses import dataclass

from dptscope.pictures.text import BOLD, REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures


@dataclass(frozen=True)
class Choice:
    """One of several.

    Attributes:
        options: their texts.
        chosen: index of the chosen one; -1: none of them.
        large: heading size, for the tabs.
        key: the key that goes on to the next, shown behind them where there is room.
        faint: indices of those that mean nothing now, and cannot be chosen.
    """

    options: tuple[str, ...]
    chosen: int
    large: bool = False
    key: str = ""
    faint: frozenset[int] = frozenset()

    def _widths(self, measures: Measures) -> list[int]:
        size = self._size(measures)
        around = 2 * (measures.pad if self.large else measures.gap)
        return [text_width(option, size, BOLD) + around for option in self.options]

    def _size(self, measures: Measures) -> int:
        return measures.font if self.large or not measures.compact else measures.small

    def width(self, measures: Measures) -> int:
        """Pixels that it needs."""
        return sum(self._widths(measures)) + self._key_width(measures)

    def _key_width(self, measures: Measures) -> int:
        return _key_width(self.key, measures) + measures.gap if self.key and not measures.compact else 0

    def cells(self, rect: Rect, measures: Measures) -> list[Rect]:
        """Place each option."""
        _, options = rect.cut_right(self._key_width(measures))
        return options.columns(self._widths(measures))

    def option_at(self, place: tuple[int, int] | None, rect: Rect, measures: Measures) -> int | None:
        """The index of the option at a place, or None."""
        if place is None:
            return None
        return next((i for i, cell in enumerate(self.cells(rect, measures)) if cell.contains(*place)), None)

    def answer(self, event: Mouse, rect: Rect, measures: Measures) -> int | None:
        """The index that the end of a click or the wheel asks for, or None."""
        index = None
        if event.kind is Pointer.RELEASE:
            index = self.option_at((event.x, event.y), rect, measures)
        elif event.kind is Pointer.WHEEL:
            index = max(0, min(self.chosen - event.steps, len(self.options) - 1))
        return None if index in self.faint else index

    def draw(self, canvas: Canvas, rect: Rect, hover: tuple[int, int] | None) -> None:
        """Draw it; ``hover`` is the mouse's position while it is over this."""
        measures = canvas.measures
        canvas.panel(rect, theme.RAISED)
        for index, (cell, option) in enumerate(zip(self.cells(rect, measures), self.options, strict=True)):
            chosen = index == self.chosen
            if chosen:
                canvas.panel(cell, theme.ACCENT)
            elif hover is not None and cell.contains(*hover) and index not in self.faint:
                canvas.panel(cell, theme.HOVER)
            canvas.text(
                cell,
                option,
                size=self._size(measures),
                colour=theme.ON_ACCENT if chosen else theme.FAINT if index in self.faint else theme.TEXT,
                weight=BOLD if chosen else REGULAR,
                align="centre",
            )
        if self._key_width(measures):
            inner = rect.inset(measures.gap, 0)
            canvas.text(inner, self.key, size=measures.small, colour=theme.MUTED, align="right")


def _key_width(key: str, measures: Measures) -> int:
    return text_width(key, measures.small, REGULAR) + measures.gap


@dataclass(frozen=True)
class Button:
    """Something to press.

    Attributes:
        text: what it does or shows.
        down: it is on.
        key: the key that does the same, shown behind the text where there is room.
    """

    text: str
    key: str
    down: bool = False

    def width(self, measures: Measures) -> int:
        """Pixels that it needs."""
        size = measures.small if measures.compact else measures.font
        return text_width(self.text, size, BOLD) + self._key_width(measures) + 2 * measures.gap

    def _key_width(self, measures: Measures) -> int:
        return 0 if measures.compact else _key_width(self.key, measures)

    def answer(self, event: Mouse, rect: Rect) -> bool:
        """Tell whether an event ends a click on it: who slides off before letting go has thought better of it."""
        return event.kind is Pointer.RELEASE and rect.contains(event.x, event.y)

    def draw(self, canvas: Canvas, rect: Rect, hovered: bool) -> None:
        """Draw it."""
        measures = canvas.measures
        ground = theme.ACCENT if self.down else theme.HOVER if hovered else theme.RAISED
        canvas.panel(rect, ground)
        inner = rect.inset(measures.gap, 0)
        canvas.text(
            inner if self._key_width(measures) else rect,
            self.text,
            size=measures.small if measures.compact else None,
            colour=theme.ON_ACCENT if self.down else theme.TEXT,
            weight=BOLD if self.down else REGULAR,
            align="left" if self._key_width(measures) else "centre",
        )
        if self._key_width(measures):
            colour = theme.ON_ACCENT if self.down else theme.MUTED
            canvas.text(inner, self.key, size=measures.small, colour=colour, align="right")
