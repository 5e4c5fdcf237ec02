"""The latest news: a line that is shown for a while, and how long the worker has been at work."""

from __future__ import annotations

from collections.abc import Callable

from dptscope_view.frame import Question
from dptscope_view.worker import Notice

NOTICE_SECONDS = 5.0
BAD_NOTICE_SECONDS = 30.0
NOTHING = Notice("")


class News:
    """What passes by itself.

    Attributes:
        running: whole seconds that the worker has been at work on what was asked last; None: it rests.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._notice, self._until = NOTHING, 0.0
        self._since: float | None = None
        self.running: int | None = None

    @property
    def notice(self) -> Notice:
        """The line, or :data:`NOTHING` once it has been read."""
        return self._notice if self._clock() <= self._until else NOTHING

    def tell(self, notice: Notice) -> None:
        """Show a line in place of the one before."""
        self._notice = notice
        self._until = self._clock() + (BAD_NOTICE_SECONDS if notice.bad else NOTICE_SECONDS)

    def asked(self, question: Question) -> None:
        """Another question is begun: what was told of another photo ends, and the seconds are counted anew."""
        self._since = None
        about = self._notice.question
        if about is not None and about.subject.photo != question.subject.photo:
            self._notice = NOTHING

    def tick(self, busy: bool) -> bool:
        """Let time pass; whether that changes what is to be seen."""
        before = self._notice, self.running
        self._notice = self.notice
        if not busy:
            self._since = None
        elif self._since is None:
            self._since = self._clock()
        self.running = None if self._since is None else int(self._clock() - self._since)
        return (self._notice, self.running) != before
