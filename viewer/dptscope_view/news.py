"""The latest news: a line that is shown for a while, and how far the worker is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dptscope_view.frame import Question
from dptscope_view.worker import Notice

NOTICE_SECONDS = 5.0
BAD_NOTICE_SECONDS = 30.0
NOTHING = Notice("")
WORTH_A_BAR = 2.0
"""Seconds of a run below which nobody wonders how long it will take."""


@dataclass(frozen=True)
class Run:
    """How long the worker has been at work on what was asked last.

    Attributes:
        seconds: whole ones, or halves while a bar shows them.
        expected: how many it should be, or None where nothing like it has run yet, or they are few.
    """

    seconds: float
    expected: float | None = None

    @classmethod
    def of(cls, seconds: float, expected: float | None) -> Run:
        """As it is shown: rounded, so that little is drawn anew, and without a bar that would only flash."""
        if expected is None or expected < WORTH_A_BAR:
            return cls(int(seconds))
        return cls(int(2 * seconds) / 2 if seconds >= 1 else 0, expected)

    @property
    def share(self) -> float:
        """Of what is expected, 0 … 1; 0 where that is not known."""
        return min(self.seconds / self.expected, 1.0) if self.expected else 0.0

    @property
    def in_words(self) -> str:
        """What is soon over needs no words."""
        if self.share:
            return f" {int(self.seconds)} of about {self.expected:.0f} s, Esc stops it"
        return f" {int(self.seconds)} s, Esc stops it" if self.seconds >= 2 else ""


class News:
    """What passes by itself.

    Attributes:
        running: how far the worker is; None: it rests.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._notice, self._until = NOTHING, 0.0
        self._since: float | None = None
        self.running: Run | None = None

    @property
    def notice(self) -> Notice:
        """The line, or :data:`NOTHING` once it has been read."""
        return self._notice if self._clock() <= self._until else NOTHING

    def tell(self, notice: Notice) -> None:
        """Show a line in place of the one before."""
        self._notice = notice
        seconds = BAD_NOTICE_SECONDS if notice.bad else NOTICE_SECONDS
        self._until = math.inf if notice.lasts else self._clock() + seconds

    def asked(self, question: Question) -> None:
        """Another question is begun: what was told of another run of the encoder ends, and the seconds are counted anew."""
        self._since = None
        about = self._notice.question
        if about is not None and about.subject != question.subject:
            self._notice = NOTHING

    def tick(self, busy: bool, due: float | None) -> bool:
        """Let time pass; whether that changes what is to be seen. ``due``: see :attr:`Worker.due`."""
        now, before = self._clock(), (self._notice, self.running)
        self._notice = self.notice
        if not busy:
            self._since = None
        elif self._since is None:
            self._since = now
        since = self._since
        self.running = None if since is None else Run.of(now - since, None if due is None else due - since)
        return (self._notice, self.running) != before
