"""Workers that die, a disk that is full, Ctrl-C: what was measured stays, and nothing else is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from threading import Timer
from typing import Any

import pandas
import pytest
from support import killing
from support.full_disk import small_disk
from support.interrupting import LINE, Terminal, children, hidden, runs, start, wait_for

from dptscope import DptscopeError
from dptscope.commands import app as cli
from dptscope.commands.progress import PhotoCount
from dptscope_survey.engine import Engine
from dptscope_survey.folder import Part, Survey, opened
from dptscope_survey.worker import Found, Task


def rows(folder: Path) -> pandas.DataFrame:
    found: pandas.DataFrame = pandas.read_parquet(sorted(folder.glob("part-*.parquet")))
    return found


def test_a_photo_that_kills_is_found_out(
    photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed, and the photos beside it in its chunk and in flight are not blamed; one that kills once is there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    good = sorted(photos.glob("photo*.png"))
    for number in range(66):  # 33 chunks of 2
        kind = {7: "kills", 40: "once"}.get(number, "photo")
        (folder / f"{kind}_{number:03d}.png").symlink_to(good[number % len(good)])
    monkeypatch.setattr("dptscope_survey.engine.ask", killing.ask)
    output = tmp_path / "out"
    assert cli.run(["survey", str(tiny_model), str(folder), "-o", str(output), "--jobs", "1", "--size", "28"]) == 2
    (line,) = (output / "failed.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "photo": str(folder / "kills_007.png"),
        "reason": "the process that works on it dies",
    }
    found = rows(output)
    expected = [str(photo) for photo in sorted(folder.glob("*.png")) if not photo.name.startswith("kills")]
    assert list(found.photo[found.block == 0]) == expected
    # None was taken for another: photo n is a link to good photo n % 6.
    number = found.photo.str.extract(r"_(\d+)\.png")[0].astype(int) % len(good)
    assert found.groupby([number, "block"])["max"].nunique().max() == 1
    assert found[found.block == 0].groupby(number)["max"].first().nunique() > 3


class Batches:
    """A pool whose workers have several tasks at once, all of which are lost where a photo of one is called ``kills…``."""

    workers = 2
    deaths = (BrokenExecutor,)

    def __init__(self, dies_whole: bool) -> None:
        self.dies_whole = dies_whole
        self._batch: list[tuple[Future[Found], Sequence[Path]]] = []

    def submit(self, _: Any, task: Task, photos: Sequence[Path]) -> Future[Found]:
        if not self._batch:
            Timer(0.02, self._work).start()
        self._batch.append((Future(), photos))
        return self._batch[-1][0]

    def _work(self) -> None:
        batch, self._batch = self._batch, []
        dies = any(photo.name.startswith("kills") for _, photos in batch for photo in photos)
        for future, _ in batch:
            future.set_exception(BrokenExecutor()) if dies else future.set_result(Found())

    def renew(self) -> None: ...

    def check(self) -> None: ...


def ask_in_batches(output: Path, photos: Sequence[Path], dies_whole: bool) -> dict[str, str]:
    asked = Survey({}, {"format": "jsonl", "fusion": False, "depth": False}, photos, output, output, {})
    task = Task(output, output, None, False, ("part",), 1, None)
    with opened(output, asked, Part()) as folder:
        Engine(folder, task, Batches(dies_whole), PhotoCount(len(photos), None)).run(range(len(asked.chunks)))
        return folder.failed()


@pytest.mark.parametrize("dies_whole", [True, False])
def test_nobody_is_blamed_for_another(tmp_path: Path, dies_whole: bool) -> None:
    """Also where the photos that kill are many and at the end."""
    photos = [Path(f"{'kills' if number in (7, 60, 61, 62, 64) else 'photo'}_{number}.png") for number in range(66)]
    failed = ask_in_batches(tmp_path, photos, dies_whole)
    assert set(failed) == {photo.name for photo in photos if photo.name.startswith("kills")}


@pytest.mark.parametrize("dies_whole", [True, False])
def test_nothing_survives(tmp_path: Path, dies_whole: bool) -> None:
    """A run ends where no photo ever gives anything."""
    with pytest.raises(DptscopeError, match="expected workers that live"):
        ask_in_batches(tmp_path, [Path(f"kills_{number}.png") for number in range(5)], dies_whole)
    assert not list(tmp_path.glob("part-*"))


@pytest.fixture
def many(photos: Path, tmp_path: Path) -> Path:
    """So many photos that their survey can be interrupted."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(320):
        (folder / f"{number:04d}.png").symlink_to(photos / "photo_0.png")
    return folder


def workers_of(process: int) -> list[int]:
    """Children that work, and not the one that keeps account of their semaphores."""
    found = []
    for child in children(process):
        command = Path(f"/proc/{child}/cmdline").read_bytes() if runs(child) else b""
        if b"popen_loky" in command:
            found.append(child)
    return found


def test_a_worker_is_killed_in_mid_run(many: Path, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = start(["-m", "dptscope", "survey", tiny_model, many, "-o", output, "--jobs", "2", "--size", "28"])
    wait_for(lambda: len(list(output.glob("part-*"))) > 2, process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    said = process.communicate()
    assert (process.returncode, said[1]) == (0, "")
    assert sorted(rows(output).photo.unique()) == sorted(map(str, many.iterdir()))
    assert not (output / "failed.jsonl").exists() and not hidden(output)


def test_ctrl_c_and_the_second_start(many: Path, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ["-m", "dptscope", "survey", tiny_model, many, "-o", output, "--jobs", "2", "--size", "28"]
    terminal = Terminal(command)
    wait_for(lambda: len(list(output.glob("part-*"))) > 2)
    workers = workers_of(terminal.process)
    assert len(workers) == 2
    terminal.ctrl_c()
    status, said = terminal.end()
    assert status == 130 and said.endswith(LINE)
    assert "Traceback" not in said and "resource_tracker" not in said
    wait_for(lambda: not any(runs(worker) for worker in workers))
    assert not hidden(output)
    before = {part: part.stat().st_mtime_ns for part in output.glob("part-*")}
    assert 2 < len(before) < 64
    process = start(command)
    assert process.communicate() == (f"{output}: 320 photos\n", "")
    assert before.items() <= {part: part.stat().st_mtime_ns for part in output.glob("part-*")}.items()
    assert len(rows(output)) == 320 * 4


def test_a_full_disk(many: Path, tiny_model: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 18) as disk:
        done = disk.run(
            ["-m", "dptscope", "survey", tiny_model, many, "-o", disk.folder / "out", "--jobs", "1", "--size", "28"]
        )
        assert done.returncode == 2
        assert done.stderr.endswith(f": cannot be written ({disk.reason})\n") and done.stderr.count("\n") == 1
        assert not hidden(disk.folder)
        for part in (disk.folder / "out").glob("part-*"):
            assert len(pandas.read_parquet(part))
