"""One thread that does the heavy work. A newer question replaces an older one; nothing queues up while the user drags."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dptscope.cancel import Cancellation, CancelledError
from dptscope.errors import DptscopeError, ImageError
from dptscope_view.engine import Engine
from dptscope_view.frame import Frame, Question

REST_SECONDS = 0.12
"""No new question for so long: the hand rests, and the full picture is worth its time."""


@dataclass(frozen=True)
class Notice:
    """Something to tell the user in one line.

    Attributes:
        text: the line.
        bad: it went wrong.
        question: the question that has no answer because of it, if it was one.
        unreadable: because its photo cannot be read.
        lasts: until another takes its place.
    """

    text: str
    bad: bool = False
    question: Question | None = None
    unreadable: bool = False
    lasts: bool = False


Job = Callable[[Engine], str]
"""Runs in the worker's thread with its engine and returns what to tell the user."""


class Worker:
    """The thread and its two mailboxes: one question in, the latest answers out."""

    def __init__(self, engine: Engine, rest_seconds: float = REST_SECONDS) -> None:
        self._engine = engine
        self._rest = rest_seconds
        self._changed = threading.Condition()
        self._question: Question | None = None  # the slot: not yet begun
        self._running: tuple[Question, Cancellation] | None = None
        self._due: float | None = None
        self._moved = -math.inf  # when the mouse did so last
        self._jobs: deque[Job] = deque()
        self._out: deque[Frame | Notice] = deque()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dptscope-worker", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Put a question in the slot, in place of one that has not begun. What runs for another subject is ended."""
        with self._changed:
            self._question = question
            if self._running is not None and self._running[0].subject != question.subject:
                self._running[1].cancel()
            self._changed.notify()

    def stop(self) -> bool:
        """End what runs and drop what waits, jobs apart; whether there was anything."""
        with self._changed:
            found = self.answering
            self._question = None
            if self._running is not None:
                self._running[1].cancel()
            return found

    def do(self, job: Job) -> None:
        """Run a job between two questions. Jobs are never replaced."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def moved(self) -> None:
        """The mouse moves, and what it shows shall not share the processor with what is not waited for."""
        with self._changed:
            self._moved = time.monotonic()

    def take(self) -> Frame | Notice | None:
        """The next answer: every notice, but of the frames only the newest."""
        with self._changed:
            while len(self._out) > 1 and isinstance(self._out[0], Frame) and isinstance(self._out[1], Frame):
                self._out.popleft()
            return self._out.popleft() if self._out else None

    @property
    def busy(self) -> bool:
        """Whether more answers will come without a new question."""
        with self._changed:
            return self._busy or self._question is not None or bool(self._jobs)

    @property
    def answering(self) -> bool:
        """Whether a picture is made, or will be: what :meth:`stop` ends."""
        with self._changed:
            return self._question is not None or self._running is not None

    @property
    def due(self) -> float | None:
        """When the full picture that is made should be there, on the clock ``time.monotonic``; None: none is made, or nothing
        like it has been made yet."""
        with self._changed:
            return self._due

    def close(self, timeout: float = 10.0) -> None:
        """Stop at once, but finish the jobs."""
        self.stop()
        with self._changed:
            self._closing = True
            self._question = None
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._closing or self._jobs or self._question is not None)
                job = self._jobs.popleft() if self._jobs else None
                if job is None:
                    if self._closing:
                        return
                    if self._question is not None:
                        self._running = self._question, Cancellation()
                        self._question = None
                running = self._running
                self._busy = True
            if job is not None:
                self._run_job(job)
            elif running is not None:
                self._answer(*running)
                with self._changed:
                    self._running = self._due = None

    def _run_job(self, job: Job) -> None:
        try:
            self._post(Notice(job(self._engine)))
        except (DptscopeError, OSError) as error:
            self._post(Notice(str(error), bad=True))
        except Exception as error:  # noqa: BLE001 - as below
            self._post(Notice(_in_one_line(error), bad=True))

    def _answer(self, question: Question, cancel: Cancellation) -> None:
        try:
            if self._engine.wants_coarse(question):
                self._post(self._engine.coarse(question, cancel))
                # A size, or a photo, that is only passed is not worth a full run.
                if self._newer_within(self._rest):
                    return
            expected_ms = self._engine.expected_ms(question)
            with self._changed:
                self._due = None if expected_ms is None else time.monotonic() + expected_ms / 1000
            frame = self._engine.full(question, cancel)
            self._post(frame)
            self._go_on(frame, cancel)
        except CancelledError:
            return  # whoever cancelled knows
        except DptscopeError as error:
            self._post(Notice(str(error), True, question, isinstance(error, ImageError)))
        except Exception as error:  # noqa: BLE001 - onnxruntime raises its own; a dead thread would freeze the window
            self._post(Notice(_in_one_line(error), bad=True, question=question))

    def _go_on(self, frame: Frame, cancel: Cancellation) -> None:
        """With what is not waited for, until something else is asked."""
        if not frame.lacks_received or self._newer_within(self._rest):
            return
        try:
            for more in self._engine.further(frame):
                if isinstance(more, Frame):
                    self._post(more)
                    return
                with self._changed:
                    self._due = time.monotonic() + more / 1000
                if not self._hand_rests(cancel):
                    return
        except DptscopeError as error:
            self._post(Notice(str(error), bad=True))  # the picture is there

    def _hand_rests(self, cancel: Cancellation) -> bool:
        """Wait until the mouse rests; False as soon as there is something else to do."""
        while not (cancel.cancelled or self._newer_within(max(0.0, self._moved + self._rest - time.monotonic()))):
            if time.monotonic() >= self._moved + self._rest:
                return not cancel.cancelled
        return False

    def _newer_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing or self._question is not None, timeout=seconds)

    def _post(self, answer: Frame | Notice) -> None:
        with self._changed:
            self._out.append(answer)


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
