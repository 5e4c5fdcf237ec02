"""Atomic writes: files that appear whole or not at all, and the removal of stale temporary files.

Every temporary file or folder lies beside its final place, is called ``.NAME.XXXXXXXX.dptscope-part``, and is locked by the
process that fills it for as long as that lives. So whoever can lock one has found a stale one. Making one and locking it are
two steps: the folder is locked during both, and by whoever looks for stale ones.

Locks are those of ``flock``, on files that are open for writing: NFS makes byte-range locks of them, which it refuses others
(EBADF), and tells nobody of a lock on a folder. Windows and file systems without locks (Lustre mounted without ``flock``) do
without: files appear whole there, too, but stale ones stay.
"""

from __future__ import annotations

import contextlib
import errno
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
LOCK_NAME = ".dptscope-lock"
"""Of the file that stands for the lock of the folder it is in."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


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
def locked(path: Path) -> Iterator[None]:
    """Keep other processes that ask for the same lock waiting.

    Args:
        path: a file of no other use. Whoever held the lock removes it; so whoever gets one asks whether it still has the
            name, by opening it: over NFS other answers may be out of date.
    """
    if sys.platform == "win32":
        yield
        return
    while True:
        with ExitStack() as stack:
            handle = _open_lock(path)
            stack.callback(os.close, handle)
            lock(handle, wait=True)
            if not _is_named(handle, path):
                continue
            stack.enter_context(on_exit(lambda: _remove_lock(path)))
            stack.callback(_remove_lock, path)
            yield
            return


def locked_folder(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes that ask for the lock of a folder waiting."""
    return locked(folder / LOCK_NAME)


def _open_lock(path: Path) -> int:
    """One that any user may lock, for in a folder such as /tmp a killed process may leave it to others."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.fchmod(handle, 0o666)
            return handle


def _is_named(handle: int, path: Path) -> bool:
    try:
        other = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return os.path.samestat(os.fstat(handle), os.fstat(other))
    finally:
        os.close(other)


def _remove_lock(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):  # another user's, in a folder such as /tmp
        path.unlink()


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
        if leftover.is_dir():
            if not (leftover / LOCK_NAME).exists() or _is_free(leftover / LOCK_NAME):
                shutil.rmtree(leftover)
        elif _is_free(leftover):
            leftover.unlink()


def _is_free(path: Path) -> bool:
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # something else with such a name may be a pipe
    try:
        return lock(handle, wait=False)
    finally:
        os.close(handle)


def lock(handle: int, wait: bool) -> bool:
    """Lock a file that is open for writing until it is closed.

    Returns:
        False when another process has locked it and was not to be waited for, or the file system has no locks.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
