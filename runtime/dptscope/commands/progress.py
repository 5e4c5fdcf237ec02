"""How far a command has come with its photos: one line on standard error, where that is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TypeVar

from dptscope.process.signals import on_exit

_Item = TypeVar("_Item")

_ERASE = b"\r\x1b[K"
_WIDTH = 24  # signs of the bar


class PhotoCount:
    """Counts photos. The line is there only while something is waited for, never while something is printed.

    Args:
        total: how many there are.
        terminal: file descriptor that the line is drawn on; None: on none.
        before: how many of them were done when this began.
    """

    def __init__(self, total: int, terminal: int | None, before: int = 0) -> None:
        self._total = total
        self._terminal = terminal
        self._before = self._done = before
        self._failed = 0
        self._started = time.monotonic()

    def one_done(self) -> None:
        """Count one photo, read or not."""
        self.some_done(1)

    def some_done(self, photos: int, failed: int = 0) -> None:
        """Count photos, of which some failed."""
        self._done += photos
        self._failed += failed

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the line, and erase it again."""
        self._write(_ERASE + self._line().encode(sys.stderr.encoding, errors="replace"))
        try:
            yield
        finally:
            self.erase()

    def while_waiting_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """The same items; the line is there while each of them is made."""
        iterator = iter(items)
        while True:
            with self.shown():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def erase(self) -> None:
        """Leave an empty line."""
        self._write(_ERASE)

    def _line(self) -> str:
        full = _WIDTH * self._done // self._total
        speed = (self._done - self._before) / max(time.monotonic() - self._started, 1e-9)
        left = timedelta(seconds=round((self._total - self._done) / speed)) if speed else None
        told = f"  {speed:.3g} photos/s  {left} left" if speed else ""
        told += f"  {self._failed} failed" if self._failed else ""
        line = f"{'━' * full}{'─' * (_WIDTH - full)}  {self._done}/{self._total}{told}"
        return line[: shutil.get_terminal_size().columns - 1]  # a longer one could not be erased

    def _write(self, data: bytes) -> None:
        if self._terminal is not None:
            os.write(self._terminal, data)


@contextmanager
def counted_photos(total: int, before: int = 0) -> Iterator[PhotoCount]:
    """Count photos where there are several and a person looks on. Standard error leads nowhere while photos are decoded, so
    the line has a descriptor of its own."""
    if total < 2 or sys.stderr is None or not sys.stderr.isatty():
        yield PhotoCount(total, None, before)
        return
    with ExitStack() as stack:
        terminal = os.dup(sys.stderr.fileno())
        stack.callback(os.close, terminal)
        count = PhotoCount(total, terminal, before)
        stack.enter_context(on_exit(count.erase))
        yield count
