"""What docs/survey.md shows is run, and the columns that it lists are those of the files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import matplotlib
import pytest
from support.surveys import write_survey

from dptscope.commands import app as cli
from dptscope_survey.columns import TABLES

PAGE = (Path(__file__).parents[2] / "docs/survey.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    fences = re.split(r"^```(\w*)\n", PAGE, flags=re.MULTILINE)
    return [body for opening, body in zip(fences[1::4], fences[2::4], strict=True) if opening == language]


def test_columns() -> None:
    """Every column is told of in its table, and no other."""
    parts = re.split(r"^\| (?:all|`(\w+)-\*`) \| \|$", PAGE.partition("\nChange:")[0], flags=re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE))))
            for name, text in zip(parts[1::2], parts[2::2], strict=True)}  # fmt: skip
    for name, columns in TABLES.items():
        assert {column.name for column in columns} == told[None] | told[name]


def test_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is one that the survey takes; what they do is tested elsewhere."""
    asked = []
    monkeypatch.setattr("dptscope_survey.photos.all_photos", lambda places: places)
    monkeypatch.setattr("dptscope_survey.run.survey", lambda *values, **options: asked.append(options) or 1 / 0)
    monkeypatch.setattr("dptscope_survey.report.page.write_report", lambda folder: asked.append(folder) or [])
    for block in fenced(""):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "dptscope":
                try:
                    cli.run(words[1:])
                except ZeroDivisionError:
                    continue
    assert len(asked) == 5


def test_reading_back(photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    write_survey(tmp_path / "out", model, sorted(photos.glob("photo*.png")), size=140, file_format="parquet")
    for block in fenced("python"):
        exec(compile(block, "docs/survey.md", "exec"), {})  # our own text
