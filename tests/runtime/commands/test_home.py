"""Nothing is written that nobody asked for: onnxruntime's official builds, left alone, make a database of their reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# onnxruntime reads the variable when it is imported; whether it would report is then its own affair (not in CI, for one).
WATCHED = """
import os, runpy, sys

def watch(event, arguments):
    if event == "import" and arguments[0] == "onnxruntime":
        print("ORT_DISABLE_TELEMETRY:", os.environ.get("ORT_DISABLE_TELEMETRY"), file=sys.stderr)

sys.addaudithook(watch)
"""
COMMAND = WATCHED + "runpy.run_module('dptscope', run_name='__main__')"
LIBRARY = WATCHED + "import dptscope; dptscope.load(sys.argv[1])"
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


@pytest.mark.parametrize("how", ["norms", "view", "library"])
def test_the_users_folders_stay_empty(tiny_model: Path, photo_path: Path, tmp_path: Path, how: str) -> None:
    command = {
        "norms": [COMMAND, "norms", tiny_model, photo_path, "-o", tmp_path / "out"],
        "view": [COMMAND, "view", tiny_model, photo_path, "--render", tmp_path / "view.png"],
        "library": [LIBRARY, tiny_model],
    }[how]
    (tmp_path / "home").mkdir()
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", *map(str, command)], env=environment, check=True, capture_output=True, text=True
    )
    assert "ORT_DISABLE_TELEMETRY: 1" in done.stderr and "ORT_DISABLE_TELEMETRY: None" not in done.stderr
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
