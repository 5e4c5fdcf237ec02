"""Real commands in child processes, interrupted as a person or a system does it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LINE = "dptscope: interrupted\n"
PATIENCE = 240.0  # seconds; machines are busy, and what is waited for is always said


def start(command: Sequence[object], **options: Any) -> subprocess.Popen[str]:
    """``python COMMAND`` in a session of its own, with its outputs in pipes."""
    words = [sys.executable, *map(str, command)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Wait for something to be true and return it."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)
    return value


def handles_signals(process: int) -> bool:
    """Whether a process catches SIGTERM, which Python alone does not."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def children(process: int) -> list[int]:
    """Numbers of the processes that a process has started and that still run."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def runs(process: int) -> bool:
    """Whether there is such a process, and not only its grave."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def hidden(folder: Path) -> list[str]:
    """Names of the hidden files in a folder and below."""
    return [path.name for path in folder.rglob(".*")]


class Terminal:
    """``python COMMAND`` on a terminal of its own, where Ctrl-C goes to the whole group in the foreground."""

    def __init__(self, command: Sequence[object]) -> None:
        self.process, self._keys = pty.fork()
        if self.process == 0:
            os.execv(sys.executable, [sys.executable, *map(str, command)])
        self._said = b""

    def ctrl_c(self) -> None:
        """Press it."""
        os.write(self._keys, b"\x03")

    def end(self) -> tuple[int, str]:
        """Wait for the end: exit status and all that stood on the terminal."""
        while True:
            try:
                piece = os.read(self._keys, 65536)
            except OSError:  # nobody has it open any more
                break
            if not piece:
                break
            self._said += piece
        _, status = os.waitpid(self.process, 0)
        os.close(self._keys)
        return os.waitstatus_to_exitcode(status), self._said.decode().replace("\r\n", "\n")
