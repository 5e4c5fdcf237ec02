"""Nothing is written that nobody asked for; onnxruntime's official builds, left alone, make a database of their reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = "import sys, dptscope; dptscope.load(sys.argv[1])"


@pytest.mark.parametrize("how", ["norms", "view", "library", "onnxruntime alone"])
def test_the_users_folders_stay_empty(tiny_model: Path, photo_path: Path, tmp_path: Path, how: str) -> None:
    command = {
        "norms": ["-m", "dptscope", "norms", tiny_model, photo_path, "-o", tmp_path / "out"],
        "view": ["-m", "dptscope", "view", tiny_model, photo_path, "--render", tmp_path / "view.png"],
        "library": ["-c", LIBRARY, tiny_model],
        "onnxruntime alone": ["-c", "import onnxruntime"],
    }[how]
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home")}
    subprocess.run([sys.executable, *map(str, command)], env=environment, check=True, capture_output=True)
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    if how == "onnxruntime alone":
        import onnxruntime

        reports = tuple(map(int, onnxruntime.__version__.split(".")[:2])) >= (1, 29)
        assert bool(written) == (reports and sys.platform == "linux")  # what the others are held against
    else:
        assert not written
