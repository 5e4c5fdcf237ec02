"""Standard error without what native libraries write there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

_lock = Lock()
_inside = 0  # threads in the block
_restored = ExitStack()


@contextmanager
def native_libraries_silenced() -> Iterator[None]:
    """Send what native code writes to standard error nowhere. libpng and libtiff write there themselves, past Python and
    OpenCV's log level, about files that are refused a moment later and about harmless oddities of good ones.

    It concerns the whole process, so it is for the command and its window, and not for a library. Of several threads in the
    block the first one begins it, and the last one ends it.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _restored.enter_context(_silenced())
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _restored.close()


@contextmanager
def _silenced() -> Iterator[None]:
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # this process has no standard error
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
