"""Ctrl-C during an export and during a demo that exports: nothing new, nothing half-written, no process left."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from support.interrupting import LINE, Terminal, children, handles_signals, hidden, runs, start, wait_for
from support.seeded import write_tiny

from dptscope.files.atomic import PART_SUFFIX


@pytest.mark.parametrize("moment", ["libraries are loaded", "the encoder is traced", "files are there"])
def test_an_export(tmp_path: Path, moment: str) -> None:
    checkpoint = write_tiny(tmp_path / "tiny.safetensors")
    old = tmp_path / "tiny.onnx"
    old.write_bytes(b"of before")
    with start(["-m", "dptscope", "export", checkpoint, "-o", old]) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        if moment == "libraries are loaded":
            time.sleep(0.7)
        else:
            pattern = f".*{PART_SUFFIX}" + ("/*.onnx" if moment == "files are there" else "")
            wait_for(lambda: list(tmp_path.glob(pattern)), process)
            time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, LINE)
    assert {path.name for path in tmp_path.iterdir()} == {checkpoint.name, old.name}
    assert old.read_bytes() == b"of before"


def test_a_demo_on_a_terminal(tmp_path: Path) -> None:
    """The command and the export that it has started: one of them speaks, and the terminal gets its cursor back."""
    folder = tmp_path / "demo"
    terminal = Terminal(["-m", "dptscope", "demo", "--no-view", "-o", folder])
    wait_for(lambda: hidden(folder))
    exports = children(terminal.process)
    assert len(exports) == 1
    time.sleep(1.0)
    terminal.ctrl_c()
    status, said = terminal.end()
    assert status == 130
    assert "Traceback" not in said and said.count("interrupted") == 1 and said.endswith(LINE)
    assert said.rfind("\x1b[?25h") >= said.rfind("\x1b[?25l")
    assert not runs(exports[0])
    assert not hidden(folder) and not list(folder.glob("*.onnx"))


def test_a_demo_alone(tmp_path: Path) -> None:
    """The signal goes to one process, not to what it has started."""
    folder = tmp_path / "demo"
    with start(["-m", "dptscope", "demo", "--no-view", "-o", folder]) as process:
        exports = wait_for(lambda: children(process.pid), process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, LINE)
    assert not any(map(runs, exports))
    assert not hidden(folder)
