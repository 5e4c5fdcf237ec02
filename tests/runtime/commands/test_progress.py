"""A line that says how far a command has come, where a person looks on, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

ERASE = "\r\x1b[K"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    paths = [folder / f"{name}.png" for name in "abc"]
    for path, pixels in zip(paths, noise, strict=True):
        cv2.imwrite(str(path), pixels)
    return paths


def run_on_a_terminal(arguments: Sequence[object], stdout_too: bool) -> tuple[int, str, str]:
    """Exit status, standard output and what the terminal got; the output goes there, too, where ``stdout_too``."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dptscope", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=theirs if stdout_too else subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"COLUMNS": "200", "PYTHONIOENCODING": "utf-8"},
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # all that was open at the other end is closed
                break
            if not part:
                break
            said += part
        output = process.stdout.read().decode() if process.stdout else ""
    os.close(ours)
    return process.returncode, output, said.decode()


def on_screen(said: str) -> list[str]:
    """What is left when all that was erased is gone."""
    lines = [line.rpartition(ERASE)[2] for line in said.replace("\r\n", "\n").split("\n")]
    return [line for line in lines if line]


@pytest.mark.parametrize("command", ["depth", "norms"])
@pytest.mark.parametrize("stdout_too", [False, True])
def test_the_line_is_there_and_gone(
    command: str, stdout_too: bool, photos: list[Path], tiny_model: Path, tmp_path: Path
) -> None:
    broken = photos[0].with_name("d.png")
    broken.write_text("no photo")
    arguments = [command, tiny_model, *photos, broken, "-o", tmp_path / "out", "--format", "png"]
    status, output, said = run_on_a_terminal(arguments, stdout_too)
    assert status == 2
    written = [str(tmp_path / "out" / f"{photo.stem}_{command}.png") for photo in photos]
    reason, end = on_screen(said)[-2:]
    assert str(broken) in reason and end == "dptscope: 1 of 4 photos were left out"
    assert (on_screen(said)[:-2], output.split()) == ((written, []) if stdout_too else ([], written))
    for done in range(4):
        assert f"  {done}/4" in said
    assert re.search(r"━+─+  3/4  [\d.]+ photos/s", said)


def test_one_photo_has_none(photos: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    status, output, said = run_on_a_terminal(["depth", tiny_model, photos[0], "-o", tmp_path, "--format", "npy"], False)
    assert (status, output.split(), said) == (0, [str(tmp_path / "a_depth.npy")], "")


def test_without_a_terminal_there_is_none(photos: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dptscope",
        "depth",
        tiny_model,
        *photos,
        "-o",
        tmp_path / "out",
        "--format",
        "npy",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(tmp_path / "out" / f"{photo.stem}_depth.npy") for photo in photos]
