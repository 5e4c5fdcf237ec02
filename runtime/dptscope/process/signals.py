"""Signal handling of the command: Ctrl-C, SIGTERM and SIGHUP end the process at once, cleaned up.

An exception in the main thread would not do: Python sees a signal only between two of its own steps, so a run in onnxruntime
or the loading of a library puts it off; libraries catch the exception, or print it and go on. So Python writes the signal's
number into a pipe the moment it comes, and a thread that waits at the other end does what is registered and ends the process.

Nothing here happens before :func:`exit_on_signals`, which only the command calls. This module imports nothing but the
standard library, and little of that: whatever is imported before it cannot be interrupted cleanly.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_MESSAGE = b"dptscope: interrupted\n"

_actions: dict[object, Callable[[], None]] = {}
_steps = threading.RLock()  # held during steps that belong together, and by the thread that ends the process
_ending = threading.Event()


def exit_on_signals() -> None:
    """From here on the three signals end this process with status 128 + signal, after Ctrl-C with one line on standard error.
    A signal that is ignored (as behind ``nohup``) stays so. For the main thread."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    standard_error = -1  # in a process without one, where 2 may become any file
    with contextlib.suppress(OSError):
        standard_error = os.dup(2)  # while photos are decoded, 2 leads nowhere
    read_end, write_end = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(
        target=_wait, args=(read_end, numbers, standard_error), name="dptscope-signals", daemon=True
    ).start()
    for number in numbers:
        signal.signal(number, lambda *_: None)  # the thread has it
    atexit.register(wait_if_ending)  # the main thread may be done first, for instance with a child that was stopped


@contextmanager
def on_exit(action: Callable[[], None]) -> Iterator[None]:
    """Have ``action`` done if a signal ends the process in this block. It must be quick, and runs in another thread."""
    key = object()
    _actions[key] = action
    try:
        yield
    finally:
        del _actions[key]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off the end for a few quick steps that belong together, such as several files that take their names."""
    with _steps:
        yield
    wait_if_ending()


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Keep Ctrl-C to this process: a terminal sends it to the whole group, but processes and threads that are started by this
    thread in this block do not see it. Without :func:`exit_on_signals` nothing is kept, for nobody would act on it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_ending() -> bool:
    """Tell whether a signal has come."""
    return _ending.is_set()


def wait_if_ending() -> None:
    """Let the thread that ends the process do so, with its status and not with what comes of the clean-up here."""
    if _ending.is_set():
        threading.Event().wait()


def _wait(read_end: int, numbers: list[int], standard_error: int) -> None:
    number = 0
    while number not in numbers:
        number = os.read(read_end, 1)[0]
    _ending.set()
    with _steps:
        for action in reversed(list(_actions.values())):
            with contextlib.suppress(Exception):  # the others still have to be done, and nobody is left to be told
                action()
        if number == signal.SIGINT:
            with contextlib.suppress(OSError):
                os.write(standard_error, _MESSAGE)
        os._exit(128 + number)
