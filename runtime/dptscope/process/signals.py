"""Ending the command at once and cleanly: Ctrl-C, SIGTERM and SIGHUP.

A signal raises KeyboardInterrupt in the main thread, which cleans up on its way out as any error does. That alone is not
enough: Python sees a signal only between two of its own steps, so a run in onnxruntime or the loading of a library puts it
off; libraries catch the exception, or print it and go on; and an interpreter in which one was raised at the wrong place
ends with another status. So a thread watches beside it. After :data:`GRACE_SECONDS` it does what is left to do, and ends the
process.

Nothing here happens before :func:`signals_handled` is entered, which only the command does. This module imports nothing but
the standard library, and little of that: whatever is imported before it cannot be interrupted cleanly.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

GRACE_SECONDS = 1.0
"""What the main thread is given to end by itself."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_MESSAGE = b"dptscope: interrupted\n"

_actions: dict[object, Callable[[], None]] = {}
_together = threading.RLock()  # held during steps that belong together
_main_holds = 0  # how many times the main thread holds it
_signal = 0  # the first that came
_over = threading.Lock()  # taken, and never given back, by the thread that ends the process
_seen = False  # by the main thread; later ones change nothing
_finished = False  # the command is done; nothing is left that an exception could clean up
_standard_error = 2


@contextmanager
def signals_handled() -> Iterator[None]:
    """Let the three signals end this process: clean, within about a second, with status 128 + signal, and after Ctrl-C
    with one line on standard error. A signal that is ignored (as behind ``nohup``) stays so. For the main thread."""
    global _standard_error, _finished
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    try:
        _standard_error = os.dup(2)  # while photos are decoded, 2 leads nowhere
    except OSError:  # a process without standard error, where 2 may become any file
        _standard_error = -1
    read_end, write_end = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read_end, numbers), name="dptscope-ending", daemon=True).start()
    try:
        for number in numbers:
            signal.signal(number, _on_signal)
        # Runs last, when only libraries are still to be unloaded.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        yield
    finally:
        _finished = True
        if _signal:
            _end()


@contextmanager
def cleaned_up(action: Callable[[], None]) -> Iterator[None]:
    """Have ``action`` done if a signal ends the process in here. It must be quick, may run in another thread, and again
    after what the block itself does to clean up."""
    key = object()
    _actions[key] = action
    try:
        yield
    finally:
        if not _signal:  # the block's own clean-up may just have been interrupted
            del _actions[key]


@contextmanager
def together() -> Iterator[None]:
    """Put off the end for a few quick steps that belong together, such as several files that take their names."""
    global _main_holds
    main = threading.current_thread() is threading.main_thread()
    with _together:
        _main_holds += main
        try:
            yield
        finally:
            _main_holds -= main
    if main and _signal and not _main_holds:
        raise KeyboardInterrupt


def is_ending() -> bool:
    """Whether a signal has come."""
    return _signal != 0


def _on_signal(number: int, _frame: FrameType | None) -> None:
    global _seen
    if _seen:
        return
    _seen = True
    _begin(number)
    if _finished:
        _end()
    if not _main_holds:
        raise KeyboardInterrupt


def _begin(number: int) -> None:
    """From here on nothing is reported but the end: not what libraries make of the exception, nor what breaks elsewhere."""
    global _signal
    _signal = _signal or number
    sys.excepthook = lambda *_: None
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None


def _watch(read_end: int, numbers: list[int]) -> None:
    """Python writes the number of a signal into the pipe at once, whatever the main thread is doing."""
    number = 0
    while number not in numbers:
        number = os.read(read_end, 1)[0]
    _begin(number)
    time.sleep(GRACE_SECONDS)
    with _together:
        _end()


def _end() -> NoReturn:
    """Do all that is registered, say it, and leave without what an interrupted interpreter would still try."""
    _over.acquire()
    for action in reversed(list(_actions.values())):
        with contextlib.suppress(Exception):  # the others still have to be done, and nobody is left to be told
            action()
    if _signal == signal.SIGINT:
        with contextlib.suppress(OSError):
            os.write(_standard_error, _MESSAGE)
    os._exit(128 + _signal)
