"""``norms``, ``depth`` and ``demo`` where there is no room or no right to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.full_disk import is_one_line, run_without_rights, small_disk

LITTLE = 40_000  # bytes: less than any picture of this photo


@pytest.mark.parametrize("command", ["norms", "depth"])
def test_a_full_disk(tiny_model: Path, photo_path: Path, tmp_path: Path, command: str) -> None:
    """What was there before stays, and no part of what did not fit."""
    with small_disk(tmp_path / "disk", LITTLE) as disk:
        old = disk.folder / f"{photo_path.stem}_{command}.png"
        old.write_bytes(b"of before")
        done = disk.run(["-m", "dptscope", command, tiny_model, photo_path, "-o", disk.folder])
        assert is_one_line(done, old, disk.reason)
        assert [path.name for path in disk.folder.iterdir()] == [old.name]
        assert old.read_bytes() == b"of before"


def test_a_disk_that_fills_up_later(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    """What is there of a photo is whole."""
    with small_disk(tmp_path / "disk", LITTLE) as disk:
        command = ["-m", "dptscope", "norms", tiny_model, photo_path, "-o", disk.folder, "--format", "json,npy,png"]
        done = disk.run(command)
        assert is_one_line(done, disk.folder / f"{photo_path.stem}_norms.png", disk.reason)
        assert not list(disk.folder.iterdir())
        done = disk.run([*command[:-1], "json,npy"])
        assert (done.returncode, done.stderr) == (0, "")
        names = sorted(path.name for path in disk.folder.iterdir())
        assert names == [f"{photo_path.stem}_norms.json", f"{photo_path.stem}_norms.npy"]


def test_the_demo_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", LITTLE) as disk:
        done = disk.run(["-m", "dptscope", "demo", "--shipped", "--no-view", "-o", disk.folder / "demo"])
        assert is_one_line(done, disk.folder / "demo" / "dptscope_tiny.fusion.onnx", disk.reason)
        assert not [path for path in disk.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["norms", "depth"])
def test_no_right_to_write(tiny_model: Path, photo_path: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    old = folder / f"{photo_path.stem}_{command}.png"
    old.write_bytes(b"of before")
    done = run_without_rights(["-m", "dptscope", command, tiny_model, photo_path, "-o", folder], folder)
    assert is_one_line(done, old, "Permission denied")
    assert [path.name for path in folder.iterdir()] == [old.name]
    done = run_without_rights(["-m", "dptscope", command, tiny_model, photo_path, "-o", folder / "new"], folder)
    assert done.returncode == 2
    assert done.stderr == f"dptscope: {folder / 'new'}: expected a folder to write to (Permission denied)\n"
