"""What happens in a worker process: a chunk of photos in, rows out. The model is loaded once a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

from dptscope.commands.failures import explain
from dptscope.files.photos import read_image
from dptscope.model import DepthModel, load
from dptscope.opencv import cv2
from dptscope.process.quiet import native_libraries_silenced
from dptscope_survey.columns import Row, rows_of
from dptscope_survey.photos import name_of


@dataclass(frozen=True)
class Task:
    """What is asked of every photo.

    Attributes:
        model: absolute path of the model.
        folder: what relative paths of photos start from.
        size: see :meth:`dptscope.DepthModel.predict`.
        square: as above.
        tables: names of the tables, see :data:`dptscope_survey.columns.TABLES`.
        threads: of a run.
        providers: see :func:`dptscope.load`.
    """

    model: Path
    folder: Path
    size: int | None
    square: bool
    tables: tuple[str, ...]
    threads: int
    providers: tuple[str, ...] | None


@dataclass
class Found:
    """What a chunk gave.

    Attributes:
        rows: by table.
        failed: name of a photo and why nothing is known of it.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)


_loading = Lock()  # a worker of a Dask cluster has threads, which ask for the model at once


@lru_cache(maxsize=1)
def _loaded(path: Path, threads: int, providers: tuple[str, ...] | None) -> DepthModel:
    cv2.setNumThreads(threads)
    return load(path, providers, threads)


def ask(task: Task, photos: Sequence[Path]) -> Found:
    """Ask everything of each photo. One that fails stops nothing.

    Raises:
        DptscopeError: the model cannot be loaded.
    """
    with _loading:
        model = _loaded(task.model, task.threads, task.providers)
    found = Found({table: [] for table in task.tables})
    for photo in photos:
        path, name = task.folder / photo, name_of(photo)
        try:
            with native_libraries_silenced():
                photo_bgr = read_image(path)
            scene = model.prepare(photo_bgr, size=task.size, square=task.square)
            rows = rows_of(task.tables, name, scene)
        except Exception as error:
            reason = explain(error)
            if reason is None:
                raise
            found.failed.append((name, reason.removeprefix(f"{path}: ")))
        else:
            for table, values in rows.items():
                found.rows[table] += values
    return found
