"""Claims: names that a running process holds in a folder, so that another can tell that it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dptscope.errors import DptscopeError
from dptscope.files.atomic import lock, locked_folder
from dptscope.process.signals import on_exit

CLAIM_SUFFIX = ".dptscope-running"


@contextmanager
def claim(folder: Path, name: str, clashes: Callable[[str], bool]) -> Iterator[str | None]:
    """Hold a name in a folder for the block, unless a process that runs holds one that clashes.

    The name is a locked file, so that of a process that was killed holds nobody back; it is cleared here. Windows has no such
    locks: nobody is held back there.

    Args:
        folder: where it is held.
        name: what this process holds.
        clashes: tells whether another name stands against it; the same one always does.

    Yields:
        None where the name is held now, else the other's.

    Raises:
        DptscopeError: the file system has no locks.
        OSError: the folder cannot be written to.
    """
    path = folder / f".{name}{CLAIM_SUFFIX}"
    with ExitStack() as stack:
        with locked_folder(folder):
            for other in sorted(folder.glob(f".*{CLAIM_SUFFIX}")):
                held = other.name.removesuffix(CLAIM_SUFFIX)[1:]
                if (held == name or clashes(held)) and not _cleared(other):
                    yield held
                    return
            stack.enter_context(on_exit(lambda: path.unlink(missing_ok=True)))
            file = stack.enter_context(path.open("xb"))
            stack.callback(path.unlink, missing_ok=True)
            if not lock(file.fileno(), wait=True):
                raise DptscopeError(
                    f"{folder}: expected a file system with locks (flock), got one without; take a folder on another one"
                )
        yield None


def _cleared(other: Path) -> bool:
    """Remove what a killed process held; False where it runs."""
    try:
        handle = os.open(other, os.O_RDWR)
    except FileNotFoundError:  # it has just ended
        return True
    try:
        if not lock(handle, wait=False):
            return False
        other.unlink()
        return True
    finally:
        os.close(handle)
