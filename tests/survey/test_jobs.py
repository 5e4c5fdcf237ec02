"""Processes and threads fit the CPUs and the memory, and what starts them is looked for first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dptscope
from dptscope import ModelCard
from dptscope.commands import app as cli
from dptscope_survey.jobs import choose_jobs, process_bytes


@pytest.fixture(scope="module")
def card(model: Path) -> ModelCard:
    return dptscope.load(model).card


@pytest.mark.parametrize(
    ("cpus", "room", "jobs", "threads", "chosen"),
    [
        (8, 100.0, None, None, (8, 1)),
        (8, 100.0, None, 2, (4, 2)),
        (8, 100.0, 3, None, (3, 2)),
        (8, 100.0, 3, 5, (3, 5)),
        (8, 4.1, None, None, (4, 2)),  # memory for four
        (8, 4.1, 6, None, (6, 1)),  # what the user says counts
        (8, 0.5, None, None, (1, 8)),
        (2, 100.0, None, 8, (1, 8)),
        (1, None, None, None, (1, 1)),
    ],
)
def test_the_choice(
    cpus: int, room: float | None, jobs: int | None, threads: int | None, chosen: tuple[int, int], model: Path,
    card: ModelCard,    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    size = (224, 294)
    there = None if room is None else int(room * process_bytes(card, model, size) / 0.8)
    monkeypatch.setattr("dptscope_survey.jobs.available_cpus", lambda: cpus)
    monkeypatch.setattr("dptscope_survey.jobs.available_bytes", lambda: there)
    assert choose_jobs(card, model, size, jobs, threads) == chosen


@pytest.mark.parametrize("options", [[], ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:9"]])
def test_without_what_finds_the_workers_no_folder_is_made(
    options: list[str], photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """What was begun without pyarrow could not be gone on with once the extra is installed."""
    monkeypatch.setattr("dptscope_survey.pool.missing_packages", lambda _: ["loky", "pyarrow", "distributed"])
    assert cli.run(["survey", str(tiny_model), str(photos), "-o", str(tmp_path / "out"), *options]) == 2
    assert "pip install 'dptscope[" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
