"""``dptscope bench``: what it measures and what it prints. How long things take is nobody's promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import dptscope
from dptscope.commands import app as cli
from dptscope.commands.timing import measure


def test_everything_is_measured(tiny_model: Path) -> None:
    bench = measure(tiny_model, rounds=2, threads=1)
    card = dptscope.load(tiny_model).card
    assert bench.input_size == card.native_size and bench.threads == 1 and bench.rounds == 2
    assert bench.move_ms is not None and bench.preview_ms is not None
    assert 0 < bench.preview_ms < bench.norms_ms
    assert min(bench.load_ms, bench.depth_ms, bench.move_ms) > 0
    assert bench.gigaflops == (None if card.flops is None else card.flops / 1e9)


def test_another_size_has_no_known_arithmetic(tiny_model: Path) -> None:
    bench = measure(tiny_model, size=140, rounds=1)
    assert bench.input_size == (140, 140) and bench.gigaflops is None


def test_without_its_companions(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model, tmp_path / "alone.onnx")
    bench = measure(tmp_path / "alone.onnx", rounds=1)
    assert (bench.move_ms, bench.preview_ms) == (None, None)


def test_command(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(tiny_model), "--rounds", "1"]) == 0
    table = capsys.readouterr().out
    for row in ("load", "photo to depth", "photo to depth and norms", "a slider's move", "its preview"):
        assert row in table
    assert cli.run(["bench", str(tiny_model), "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == tiny_model.name


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--size", "13"], ["--provider", "NoSuchProvider"]])
def test_wrong_wishes(tiny_model: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(tiny_model), *wrong]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
