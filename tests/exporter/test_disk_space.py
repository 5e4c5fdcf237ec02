"""Whole exports where there is no room, or no right to write: the old files stay, and one line says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.full_disk import is_one_line, run_without_rights, small_disk
from support.seeded import write_tiny

OLD = {"m.onnx": b"old model", "m.fusion.onnx": b"old companion", "m.preview.onnx": b"old preview"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")


def put_old(folder: Path) -> None:
    for name, data in OLD.items():
        (folder / name).write_bytes(data)


def is_as_before(folder: Path) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == OLD


def test_a_disk_that_fills_up(checkpoint: Path, tmp_path: Path) -> None:
    """There is room for the weights, but not for all that comes."""
    with small_disk(tmp_path / "disk", 730_000) as disk:
        put_old(disk.folder)
        done = disk.run(["-m", "dptscope", "export", checkpoint, "-o", disk.folder / "m.onnx"])
        at_fault = "m.onnx" if f"{disk.folder / 'm.onnx'}:" in done.stderr else "m.fusion.onnx"
        assert is_one_line(done, disk.folder / at_fault, disk.reason)
        assert is_as_before(disk.folder)


def test_a_full_disk(checkpoint: Path, tmp_path: Path) -> None:
    """Said at once, not after the work."""
    with small_disk(tmp_path / "disk", 300_000) as disk:
        if disk.limit is not None:
            pytest.skip("needs the right to mount a small disk")
        put_old(disk.folder)
        done = disk.run(["-m", "dptscope", "export", checkpoint, "-o", disk.folder / "m.onnx"])
        assert done.returncode == 2
        assert done.stderr == (
            f"dptscope: {disk.folder / 'm.onnx'}: cannot be written (it needs 0.6 MiB, and 0.3 MiB of the disk are free)\n"
        )
        assert is_as_before(disk.folder)


def test_no_right_to_write(checkpoint: Path, tmp_path: Path) -> None:
    """Said at once, not after the work."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    put_old(folder)
    done = run_without_rights(["-m", "dptscope", "export", checkpoint, "-o", folder / "m.onnx"], folder)
    assert is_one_line(done, folder / "m.onnx", "Permission denied")
    assert is_as_before(folder)
