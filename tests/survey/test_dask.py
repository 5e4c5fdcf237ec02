"""A Dask cluster gives the same rows as a process of this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pandas
import pytest
from distributed import LocalCluster
from support import killing
from support.interrupting import start, wait_for
from support.surveys import write_survey

from dptscope.commands import app as cli
from dptscope.errors import DptscopeError
from dptscope_survey.columns import TABLES
from dptscope_survey.pool import dask_pool


@contextmanager
def cluster_of(workers: int, folder: Path) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, local_directory=str(folder / "dask")
    ) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def same_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the workers."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


def test_a_cluster_of_two(photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers in processes of their own, which start in another folder; photos and model are named from this one."""
    monkeypatch.chdir(photos.parent)
    asked = sorted(Path(photos.name).glob("*.png"))
    write_survey(tmp_path / "here", model, asked, size=140)
    with cluster_of(2, tmp_path) as cluster:
        command = ["survey", os.path.relpath(model), *map(str, asked), "-o", str(tmp_path / "there"), "--size", "140"]
        command += ["--fusion", "--depth", "--format", "jsonl", "--backend", "dask"]
        assert cli.run([*command, "--scheduler", cluster.scheduler_address]) == 2  # one photo is broken
    for table in TABLES:
        here, there = (
            "".join(file.read_text() for file in sorted((tmp_path / name).glob(f"{table}-*")))
            for name in ("here", "there")
        )
        assert here == there and here.count("\n") >= 6
    names = ("here", "there")
    assert len({(tmp_path / name / "failed.jsonl").read_text() for name in names}) == 1


def some_photos(photos: Path, folder: Path, killers: set[int]) -> list[Path]:
    folder.mkdir()
    for number in range(6):
        name = f"{number}.png" if number not in killers else f"kills_{number}.png"
        (folder / name).symlink_to(photos / f"photo_{number}.png")
    return sorted(folder.iterdir())


def test_photos_that_kill_each_worker(
    photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are listed, the rest is done. ``LocalCluster`` gives a worker up that is away 15 seconds after a death, so that a
    second death in these seconds may end it for good: not here."""
    monkeypatch.setattr("dptscope_survey.engine.ask", killing.ask)
    asked, output = some_photos(photos, tmp_path / "photos", {1, 4}), tmp_path / "out"
    patient = {"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1h"}
    with dask.config.set(patient), cluster_of(2, tmp_path) as cluster:
        command = ["survey", str(tiny_model), *map(str, asked), "-o", str(output), "--size", "28", "--backend", "dask"]
        assert cli.run([*command, "--scheduler", cluster.scheduler_address]) == 2
    failed = [json.loads(line) for line in (output / "failed.jsonl").read_text().splitlines()]
    assert {line["photo"] for line in failed} == {str(photo) for photo in asked if photo.name.startswith("kills")}
    found = pandas.read_parquet(sorted(output.glob("part-*.parquet")))
    assert sorted(found.photo.unique()) == [str(photo) for photo in asked if not photo.name.startswith("kills")]


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Of a cluster by hand: nobody starts it again."""
    with subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def one_worker(address: str, folder: Path) -> Iterator[None]:
    options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "dask")]
    with process("distributed.cli.dask_worker", address, *options):
        yield


def test_workers_that_nobody_starts_again(
    photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends with a line, and what was measured stays."""
    monkeypatch.setattr("dptscope_survey.engine.ask", killing.ask)
    monkeypatch.setattr("dptscope_survey.pool._ALL_GONE", 1)
    asked, output = some_photos(photos, tmp_path / "photos", {5}), tmp_path / "out"
    with cluster_of(0, tmp_path) as cluster, one_worker(cluster.scheduler_address, tmp_path):
        command = ["survey", str(tiny_model), *map(str, asked), "-o", str(output), "--size", "28", "--backend", "dask"]
        assert cli.run([*command, "--scheduler", cluster.scheduler_address]) == 2
    assert "expected workers, got a cluster that has had none for 1 seconds" in capsys.readouterr().err
    assert len(list(output.glob("part-*"))) in (4, 5)  # what a worker has not handed over is lost with it
    assert not (output / "failed.jsonl").exists()


def test_a_scheduler_that_dies(photos: Path, tiny_model: Path, tmp_path: Path) -> None:
    output, port = tmp_path / "out", free_port()
    address = f"tcp://127.0.0.1:{port}"
    many = tmp_path / "many"
    many.mkdir()
    for number in range(320):
        (many / f"{number}.png").symlink_to(photos / "photo_0.png")
    started = ["--port", str(port), "--host", "127.0.0.1", "--no-dashboard"]
    with process("distributed.cli.dask_scheduler", *started) as scheduler, one_worker(address, tmp_path):
        command = ["-m", "dptscope", "survey", tiny_model, many, "-o", output, "--size", "28", "--backend", "dask"]
        run = start([*command, "--scheduler", address])
        wait_for(lambda: len(list(output.glob("part-*"))) > 1, run)
        scheduler.kill()
        said = run.communicate()[1]
    assert run.returncode == 2
    assert said.startswith(f"dptscope: {address}: expected a scheduler, got none any more") and said.count("\n") == 1


def test_a_task_that_the_cluster_gives_up(tmp_path: Path) -> None:
    """It is told, and Dask is not asked for what came of it: where its client is closing, nobody would fetch the answer."""
    with cluster_of(1, tmp_path) as cluster, dask_pool(cluster.scheduler_address) as pool:
        asked = []
        answer = pool.submit(time.sleep, 60)
        (task,) = pool._tasks
        task.result = lambda: asked.append(task)
        task.cancel()
        with pytest.raises(DptscopeError, match="the cluster gave up a task; was it closed"):
            answer.result(timeout=30)
    assert not asked


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_nobody_answers(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dptscope_survey.pool._PATIENCE", 0.5)
    command = ["survey", str(model), str(photos), "-o", str(tmp_path / "out"), "--backend", "dask"]
    assert cli.run([*command, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "expected the scheduler of a Dask cluster" in capsys.readouterr().err
