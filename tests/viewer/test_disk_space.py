"""What the viewer saves where there is no room, or no right to write."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.full_disk import is_one_line, run_without_rights, small_disk

from dptscope import DptscopeError
from dptscope.files.atomic import write_new

SAVES = """
import sys
from pathlib import Path
from dptscope import DptscopeError
from dptscope.files.atomic import write_new
try:
    write_new(Path(sys.argv[1]), "cup_norms", {".json": b"{}", ".png": bytes(int(sys.argv[2]))})
except DptscopeError as error:
    sys.exit(str(error))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """All files of one press of the key, or none; what was saved before stays."""
    with small_disk(tmp_path / "disk", 40_000) as disk:
        assert disk.run(["-c", SAVES, disk.folder, 1000]).returncode == 0
        done = disk.run(["-c", SAVES, disk.folder, 100_000])
        assert done.stderr == f"{disk.folder}: cannot be written to ({disk.reason})\n"
        assert sorted(path.name for path in disk.folder.iterdir()) == ["cup_norms_001.json", "cup_norms_001.png"]
        assert disk.run(["-c", SAVES, disk.folder, 1000]).returncode == 0


def test_a_rendered_view_on_a_full_disk(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40_000) as disk:
        old = disk.folder / "view.png"
        old.write_bytes(b"of before")
        done = disk.run(["-m", "dptscope", "view", tiny_model, photo_path, "--render", old])
        assert is_one_line(done, old, disk.reason)
        assert [path.read_bytes() for path in disk.folder.iterdir()] == [b"of before"]


def test_no_right_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    done = run_without_rights(["-c", SAVES, folder, 1000], folder)
    assert done.stderr == f"{folder}: cannot be written to (Permission denied)\n"
    assert not list(folder.iterdir())


def test_a_disk_without_hard_links_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the files are copied to their names, and a half-copied one must not stay."""
    read = Path.read_bytes

    def no_links(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def no_room(path: Path) -> bytes:
        if ".png." in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return read(path)

    monkeypatch.setattr(os, "link", no_links)
    assert len(write_new(tmp_path, "cup", {".json": b"{}", ".png": b"picture"})) == 2
    monkeypatch.setattr(Path, "read_bytes", no_room)
    with pytest.raises(DptscopeError, match="No space left on device"):
        write_new(tmp_path, "cup", {".json": b"{}", ".png": b"picture"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cup_001.json", "cup_001.png"]
