"""A disk with little room, and folders that cannot be written to, for real commands in child processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """A folder in which there is little room.

    Attributes:
        folder: on a disk of its own, or on a common one where this process may not mount any.
        reason: what the system says when it is full.
        limit: bytes of a file at most, where it is not the disk that is small.
    """

    folder: Path
    reason: str
    limit: int | None = None

    def run(self, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
        """``python COMMAND`` to its end."""
        limit = self.limit
        prepare = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return _run(command, prepare)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """A disk of ``size`` bytes; without the right to mount one, files of half of that at most."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield SmallDisk(folder, "File too large", size // 2)
        return
    try:
        yield SmallDisk(folder, "No space left on device")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run_without_rights(command: Sequence[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """``python COMMAND`` while ``folder`` cannot be written to. That binds root only without one of its capabilities."""
    bound = ["setpriv", "--bounding-set", "-dac_override"] if os.getuid() == 0 else []
    folder.chmod(0o555)
    try:
        return _run(command, before=bound)
    finally:
        folder.chmod(0o755)


def _run(
    command: Sequence[object], prepare: Callable[[], None] | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    words = [*before, sys.executable, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=prepare)


def is_one_line(done: subprocess.CompletedProcess[str], path: Path, reason: str) -> bool:
    """Whether a command was refused in one line that names the path and the reason."""
    assert (done.returncode, done.stderr) == (2, f"dptscope: {path}: cannot be written ({reason})\n")
    return True
