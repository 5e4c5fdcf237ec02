"""The picture that was drawn last, the parts it is made of, and the mouse over them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Answer, ComposedView, Hover, Part, PictureCache, deaf

REST_SECONDS = 0.08
"""A mouse that has not moved for so long rests: what takes longer than a picture may is drawn then."""


class Surface:
    """What the user sees and touches.

    Attributes:
        view: what was put together last.
        outdated: that is of an older state, pointer or frame.
        pixels: what was drawn of it, uint8 ``[height, width, 3]``, or None before the first time.
        pictures: made for one drawing and kept for the next.
        pointer: the mouse, or None before it came.
        rested: where it was when it last stood still.
        drag: where the left button went down, while it is.
    """

    def __init__(self, compose: Callable[[Rect, Measures], ComposedView]) -> None:
        self._compose = compose
        self.view, self.outdated = ComposedView(()), True
        self.pixels: NDArray[np.uint8] | None = None
        self.pictures = PictureCache()
        self.pointer: Hover = None
        self.rested: Hover = None
        self.drag: Hover = None
        self._held: str | None = None
        self._moved = 0.0  # when the mouse did so last

    def draw(self, width: int, height: int) -> NDArray[np.uint8]:
        """Put the view together and draw it."""
        canvas = Canvas(width, height)
        self._put_together(canvas.area, canvas.measures)
        for part in self.view.parts:
            over = self.pointer is not None and part.rect.contains(*self.pointer) and not self._covered(part)
            part.draw(canvas, part.rect, self.pointer if over else None)
        self.pictures.sweep()
        self.pixels = canvas.pixels
        return canvas.pixels

    def _put_together(self, area: Rect, m: Measures) -> None:
        self.view = self._compose(area, m)
        self.outdated = False

    def _covered(self, part: Part) -> bool:
        """The mouse is held elsewhere, or the help lies over it."""
        top = self.view.parts[-1]
        return (self._held is not None and self._held != part.name) or (top.name == "help-overlay" and part is not top)

    def part_for(self, event: Mouse) -> Part | None:
        """The part that was pressed keeps the mouse until it is released; else the topmost under it."""
        if self._held is not None and event.kind in (Pointer.MOVE, Pointer.RELEASE):
            return next((part for part in self.view.parts if part.name == self._held), None)
        hit = (part for part in reversed(self.view.parts) if part.rect.contains(event.x, event.y))
        return next((part for part in hit if part.respond is not deaf), None)

    def follow(self, event: Mouse, now: float) -> bool:
        """Note where the mouse is; whether it has moved."""
        if (event.x, event.y) == self.pointer:
            return False
        self.pointer, self._moved = (event.x, event.y), now
        return True

    def rests(self, now: float) -> bool:
        """Whether the mouse has come to rest since this was last asked."""
        if self.pointer == self.rested or now - self._moved <= REST_SECONDS:
            return False
        self.rested = self.pointer
        return True

    def press(self, event: Mouse, part: Part | None) -> None:
        """The left button goes down, on that part."""
        self._held = part.name if part is not None else None
        self.drag = (event.x, event.y)

    def release(self) -> None:
        """It comes up again."""
        self._held = self.drag = None

    def respond(self, part: Part, event: Mouse) -> Answer:
        """What a part answers to an event."""
        held = self._held == part.name
        if held or event.kind is not Pointer.MOVE:
            # Parts remember what they were made from; several events before the next drawing each need new ones.
            part = next((p for p in self.current().parts if p.name == part.name), part)
        return part.respond(event, part.rect, held)

    def current(self) -> ComposedView:
        """The view as it would be drawn now."""
        if self.pixels is not None and self.outdated:
            height, width = self.pixels.shape[:2]
            self._put_together(Rect(0, 0, width, height), Measures.of_window(width, height))
        return self.view
