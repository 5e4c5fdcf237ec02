"""Ctrl-C in the terminal that a viewer was started from, while its window is open."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.interrupting import LINE, handles_signals, hidden, start, wait_for
from support.screen import Program, Screen, missing_tools

pytestmark = pytest.mark.skipif(
    bool(missing_tools()) and os.environ.get("DPTSCOPE_REQUIRE_X") != "1", reason="Xvfb, xdotool or openbox is missing"
)


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    assert not missing_tools(), f"DPTSCOPE_REQUIRE_X=1, and {', '.join(missing_tools())} not installed"
    made = Screen(1400, 900)
    yield made
    made.close()


@pytest.mark.parametrize("keys", [(), ("s",), ("2", "s", "Right", "Right")])
def test_while_the_window_is_open(
    screen: Screen, tiny_model: Path, photo_path: Path, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    """At rest, while something is saved, and while pictures are computed."""
    out = tmp_path / "out"
    program = Program(screen, [tiny_model, photo_path, "-o", out], tmp_path / "home")
    try:
        if keys:
            program.key(*keys)
        program.process.send_signal(signal.SIGINT)
        assert program.end(60) == (130, LINE)
    finally:
        program.kill()
    assert not hidden(tmp_path)


@pytest.mark.parametrize("seconds", [0, 0.3, 0.6])
def test_before_the_window_is_open(
    screen: Screen, tiny_model: Path, photo_path: Path, tmp_path: Path, seconds: float
) -> None:
    command = ["-m", "dptscope", "view", tiny_model, photo_path, "-o", tmp_path]
    with start(command, env=screen.environment) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, LINE)
