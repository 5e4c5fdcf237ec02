"""How a view is put together: parts with a place, that draw themselves and answer the mouse."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dptscope_view.anchor import Anchor
from dptscope_view.frame import Frame
from dptscope_view.keys import Command, find
from dptscope_view.state import Facts, State
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button, Choice
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.slider import Slider
from dptscope_view.ui.theme import Measures

Picture = NDArray[np.uint8]
Answer = State | Command | None
Hover = tuple[int, int] | None


_Made = TypeVar("_Made")


class PictureCache:
    """Pictures and maps that are expensive to make, kept from one drawing to the next and dropped once a drawing did not use
    them."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}
        self._used: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What that key stands for."""
        if key not in self._used:
            self._used[key] = self._kept[key] if key in self._kept else make()
        made: _Made = self._used[key]
        return made

    def sweep(self) -> None:
        """A drawing is done."""
        self._kept, self._used = self._used, {}


@dataclass(frozen=True)
class ViewInput:
    """What the views are drawn from.

    Attributes:
        state: the user's choices.
        facts: what does not change.
        frame: the newest answer, or None while there is none.
        measures: lengths for the window's size.
        pointer: the mouse over the window, or None.
        rested: where it was when it last stood still.
        drag: where the drag that is under way began, or None.
        pictures: see :class:`PictureCache`.
        beside: an answer of before, kept to compare with in the norm view.
        problem: why there is no picture, or nothing.
        magnified: how many times as large the window shows a part of the picture; 1: it shows all of it.
        wheel_magnifies: that is what the wheel does.
    """

    state: State
    facts: Facts
    frame: Frame | None
    measures: Measures
    pointer: Hover
    rested: Hover
    drag: Hover
    pictures: PictureCache
    beside: Frame | None = None
    problem: str = ""
    magnified: float = 1.0
    wheel_magnifies: bool = False

    @property
    def stale(self) -> bool:
        """The frame is of another photo than the one that was asked for."""
        frame = self.frame
        return frame is not None and frame.question.subject.photo != self.state.photo


class Draw(Protocol):
    """Draws a part into its place; ``hover`` is the mouse's position while it is over it."""

    def __call__(self, canvas: Canvas, rect: Rect, hover: Hover, /) -> None: ...


class Respond(Protocol):
    """Answers an event over a part; ``held``: the left button went down on it and is still down."""

    def __call__(self, event: Mouse, rect: Rect, held: bool, /) -> Answer: ...


def deaf(event: Mouse, rect: Rect, held: bool) -> Answer:
    """Let the mouse through to what lies below."""
    return None


@dataclass(frozen=True)
class Part:
    """Something with a place.

    Attributes:
        name: unique in its view; a drag belongs to a name, because the parts are made anew for each drawing.
        rect: where.
        draw: see :class:`Draw`.
        respond: see :class:`Respond`.
        hint: what it does, for the lowest row while the mouse is over it.
    """

    name: str
    rect: Rect
    draw: Draw
    respond: Respond = deaf
    hint: str = ""


@dataclass(frozen=True)
class ComposedView:
    """A whole view.

    Attributes:
        parts: in drawing order.
        columns: tiles a row, for the keys that go a row up or down.
        readout: what is under the mouse, in words.
        compared: the token that others are compared with, kept or under the mouse, where they are.
        pictures: the place of all that is drawn from the frame.
    """

    parts: tuple[Part, ...]
    columns: int = 1
    readout: str = ""
    compared: Anchor | None = None
    pictures: Rect | None = None


def slider_part(
    name: str,
    rect: Rect,
    slider: Slider,
    shown: ViewInput,
    change: Callable[[float], State],
    choose: Callable[[bool], State] | None = None,
    hint: str = "",
) -> Part:
    """A slider in its place.

    Args:
        name: of the part.
        rect: its place.
        slider: what is drawn, and answers.
        shown: what the view is drawn from.
        change: the state with another value.
        choose: the state in which keys move this one, and whether its number is to be typed; None: keys do not.
        hint: what it does.
    """

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        drag = shown.drag if held and event.kind is Pointer.MOVE else None
        value = slider.answer(event, place, shown.measures, drag)
        if value is not None:
            return change(value)
        if event.kind is Pointer.PRESS and choose is not None:
            return choose(slider.part_at(event.x, place, shown.measures) == "value")
        return None

    return Part(name, rect, slider.draw, respond, hint)


def choice_part(
    name: str, rect: Rect, choice: Choice, shown: ViewInput, change: Callable[[int], State], hints: Sequence[str] = ()
) -> Part:
    """A choice in its place; ``hints`` tell what each option is."""
    measures = shown.measures
    over = choice.option_at(shown.pointer, rect, measures)
    hint = hints[over] if hints and over is not None else ""

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        if event.kind is Pointer.RELEASE and not held:
            return None
        index = choice.answer(event, place, measures)
        return None if index is None else change(index)

    return Part(name, rect, choice.draw, respond, hint)


def button_part(name: str, rect: Rect, button: Button, shown: ViewInput) -> Part:
    """A button in its place; it does what its key does."""
    row = find(button.key, shown.state.view)
    assert row is not None, f"no key {button.key!r}"
    action = row.action

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        if not (held and button.answer(event, place)):
            return None
        return action if isinstance(action, Command) else action(shown.state, shown.facts)

    hint = f"{row.help} ({button.key})"
    return Part(name, rect, lambda canvas, place, hover: button.draw(canvas, place, hover is not None), respond, hint)
