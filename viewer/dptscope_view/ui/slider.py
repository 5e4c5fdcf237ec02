"""A slider: caption, track and value in one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dptscope.pictures.text import BOLD, REGULAR
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures


@dataclass(frozen=True)
class Slider:
    """A number between two ends, on a grid.

    Attributes:
        caption: what it is.
        low: value at the left end.
        high: value at the right end.
        step: grid of the values; also one step of the wheel times ``wheel``.
        value: where it stands.
        default: where a right click puts it; marked on the track.
        shown: the value as text.
        chosen: keys move this one.
        active: False: drawn faint and deaf, because it has no effect.
        wheel: steps of the grid a notch of the wheel.
        faint: drawn so, because it has no effect at the moment, though it answers.
        snaps: values that a drag falls into; marked on the track.
        typed: what has been typed so far, shown in place of the value.
    """

    caption: str
    low: float
    high: float
    step: float
    value: float
    default: float
    shown: str
    chosen: bool = False
    active: bool = True
    wheel: int = 1
    faint: bool = False
    snaps: tuple[float, ...] = ()
    typed: str | None = None

    def track(self, rect: Rect, measures: Measures) -> Rect:
        """The part that the knob runs in; its ends are the values' ends."""
        caption = round(measures.font * (6 if measures.compact else 9.6))
        value = round(measures.font * (3.6 if measures.compact else 5))
        _, rest = rect.cut_left(caption, measures.gap)
        _, rest = rest.cut_right(value, measures.gap)
        return rest.inset(self._knob(measures), 0)

    @staticmethod
    def _knob(measures: Measures) -> int:
        return max(5, round(measures.row * 0.28))

    def part_at(self, x: float, rect: Rect, measures: Measures) -> Literal["name", "track", "value"]:
        """What lies at a column: only the track, with half a knob around its ends, changes the value at once."""
        track, knob = self.track(rect, measures), self._knob(measures)
        return "name" if x < track.x - knob else "track" if x < track.right + knob else "value"

    def value_at(self, x: float, track: Rect) -> float:
        """The value of a column, on the grid; the ends hold beyond the track."""
        share = (x - track.x) / max(track.width - 1, 1)
        return self._on_grid(self.low + max(0.0, min(1.0, share)) * (self.high - self.low))

    def _on_grid(self, value: float) -> float:
        steps = round((value - self.low) / self.step)
        # Dividing a whole number keeps 0.1 + 0.2 from becoming 0.30000000000000004.
        return max(self.low, min(self.high, round(self.low + steps * self.step, 9)))

    def column_of(self, value: float, track: Rect) -> float:
        """The column of a value."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return track.x + share * max(track.width - 1, 0)

    def answer(self, event: Mouse, rect: Rect, measures: Measures, drag: tuple[int, int] | None) -> float | None:
        """The value that an event asks for, or None.

        Args:
            event: in or, during a drag, anywhere around ``rect``.
            rect: where the slider is drawn.
            measures: of the window.
            drag: where the left button went down on this slider, while it is held.
        """
        if not self.active:
            return None
        if event.kind is Pointer.PRESS or (event.kind is Pointer.MOVE and drag is not None):
            start = event.x if drag is None else drag[0]
            if self.part_at(start, rect, measures) != "track":
                return None
            return self._snapped(event.x, self.track(rect, measures), measures)
        if event.kind is Pointer.MENU:
            return self.default
        if event.kind is Pointer.WHEEL:
            return self._on_grid(self.value + event.steps * self.wheel * self.step)
        return None

    def _snapped(self, x: float, track: Rect, measures: Measures) -> float:
        near = measures.gap * 0.4
        return next(
            (snap for snap in self.snaps if abs(self.column_of(snap, track) - x) <= near), self.value_at(x, track)
        )

    def draw(self, canvas: Canvas, rect: Rect, hover: tuple[int, int] | None) -> None:
        """Draw it into its row; ``hover`` is the mouse's position while it is over this."""
        measures = canvas.measures
        track, hovered, bright = self.track(rect, measures), hover is not None, self.active and not self.faint
        moved = abs(self.value - self.default) > self.step / 2
        ink = theme.TEXT if bright else theme.FAINT
        colour = theme.ACCENT if bright else theme.FAINT
        if self.chosen:
            mark = Rect(
                rect.x, rect.y + rect.height // 4, max(2, measures.line * 2), rect.height - rect.height // 4 * 2
            )
            canvas.fill(mark, theme.ACCENT)
        caption = Rect(rect.x, rect.y, track.x - rect.x - self._knob(measures), rect.height)
        _, caption = caption.cut_left(measures.gap)
        quiet = theme.MUTED if bright else theme.FAINT
        canvas.text(caption, self.caption, colour=ink if self.chosen or hovered else quiet)
        middle = rect.y + rect.height // 2
        thick = max(3, round(measures.row * 0.14))
        groove = Rect(track.x, middle - thick // 2, track.width, thick)
        canvas.panel(groove, theme.MUTED if hovered and self.active else theme.EDGE, radius=thick // 2)
        start, end = sorted((self.column_of(self.default, track), self.column_of(self.value, track)))
        canvas.fill(Rect(round(start), groove.y, max(round(end) - round(start), 0), thick), colour)
        for place in {self.default, *self.snaps}:
            tick = Rect(round(self.column_of(place, track)), middle - thick * 2, max(1, measures.line), thick * 4)
            canvas.fill(tick, theme.MUTED if moved else theme.EDGE)
        knob = self._knob(measures)
        canvas.disc(self.column_of(self.value, track), middle, knob, theme.GROUND)
        canvas.disc(self.column_of(self.value, track), middle, knob - measures.line * 1.5, ink if hovered else colour)
        value = Rect(track.right + knob, rect.y, rect.right - track.right - knob, rect.height)
        if self.typed is not None:
            canvas.panel(value, theme.RAISED)
            canvas.text(value.inset(measures.gap // 2, 0), f"{self.typed}|", colour=theme.ACCENT, align="right")
            return
        if self.chosen and hover is not None and self.part_at(hover[0], rect, measures) == "value":
            canvas.panel(value, theme.RAISED)
        weight = BOLD if moved and bright else REGULAR
        canvas.text(value, self.shown, colour=ink, weight=weight, align="right")
