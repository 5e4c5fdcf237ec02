"""The viewer without its window: events in, pictures out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError
from dptscope_view.anchor import anchor_at, next_outlier
from dptscope_view.changes import with_anchor, with_block, with_closed, with_left, with_photo
from dptscope_view.frame import Frame, Question
from dptscope_view.keys import Command, find, key_name
from dptscope_view.news import News
from dptscope_view.presets import Presets
from dptscope_view.saving import Saving
from dptscope_view.state import SCALE_HIGH, SCALE_LOW, Facts, State, View
from dptscope_view.surface import Surface
from dptscope_view.typed import with_typed
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.views.parts import Answer, ComposedView, Part, ViewInput
from dptscope_view.views.whole import compose
from dptscope_view.worker import Job, Notice

STOPPED = "stopped; any key goes on"
TYPING = f"a number from {SCALE_LOW:g} to {SCALE_HIGH:g} is typed: Enter sets it, Esc leaves it"
MAGNIFIED = "magnified × {:.1f}: a drag moves it, the wheel back leaves"


class Asks(Protocol):
    """What the viewer needs of the worker."""

    def ask(self, question: Question) -> None: ...
    def do(self, job: Job) -> None: ...
    def stop(self) -> bool: ...
    def moved(self) -> None: ...


class Viewer:
    """Holds the state, hands questions to the worker, and draws.

    Attributes:
        state: the user's choices.
        frame: the newest answer.
        closing: the user is done.
        dirty: what was drawn last is no longer what should be seen.
        surface: what was drawn last, and the mouse over it.
        wheel_magnifies: the window is magnified by the wheel, and nothing else is moved by it.
    """

    def __init__(
        self,
        facts: Facts,
        state: State,
        photos: tuple[Path, ...],
        worker: Asks | None,
        output: Path,
        presets: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.facts, self.state, self.frame = facts, state, None
        self.closing, self.dirty = False, True
        self._photos, self._worker, self._output, self._presets = photos, worker, output, Presets(presets)
        self._clock = clock
        self._asked: Question | None = None
        self.surface = Surface(self._compose)
        self._beside: Frame | None = None
        self._news = News(lambda: self._clock())
        self._stopped = False  # what was asked, before it had been answered
        self._problem = ""  # why the question that was asked has no answer
        self._step, self._skipped = 1, 0  # where the hand goes among the photos, and what it could not see on the way
        self.wheel_magnifies, self._magnified = False, 1.0
        self._ask()

    frame: Frame | None

    @property
    def readout(self) -> str:
        """The line under the view: what is under the mouse, or how the view came about."""
        return self.surface.view.readout

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was drawn last, with its place, the topmost last."""
        return self.surface.view.parts

    @property
    def title(self) -> str:
        """What tells this window from others: the photo and the model."""
        return f"{self.facts.photos[self.state.photo]} – {self.facts.model}"

    def question(self) -> Question:
        """What the state asks of the model."""
        return Question.of(self.state, self.facts)

    def _ask(self, again: bool = False) -> None:
        question = self.question()
        if question != self._asked or again:
            self._asked, self._stopped, self._problem = question, False, ""
            self._news.asked(question)
            if self._worker is not None:
                self._worker.ask(question)

    def take(self, answer: Frame | Notice) -> None:
        """An answer of the worker."""
        self.dirty = True
        if isinstance(answer, Frame):
            self.frame = answer
            self._complete_anchor(answer)
            self._change()
        elif answer.question is None:
            self._tell(answer)
        elif answer.question == self._asked:
            self._fail(answer)

    def _complete_anchor(self, frame: Frame) -> None:
        """Take the tokens of one that was chosen before there were any along to other photos."""
        anchor = self.state.anchor
        if anchor is not None and anchor.place is not None and not anchor.tokens and frame.tokens and not frame.coarse:
            place = anchor.place_in(frame.question.subject)
            if place is not None:
                self.state = with_anchor(
                    self.state, anchor_at(frame, place, self.facts.photos[frame.question.subject.photo])
                )

    def _fail(self, answer: Notice) -> None:
        """There is no picture: say why, or go on to the next photo that can be read."""
        photo, count = self._photos[self.state.photo], len(self._photos)
        text = answer.text.replace(str(photo), photo.name)
        self._change()
        if not (answer.unreadable and self._step and self._skipped < count - 1):
            self._problem = text
            return
        self._skipped += 1
        self.state = with_photo(self.state, self.facts, self.state.photo + self._step)
        self._ask()
        what = "skipped" if self._skipped == 1 else f"skipped {self._skipped} photos, the last:"
        self._tell(Notice(f"{what} {text}", bad=True, question=self._asked))

    def tell(self, text: str, bad: bool = False) -> None:
        """Show a line for a while."""
        self._tell(Notice(text, bad))

    def _tell(self, notice: Notice) -> None:
        self._news.tell(notice)
        self.dirty = True

    def magnify(self, factor: float) -> None:
        """The window shows only a part of the picture, so many times as large; 1: all of it."""
        if factor != self._magnified:
            self._magnified = factor
            self.tell(MAGNIFIED.format(factor) if factor > 1 else "")

    def tick(self, busy: bool, due: float | None = None) -> None:
        """Called between events: whether a picture is made, when it should be there, and notices that have been read."""
        if self._news.tick(busy, due):
            self.dirty = True
        if self.surface.rests(self._clock()):
            self._change()

    def on_key(self, code: int) -> None:
        """A code of ``cv2.waitKeyEx``."""
        name = key_name(code)
        if name is not None and self.state.typed is not None:
            typed = with_typed(self.state, name)
            if typed == self.state:
                self.tell(TYPING)
            self._apply(typed)
            return
        row = find(name, self.state.view) if name is not None else None
        if row is None:
            self._go_on()
            return
        if name == "Esc" and self._leave():
            return
        before, count = self.state.photo, len(self._photos)
        answer = row.action if isinstance(row.action, Command) else row.action(self.state, self.facts)
        if answer == self.state and row.otherwise:
            self.tell(row.otherwise)
        self._apply(answer)
        self._go_on()
        self._step = {1: 1, count - 1: -1}.get((self.state.photo - before) % count, self._step)

    def _leave(self) -> bool:
        """Close, stop or undo what is uppermost; whether there was anything."""
        state = self.state
        if with_closed(state) != state:
            self._apply(with_closed(state))
        elif self._stop():
            pass
        elif self._beside is not None and state.view is View.NORMS:
            self._run(Command.BESIDE)
        elif with_left(state) != state:
            self._apply(with_left(state))
        elif self._magnified > 1:
            self.tell(MAGNIFIED.format(self._magnified) + "; q quits")
        else:
            return False
        return True

    def _go_on(self) -> None:
        """Ask again what was stopped, if anything was."""
        if self._stopped and not self.closing:
            self._change()
            self._ask(again=True)

    def _stop(self) -> bool:
        """End what the worker runs; whether it did anything."""
        if self._worker is None or not self._worker.stop():
            return False
        self._stopped = True
        if self.frame is None or self.frame.question.subject.photo != self.state.photo:
            self._problem = STOPPED
            self._change()
        else:
            self.tell(STOPPED)
        return True

    def on_mouse(self, event: Mouse) -> None:
        """A mouse event in pixels of what was drawn last."""
        part = self.surface.part_for(event)
        if self.surface.follow(event, self._clock()):
            self._change()
            if self._worker is not None:
                self._worker.moved()
        if event.kind is Pointer.PRESS:
            self._apply(replace(self.state, typed=None))  # whatever is pressed, nothing is typed any more
            self.surface.press(event, part)
        if part is not None:
            self._apply(self.surface.respond(part, event))
        if event.kind is Pointer.RELEASE:
            self.surface.release()
            self.dirty = True

    def _change(self) -> None:
        """What was drawn last is of an older state, pointer or frame."""
        self.dirty = self.surface.outdated = True

    def _apply(self, answer: Answer) -> None:
        if isinstance(answer, Command):
            self._run(answer)
        elif answer is not None and answer != self.state:
            if answer.photo != self.state.photo:
                self._step = self._skipped = 0  # a photo of the list is meant, whatever it is
            self.state = answer
            self._change()
            self._ask()

    def _run(self, command: Command) -> None:
        if command is Command.QUIT:
            self.closing = True
        elif command is Command.SAVE:
            self._save()
        elif command is Command.SAVE_PRESET:
            self._try(lambda: self._presets.write(self.state.scales))
        elif command is Command.LOAD_PRESET:
            self._try(self._load_next_preset)
        elif command is Command.BESIDE:
            self._beside = self.frame if self._beside is None else None
            self._change()
        elif command is Command.NEXT_OUTLIER:
            self._tell(Notice(self._keep_next_outlier(), question=self._asked))
        else:
            columns = self.surface.view.columns if command is Command.ROW_DOWN else -self.surface.view.columns
            if 0 <= self.state.block + columns < len(self.facts.channels):
                self._apply(with_block(self.state, self.facts, self.state.block + columns))

    def _try(self, action: Callable[[], str]) -> None:
        try:
            self.tell(action())
        except DptscopeError as error:
            self.tell(str(error), bad=True)

    def _load_next_preset(self) -> str:
        scales, told = self._presets.following()
        if scales is not None:
            self._apply(replace(self.state, scales=scales, scales_on=True))
        return told

    def _keep_next_outlier(self) -> str:
        frame, state = self.frame, self.state
        if frame is None or frame.question.subject.photo != state.photo:
            return "the tokens of this photo are on their way"
        anchor, told = next_outlier(frame, state.block, state.anchor, self.facts.photos[state.photo])
        if anchor is not None:
            self._apply(with_anchor(state, anchor))
        return told

    def _save(self) -> None:
        pixels = self.surface.pixels
        if self._worker is None or pixels is None:
            return
        photo, size = self._photos[self.state.photo], (pixels.shape[1], pixels.shape[0])
        # The file is of the token under the mouse, like the window.
        compared = self.surface.current().compared
        state = self.state if compared is None else with_anchor(self.state, compared)
        job = Saving(self.facts, state, self.question(), size, photo, self._output, self._beside)
        self._tell(Notice("saving …", lasts=True))
        self._worker.do(job)

    def draw(self, width: int, height: int) -> NDArray[np.uint8]:
        """The window's picture, uint8 ``[height, width, 3]``; not to be written to."""
        pixels = self.surface.draw(width, height)
        self.dirty = False
        return pixels

    def _compose(self, area: Rect, m: Measures) -> ComposedView:
        surface = self.surface
        shown = ViewInput(
            self.state, self.facts, self.frame, m, surface.pointer, surface.rested, surface.drag, surface.pictures,
            self._beside, self._problem, self._magnified, self.wheel_magnifies,
        )  # fmt: skip
        notice = self._news.notice
        return compose(shown, area, notice.text, notice.bad, self._news.running)
