"""Pictures and arrays appear whole or not at all, and killed processes leave nothing for long."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dptscope import DptscopeError
from dptscope.files.atomic import PART_SUFFIX, locked_folder, remove_stale_files, temporary_folder, write_file
from dptscope.files.encode import encode_npy
from dptscope.process import signals

DIES = """
import os, signal, sys
from pathlib import Path
from dptscope.files.atomic import temporary_file, temporary_folder
file = temporary_file(Path(sys.argv[1]) / "picture.png")
file.__enter__()
folder = temporary_folder(Path(sys.argv[1]) / "m.onnx")
folder.__enter__().joinpath("m.onnx").write_bytes(b"half")
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in ("photo.png", ".hidden", ".photo.png.abcd"):
        (tmp_path / name).write_bytes(b"mine")
    mine = {path.name for path in tmp_path.iterdir()}
    with subprocess.Popen(
        [sys.executable, "-c", DIES, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        remove_stale_files(tmp_path)  # they are in use
        assert len(list(tmp_path.glob(f".*{PART_SUFFIX}"))) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
    remove_stale_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == mine


def test_a_new_file_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    """Who clears waits for who has made a file and not locked it yet."""
    with locked_folder(tmp_path):
        clearing = threading.Thread(target=remove_stale_files, args=(tmp_path,))
        clearing.start()
        part = tmp_path / f".a.png.0{PART_SUFFIX}"
        handle = part.open("xb")
        clearing.join(0.3)
        fcntl.flock(handle, fcntl.LOCK_EX)
    clearing.join()
    assert part.exists()
    handle.close()
    remove_stale_files(tmp_path)
    assert not part.exists()


def test_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"x")
    (tmp_path / f".x.abc{PART_SUFFIX}").symlink_to(tmp_path / "mine")
    remove_stale_files(tmp_path)
    assert (tmp_path / "mine" / "file").exists()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "depth.npy"
    write_file(path, encode_npy(np.zeros(3)))
    old = path.read_bytes()

    def full(_path: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DptscopeError, match=r"depth\.npy: cannot be written \(No space left on device\)"):
        write_file(path, b"new")
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["depth.npy"]


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "深" * 83 + ".png"])
def test_names_as_long_as_they_can_be(tmp_path: Path, name: str) -> None:
    write_file(tmp_path / name, b"all")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_goes_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporary_folder(tmp_path / "m.onnx") as folder:
        (folder / "m.onnx").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_two_clear_away_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a signal the block and the thread that ends the process may remove the same folder, one step each in turn."""
    real_unlink = os.unlink

    def unlink_twice(*arguments: object, **options: object) -> None:
        real_unlink(*arguments, **options)  # the other one was there first
        real_unlink(*arguments, **options)

    with temporary_folder(tmp_path / "m.onnx") as folder:
        (folder / "m.onnx").write_bytes(b"half")
        action, _ = signals._actions.values()  # of the folder, and of its lock
        monkeypatch.setattr(os, "unlink", unlink_twice)
        action()
        assert not folder.exists()
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_files_are_still_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a signal the main thread goes on until the process ends."""
    real_rmdir = os.rmdir
    made: list[str] = []

    def rmdir_after_another(*arguments: Any, **options: Any) -> None:
        if len(made) < 3:
            made.append(str(folder / f"{len(made)}.onnx"))
            Path(made[-1]).write_bytes(b"more")
        real_rmdir(*arguments, **options)

    with temporary_folder(tmp_path / "m.onnx") as folder:
        action, _ = signals._actions.values()  # of the folder, and of its lock
        monkeypatch.setattr(os, "rmdir", rmdir_after_another)
        action()
        assert not folder.exists() and len(made) == 3
