"""Locks on a network file system.

There is none here: ``flock`` is patched to answer as Linux does for NFS. It refuses an exclusive lock on a file that is not
open for writing (flock(2), "NFS details"), and a lock on a folder holds back nobody on another machine (fs/nfs/dir.c has no
``flock``).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from dptscope import DptscopeError
from dptscope.files.atomic import PART_SUFFIX, locked_folder, remove_stale_files, temporary_folder, write_file
from dptscope.files.claim import CLAIM_SUFFIX
from dptscope_survey.folder import Part, Survey, opened
from dptscope_survey.worker import Found

HIDDEN = ".*"


@pytest.fixture
def nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            return
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        local(handle, how)

    local = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def survey(photos: int = 3) -> Survey:
    options = {"format": "jsonl", "fusion": False, "depth": False}
    return Survey({}, options, [Path(f"{n}.png") for n in range(photos)], Path("m.onnx"), Path.cwd(), {})


@pytest.mark.usefixtures("nfs")
def test_a_survey_on_nfs(tmp_path: Path) -> None:
    """Two parts at once, failures of both; one that runs is refused, and what a killed one held is not."""
    out = tmp_path / "out"
    with opened(out, survey(), Part(1, 2)) as one, opened(out, survey(), Part(2, 2)) as two:
        one.write(0, Found(failed=[("0.png", "broken")]))
        two.write(1, Found(failed=[("1.png", "broken")]))
        with pytest.raises(DptscopeError, match="got part 2/2, which is"), opened(out, survey(), Part(2, 4)):
            pass
        (out / f".part-1-of-4{CLAIM_SUFFIX}").touch()
        assert [json.loads(line)["photo"] for line in (out / "failed.jsonl").open()] == ["0.png", "1.png"]
    with opened(out, survey(), Part(1, 4)):
        pass
    assert not list(out.glob(HIDDEN))


@pytest.mark.usefixtures("nfs")
def test_what_is_stale_on_nfs(tmp_path: Path) -> None:
    """Only what nobody holds is removed."""
    (tmp_path / f".a.png.0{PART_SUFFIX}").touch()
    (tmp_path / f".killed.0{PART_SUFFIX}").mkdir()
    with temporary_folder(tmp_path / "m.onnx") as folder:
        (folder / "m.onnx").touch()
        remove_stale_files(tmp_path)
        assert list(tmp_path.iterdir()) == [folder] and (folder / "m.onnx").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("nfs")
def test_one_at_a_time_on_nfs(tmp_path: Path) -> None:
    """Also where each removes the lock's file while others wait for it."""
    count = tmp_path / "count"
    count.write_text("0")

    def add() -> None:
        for _ in range(40):
            with locked_folder(tmp_path):
                before = int(count.read_text())
                time.sleep(0)
                count.write_text(str(before + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count.read_text() == "160"
    assert list(tmp_path.iterdir()) == [count]


@pytest.mark.usefixtures("no_locks")
def test_a_file_system_without_locks(tmp_path: Path) -> None:
    """Files are written; what may be another's stays; a survey, in whose folder several write, is refused."""
    stale = tmp_path / f".a.png.0{PART_SUFFIX}"
    stale.touch()
    write_file(tmp_path / "depth.npy", b"all")
    remove_stale_files(tmp_path)
    assert sorted(tmp_path.iterdir()) == [stale, tmp_path / "depth.npy"]
    out = tmp_path / "out"
    expected = r"out: expected a file system with locks \(flock\)"
    with pytest.raises(DptscopeError, match=expected), opened(out, survey(), Part()):
        pass
    assert not list(out.iterdir())


def test_what_goes_wrong_in_a_run_is_not_taken_for_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), opened(tmp_path / "out", survey(), Part()):
        raise ConnectionResetError
