"""Child processes that never outlive the command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dptscope.process.signals import on_exit, uninterrupted

# One of ours needs a fraction of them, unless it is in the middle of a native call that holds Python.
_STOP_SECONDS = 2.0


@contextmanager
def child_process(command: Sequence[str], quiet: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process and stop it at the end of the block if it still runs.

    It has a group of its own: the Ctrl-C of a terminal goes to this process alone, which passes it on, so that only one
    of the two says something.

    Args:
        command: what to start.
        quiet: connect its input and outputs to nothing.
    """
    nothing = subprocess.DEVNULL if quiet else None
    with ExitStack() as stack:
        with uninterrupted():  # what has been started is also written down
            if sys.platform == "win32":
                flags, group = subprocess.CREATE_NEW_PROCESS_GROUP, None
            else:
                flags, group = 0, 0
            child = subprocess.Popen(
                command, stdin=nothing, stdout=nothing, stderr=nothing, creationflags=flags, process_group=group
            )
            stack.enter_context(on_exit(lambda: stop(child)))
        try:
            yield child
        finally:
            stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a process: asked first, so that it can clean up, then by force."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
