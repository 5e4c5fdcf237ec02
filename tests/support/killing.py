"""Workers that die. Here, and not in a test, for a worker process has to import it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from dptscope_survey.worker import Found, Task
from dptscope_survey.worker import ask as really_ask


def ask(task: Task, photos: Sequence[Path]) -> Found:
    """Photos named ``kills…`` kill the process that works on them, each time; ``once…`` the first time."""
    for photo in photos:
        first = photo.name.startswith("once") and not photo.with_suffix(".seen").exists()
        if first:
            photo.with_suffix(".seen").touch()
        if first or photo.name.startswith("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
    return really_ask(task, photos)
