"""Standard error without what native libraries write there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def native_libraries_silenced() -> Iterator[None]:
    """Send what native code writes to standard error nowhere. libpng and libtiff write there themselves, past Python and
    OpenCV's log level, about files that are refused a moment later and about harmless oddities of good ones.

    It concerns the whole process, so it is for the command and its window, and not for a library.
    """
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
