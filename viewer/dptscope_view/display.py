"""Is there a screen? Asked in a child process, because OpenCV's window back end aborts the process where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

from dptscope.errors import DptscopeError
from dptscope.opencv import cv2
from dptscope.process.children import child_process

_PROBE = "import cv2, os; cv2.namedWindow('dptscope', cv2.WINDOW_NORMAL); os._exit(0)"
_TIMEOUT_SECONDS = 30.0

ADVICE = (
    "no screen to open a window on; `dptscope norms` and `dptscope depth` write files, "
    "and `dptscope view … --render OUT.png` draws the same view without a screen"
)

WITHOUT_WINDOWS = (
    "this OpenCV was built without windows (opencv-python-headless: pip uninstall -y opencv-python-headless; "
    "pip install opencv-python); `dptscope view … --render OUT.png` draws the same view into a file"
)


class DisplayError(DptscopeError):
    """No window can be opened here."""


class DisplayProbe:
    """Starts to look at once; ask for the answer after other work has been done."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None
        if not _certainly_none():
            self._child = self._stack.enter_context(child_process([sys.executable, "-c", _PROBE], quiet=True))

    def check(self) -> None:
        """Wait for the answer.

        Raises:
            DisplayError: there is no screen, or this OpenCV was built without windows.
        """
        if self._child is None:
            raise DisplayError(ADVICE)
        if not cv2.currentUIFramework():
            raise DisplayError(WITHOUT_WINDOWS)
        try:
            status = self._child.wait(_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            status = -1
        if status != 0:
            raise DisplayError(ADVICE)

    def close(self) -> None:
        """Nobody needs the answer any more."""
        self._stack.close()


def _certainly_none() -> bool:
    """X11 and Wayland both name their screen in the environment; macOS and Windows do not."""
    if sys.platform in ("darwin", "win32"):
        return False
    return not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY")
