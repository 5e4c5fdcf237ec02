"""A machine on which OpenCV cannot be loaded, as a server without libGL: what draws nothing works, the rest says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dptscope

REASON = "libxcb.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which OpenCV is found and does not load."""
    package = tmp_path / "broken" / "cv2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise ImportError({REASON!r})\n")
    paths = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def python(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_the_control_fails(environment: dict[str, str], tmp_path: Path) -> None:
    assert REASON in python(environment, tmp_path, "-c", "import cv2").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["export", "--help"],
        ["view", "--help"],
        ["demo", "--help"],
        ["open", "--help"],
        ["models"],
        ["info", "MODEL"],
        ["bench", "MODEL", "--rounds", "1"],
    ],
    ids=" ".join,
)
def test_what_draws_nothing_works(
    arguments: list[str], environment: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    named = [str(tiny_model) if argument == "MODEL" else argument for argument in arguments]
    done = python(environment, tmp_path, "-m", "dptscope", *named)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


@pytest.mark.parametrize("command", ["depth", "norms", "view", "demo"])
def test_what_draws_says_what_is_missing(
    command: str, environment: dict[str, str], tiny_model: Path, photo_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = {
        "depth": [tiny_model, photo_path, "-o", out],
        "norms": [tiny_model, photo_path, "-o", out],
        "view": [tiny_model, photo_path, "--render", out / "view.png"],
        "demo": ["-o", out],
    }[command]
    done = python(environment, tmp_path, "-m", "dptscope", command, *map(str, arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    for part in ("OpenCV", "libxcb.so.1", "libgl1 libglib2.0-0", "opencv-python-headless"):
        assert part in done.stderr
    assert not out.exists()


def test_from_python(environment: dict[str, str], tiny_model: Path, tmp_path: Path) -> None:
    script = f"""
import numpy as np, dptscope
model = dptscope.load({str(tiny_model)!r})
height, width = model.card.native_size
np.save("depth.npy", model.run(np.ones((1, 3, height, width), np.float32), ["depth"])["depth"])
for ask in (model.predict, model.prepare, model.block_norms):
    try:
        ask(np.zeros((height, width, 3), np.uint8))
    except dptscope.DptscopeError as error:
        print(error)
"""
    done = python(environment, tmp_path, "-c", script)
    assert done.returncode == 0 and done.stdout.count(REASON) == 3, done.stderr
    model = dptscope.load(tiny_model)
    expected = model.run(np.ones((1, 3, *model.card.native_size), np.float32), ["depth"])["depth"]
    np.testing.assert_array_equal(np.load(tmp_path / "depth.npy"), expected)


def test_onnxruntime_that_does_not_load(environment: dict[str, str], tiny_model: Path, tmp_path: Path) -> None:
    package = tmp_path / "broken" / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text(
        "raise ImportError('DLL load failed while importing onnxruntime_pybind11_state')\n"
    )
    done = python(environment, tmp_path, "-m", "dptscope", "info", str(tiny_model))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "onnxruntime" in done.stderr and "DLL load failed" in done.stderr
    assert python(environment, tmp_path, "-m", "dptscope", "--help").returncode == 0
