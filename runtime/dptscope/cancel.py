"""Ending a run of a model from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dptscope.errors import DptscopeError


class CancelledError(DptscopeError):
    """The run was ended by :meth:`Cancellation.cancel`."""


class Cancellation:
    """Hand one to a run, and call :meth:`cancel` from any thread to end it at once. Good for one ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """End what runs with it now, and whatever is begun with it later."""
        with self._lock:
            self._cancelled = True
            for stop in self._stops:
                stop()

    @contextmanager
    def running(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this lasts, :meth:`cancel` calls ``stop``.

        Raises:
            CancelledError: it has been cancelled before.
        """
        with self._lock:
            self.check()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def check(self) -> None:
        """Raises:
        CancelledError: it has been cancelled.
        """
        if self._cancelled:
            raise CancelledError("cancelled")
