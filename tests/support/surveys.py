"""Surveys that need no process of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dptscope
from dptscope_survey.folder import WHOLE, Survey, opened
from dptscope_survey.run import describe
from dptscope_survey.worker import Task, ask


def write_survey(output: Path, model: Path, photos: Sequence[Path], size: int, file_format: str = "jsonl") -> None:
    """All tables."""
    options = {"size": size, "square": False, "fusion": True, "depth": True, "providers": None, "format": file_format}
    asked = Survey(
        {"model_id": dptscope.load(model).card.model_id},
        options,
        photos,
        model,
        Path.cwd(),
        describe(dptscope.load(model)),
    )
    task = Task(model, Path.cwd(), size, False, asked.tables, 1, None)
    with opened(output, asked, WHOLE) as folder:
        for number, chunk in enumerate(asked.chunks):
            folder.write(number, ask(task, chunk))
