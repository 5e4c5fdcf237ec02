"""Unfinished files: names for them beside their final place, and clearing away what a killed process left.

Every unfinished file or folder is called ``.NAME.XXXXXXXX.dptscope-part`` and locked by the process that fills it, for as
long as that lives. So whoever can lock one has found a leftover. Making one and locking it are two steps: the folder is
locked during both, and by whoever looks for leftovers. Windows has no such locks; leftovers stay there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from dptscope.process.signals import cleaned_up

if sys.platform != "win32":
    import fcntl

PART_SUFFIX = ".dptscope-part"


@contextmanager
def part_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """An unfinished file for ``path``, open for writing and locked, with its name. It is gone afterwards whatever happens,
    unless it has been given its final name.

    Raises:
        OSError: the folder cannot be written to.
    """
    part = _part_name(path)
    with ExitStack() as stack:
        stack.enter_context(cleaned_up(lambda: part.unlink(missing_ok=True)))
        with locked_folder(path.parent):
            file = stack.enter_context(part.open("xb"))
            _lock(file.fileno(), wait=True)
        try:
            yield file, part
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def part_folder(path: Path) -> Iterator[Path]:
    """An unfinished folder for ``path``, locked, and gone afterwards whatever happens.

    Raises:
        OSError: it cannot be made.
    """
    folder = _part_name(path)
    with ExitStack() as stack:
        # The block below may be removing the same at that moment; what one finds gone the other has removed.
        stack.enter_context(cleaned_up(lambda: shutil.rmtree(folder, ignore_errors=True)))
        with locked_folder(path.parent):
            folder.mkdir(mode=0o700)
            stack.enter_context(locked_folder(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _part_name(path: Path) -> Path:
    """Cut where it must be, for a name has room for 255 bytes."""
    start = path.name.encode(errors="surrogateescape")[:200].decode(errors="ignore")
    return path.with_name(f".{start}.{secrets.token_hex(4)}{PART_SUFFIX}")


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same lock waiting."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def clear_leftovers(folder: Path) -> None:
    """Remove the unfinished files and folders of processes that were killed. What cannot be removed is left."""
    if sys.platform == "win32":
        return
    # Nobody asked for this; what was asked for says it if the folder is at fault.
    with contextlib.suppress(OSError), locked_folder(folder):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(".") and entry.name.endswith(PART_SUFFIX):
                _clear(Path(entry.path))


def _clear(leftover: Path) -> None:
    with contextlib.suppress(OSError):  # as above; or its owner has just finished it
        if leftover.is_symlink():
            return
        handle = os.open(leftover, os.O_RDONLY | os.O_NONBLOCK)  # something else with such a name may be a pipe
        try:
            if not _lock(handle, wait=False):
                return
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        finally:
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Lock an open file; False when it is locked by another process and was not to be waited for."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
