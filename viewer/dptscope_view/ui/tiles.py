"""The grid of blocks, and the list of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dptscope.pictures.text import BOLD, REGULAR, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect, tile_columns
from dptscope_view.ui.theme import Measures


@dataclass(frozen=True)
class Tile:
    """What stands under one picture.

    Attributes:
        number: the block's.
        note: its minimum and maximum.
        short: less of that, where all notes do not fit.
    """

    number: str
    note: str
    short: str = ""


@dataclass(frozen=True)
class TileGrid:
    """Pictures in reading order.

    Attributes:
        tiles: one a block.
        chosen: index of the chosen one.
        aspect: width / height of every picture.
        columns: tiles a row.
    """

    tiles: tuple[Tile, ...]
    chosen: int
    aspect: float
    columns: int

    @classmethod
    def in_area(cls, tiles: tuple[Tile, ...], chosen: int, aspect: float, area: Rect, measures: Measures) -> TileGrid:
        """With as many columns as show the tiles largest."""
        columns = tile_columns(len(tiles), area, aspect, cls._caption(measures), measures.gap)
        return cls(tiles, chosen, aspect, columns)

    @staticmethod
    def _caption(measures: Measures) -> int:
        return round(measures.small * 1.55)

    def pictures(self, rect: Rect, measures: Measures) -> list[Rect]:
        """Place each picture; its caption is right below."""
        count, gap, caption = len(self.tiles), measures.gap, self._caption(measures)
        columns = self.columns
        rows = -(-count // columns)
        cells = rect.columns([1.0] * columns, gap)
        # All as large as the narrowest column, so that every picture is made at one size.
        tallest = (rect.height - gap * (rows - 1)) // rows - caption
        width = max(1, min(min(cell.width for cell in cells), round(tallest * self.aspect)))
        height = max(1, min(round(width / self.aspect), tallest))
        step = height + caption + gap
        return [Rect(cells[i % columns].x, rect.y + i // columns * step, width, height) for i in range(count)]

    def height(self, rect: Rect, measures: Measures) -> int:
        """Pixels of the area's height that the tiles use."""
        return self.pictures(rect, measures)[-1].bottom + self._caption(measures) - rect.y

    def answer(self, event: Mouse, rect: Rect, measures: Measures) -> int | None:
        """The index that a click or the wheel asks for, or None."""
        if event.kind is Pointer.PRESS:
            caption = self._caption(measures)
            for index, tile in enumerate(self.pictures(rect, measures)):
                if Rect(tile.x, tile.y, tile.width, tile.height + caption).contains(event.x, event.y):
                    return index
        if event.kind is Pointer.WHEEL:
            return max(0, min(self.chosen - event.steps, len(self.tiles) - 1))
        return None

    def draw(
        self,
        canvas: Canvas,
        rect: Rect,
        pictures: Sequence[NDArray[np.uint8]],
        hover: tuple[int, int] | None,
        mark: Callable[[int, Rect], Rect | None] = lambda index, place: None,
    ) -> None:
        """Draw all.

        Args:
            canvas: where.
            rect: in which part.
            pictures: each exactly as large as :meth:`pictures` says.
            hover: the mouse's position while it is over this.
            mark: the part of a tile's picture that is framed in it, if any.
        """
        measures = canvas.measures
        caption = self._caption(measures)
        notes = self._notes(rect, measures)
        for index, (place, tile) in enumerate(zip(self.pictures(rect, measures), self.tiles, strict=True)):
            canvas.picture(place, pictures[index])
            marked = mark(index, place)
            if marked is not None:
                canvas.frame(marked, theme.GROUND, canvas.measures.line * 2)
                canvas.frame(marked, theme.TEXT, canvas.measures.line)
            chosen = index == self.chosen
            if chosen:
                canvas.frame(place, theme.ACCENT, max(2, measures.line * 2))
            elif hover is not None and place.contains(*hover):
                canvas.frame(place, theme.MUTED)
            below = Rect(place.x, place.bottom + max(1, measures.line), place.width, caption)
            ink = theme.ACCENT if chosen else theme.TEXT
            used = canvas.text(below, tile.number, size=measures.small, colour=ink, weight=BOLD)
            _, rest = below.cut_left(used, measures.gap // 2)
            canvas.text(rest, notes[index], size=measures.small, colour=theme.MUTED, align="right")
        for place, tile, note in zip(self.pictures(rect, measures), self.tiles, notes, strict=True):
            if hover is not None and place.contains(*hover) and note != tile.note:
                width = text_width(tile.note, measures.small, REGULAR) + measures.gap
                label = Rect(max(rect.x, min(place.x, rect.right - width)), place.bottom, width, caption)
                canvas.panel(label, theme.RAISED)
                canvas.text(label, tile.note, size=measures.small, align="centre")

    def _notes(self, rect: Rect, measures: Measures) -> list[str]:
        """The fullest notes that fit under every tile: some here and none there would look as if that meant something."""
        width, size = self.pictures(rect, measures)[0].width - measures.gap // 2, measures.small
        for notes in ([tile.note for tile in self.tiles], [tile.short for tile in self.tiles]):
            together = zip(self.tiles, notes, strict=True)
            if all(
                text_width(tile.number, size, BOLD) + text_width(note, size, REGULAR) <= width
                for tile, note in together
            ):
                return notes
        return [""] * len(self.tiles)


@dataclass(frozen=True)
class FileList:
    """Names of photos, as many as fit around the current one.

    Attributes:
        names: all of them.
        chosen: index of the current one.
    """

    names: tuple[str, ...]
    chosen: int

    def _window(self, rect: Rect, measures: Measures) -> tuple[range, Rect, Rect | None, Rect | None]:
        """Which names are shown and where, and the places of the two buttons that go on by a page."""
        fit = max(1, rect.height // measures.row)
        if fit >= len(self.names) or fit < 3:
            above = below = None
        else:
            above, rect = rect.cut_top(measures.row)
            fit -= 2
            below = Rect(rect.x, rect.y + fit * measures.row, rect.width, measures.row)
        first = max(0, min(self.chosen - fit // 2, len(self.names) - fit))
        return range(first, min(first + fit, len(self.names))), rect, above, below

    def answer(self, event: Mouse, rect: Rect, measures: Measures) -> int | None:
        """The index that a click or the wheel asks for, or None."""
        shown, rect, above, below = self._window(rect, measures)
        last = len(self.names) - 1
        if event.kind is Pointer.PRESS:
            if above is not None and above.contains(event.x, event.y):
                return max(0, self.chosen - len(shown))
            if below is not None and below.contains(event.x, event.y):
                return min(last, self.chosen + len(shown))
            index = shown.start + (event.y - rect.y) // measures.row
            return index if index in shown else None
        if event.kind is Pointer.WHEEL:
            return max(0, min(self.chosen - event.steps, last))
        return None

    def draw(self, canvas: Canvas, rect: Rect, hover: tuple[int, int] | None) -> None:
        """Draw the names that fit."""
        measures = canvas.measures
        shown, rect, above, below = self._window(rect, measures)
        for line, index in enumerate(shown):
            row = Rect(rect.x, rect.y + line * measures.row, rect.width, measures.row)
            chosen = index == self.chosen
            if chosen or (hover is not None and row.contains(*hover)):
                canvas.panel(row, theme.ACCENT if chosen else theme.HOVER)
            ink = theme.ON_ACCENT if chosen else theme.TEXT
            inner = row.inset(measures.gap // 2 + 1, 0)
            canvas.text(inner, self.names[index], size=measures.small, colour=ink, ends=True)
        for button, up, left in ((above, True, shown.start), (below, False, len(self.names) - shown.stop)):
            if button is not None:
                over = hover is not None and button.contains(*hover)
                canvas.panel(button.inset(0, 1), theme.HOVER if over and left else theme.RAISED)
                canvas.triangle(button, up, theme.TEXT if left else theme.FAINT)
