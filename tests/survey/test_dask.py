"""A Dask cluster gives the same rows as a process of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from distributed import LocalCluster
from support.surveys import write_survey

from dptscope.commands import app as cli
from dptscope_survey.columns import TABLES


def test_a_cluster_of_two(photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers in processes of their own, which start in another folder; photos and model are named from this one."""
    monkeypatch.chdir(photos.parent)
    asked = sorted(Path(photos.name).glob("*.png"))
    write_survey(tmp_path / "here", model, asked, size=140)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "dask")
    ) as cluster:
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


def test_nobody_answers(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dptscope_survey.pool._PATIENCE", 0.5)
    command = ["survey", str(model), str(photos), "-o", str(tmp_path / "out"), "--backend", "dask"]
    assert cli.run([*command, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "expected the scheduler of a Dask cluster" in capsys.readouterr().err
