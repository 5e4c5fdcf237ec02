"""Atomic writes: files that appear whole or not at all, and the removal of stale temporary files.

Every temporary file or folder lies beside its final place, is called ``.NAME.XXXXXXXX.dptscope-part``, and is locked by the
process that fills it for as long as that lives. So whoever can lock one has found a stale one. Making one and locking it are
two steps: the folder is locked during both, and by whoever looks for stale ones. Windows has no such locks; they stay there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from dptscope.errors import DptscopeError
from dptscope.process.signals import on_exit, uninterrupted

if sys.platform != "win32":
    import fcntl

PART_SUFFIX = ".dptscope-part"


@contextmanager
def temporary_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Make a temporary file beside ``path``, open for writing and locked; yields it and its name. It is gone afterwards
    whatever happens, unless it has been given its final name.

    Raises:
        OSError: the folder cannot be written to.
    """
    part = _part_name(path)
    with ExitStack() as stack:
        stack.enter_context(on_exit(lambda: part.unlink(missing_ok=True)))
        with locked_folder(path.parent), uninterrupted():
            file = stack.enter_context(part.open("xb"))
            lock(file.fileno(), wait=True)
        try:
            yield file, part
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``path``, locked, and gone afterwards whatever happens.

    Raises:
        OSError: it cannot be made.
    """
    folder = _part_name(path)
    with ExitStack() as stack:
        stack.enter_context(on_exit(lambda: _remove(folder)))
        with locked_folder(path.parent), uninterrupted():
            folder.mkdir(mode=0o700)
            stack.enter_context(locked_folder(folder))
        try:
            yield folder
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder in which others may still make files, or remove them, at that moment."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)  # says why it cannot be removed


def write_file(path: Path, data: bytes) -> Path:
    """Write a file that is either whole or not there, in place of an older one; returns its path.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        with temporary_file(path) as (file, temporary):
            file.write(data)
            file.flush()
            temporary.replace(path)
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def write_once(path: Path, data: bytes) -> bool:
    """Write a file that is either whole or not there, unless there is one of its name; tells whether it was written.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        return _write_all((path,), [data])
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be written ({error.strerror})") from error


def write_new(folder: Path, stem: str, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files under one number that no file has yet: ``STEM_001ENDING``, ``STEM_002ENDING``, …

    Args:
        folder: made if it is not there.
        stem: start of the names.
        files: contents by ending, such as ``_depth.npy``.

    Returns:
        the paths, in the order of ``files``.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale_files(folder)
        for number in range(1, 100000):
            paths = tuple(folder / f"{stem}_{number:03d}{ending}" for ending in files)
            if any(path.exists() for path in paths):
                continue
            if _write_all(paths, list(files.values())):
                return paths
    except OSError as error:
        raise DptscopeError(f"{folder}: cannot be written to ({error.strerror})") from error
    raise DptscopeError(f"{folder}: expected a free number for {stem}, got none below 100000")


def _write_all(paths: tuple[Path, ...], contents: list[bytes]) -> bool:
    """Write all or none. False: another program has taken one of the names in the meantime."""
    with ExitStack() as stack:
        parts: list[Path] = []
        for path, content in zip(paths, contents, strict=True):
            file, part = stack.enter_context(temporary_file(path))
            file.write(content)
            file.flush()
            parts.append(part)
        with uninterrupted():
            written: list[Path] = []
            try:
                for path, part in zip(paths, parts, strict=True):
                    _claim(part, path)
                    written.append(path)
            except OSError as error:
                for path in written:
                    path.unlink()
                if isinstance(error, FileExistsError):
                    return False
                raise
    return True


def _claim(staged: Path, path: Path) -> None:
    """Give a finished file its name. A hard link is made only where there is no such name, and whole at once; a rename
    would replace what is there.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(staged, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as a memory card's: still never over another file
        with path.open("xb") as file:
            try:
                file.write(staged.read_bytes())
                file.flush()
            except BaseException:
                path.unlink()
                raise


def _part_name(path: Path) -> Path:
    """Cut where it must be, for a name has room for 255 bytes."""
    start = path.name.encode(errors="surrogateescape")[:200].decode(errors="ignore")
    return path.with_name(f".{start}.{secrets.token_hex(4)}{PART_SUFFIX}")


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same lock waiting. A file serves as well, if nobody replaces it."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def remove_stale_files(folder: Path) -> None:
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
            if not lock(handle, wait=False):
                return
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        finally:
            os.close(handle)


def lock(handle: int, wait: bool) -> bool:
    """Lock an open file until it is closed; False when another process has locked it and was not to be waited for."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
