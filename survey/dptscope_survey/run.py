"""A survey from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dptscope import __version__
from dptscope.commands.progress import counted_photos
from dptscope.contract import companion_path
from dptscope.errors import DptscopeError
from dptscope.files.onnx_file import weights_digest
from dptscope.model import DepthModel, load
from dptscope.norms import RULE
from dptscope.ort import ONNXRUNTIME_VERSION
from dptscope.prepare import input_size
from dptscope_survey.engine import Engine, chunks_to_do
from dptscope_survey.folder import WHOLE, Part, Survey, SurveyFolder, opened
from dptscope_survey.jobs import choose_jobs
from dptscope_survey.pool import dask_pool, local_pool
from dptscope_survey.worker import Task


def survey(
    model_path: Path,
    photos: Sequence[Path],
    output: Path,
    *,
    size: int | None = None,
    square: bool = False,
    fusion: bool = False,
    depth: bool = False,
    providers: Sequence[str] | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    part: Part = WHOLE,
    again: bool = False,
    scheduler: str | None = None,
    file_format: str = "parquet",
) -> SurveyFolder:
    """Ask the same of all photos, or go on with what was begun.

    Args:
        model_path: an exported model.
        photos: in order; see :func:`dptscope_survey.photos.all_photos`.
        output: folder of the survey.
        size: see :meth:`dptscope.DepthModel.predict`.
        square: as above.
        fusion: also ask what each fusion block does for the depth.
        depth: also statistics of the depth.
        providers: see :func:`dptscope.load`.
        jobs: processes; chosen if None.
        threads: of each; chosen if None.
        part: what this call works on.
        again: ask once more about photos that failed.
        scheduler: address of a Dask cluster's; processes of this machine if None.
        file_format: ``parquet`` or ``jsonl``.

    Raises:
        DptscopeError: a model, size or folder that cannot be used; what fails of single photos is noted.
    """
    model = load(model_path, providers, 1)
    landscape = input_size(model.card, (3, 4), size, square)  # raises where the model does not take the size
    if fusion and not model.has_companion:
        raise DptscopeError(
            f"{companion_path(model_path)}: expected this file for --fusion, which is not there; export the model again"
        )
    about = describe(model) | {"size": size, "square": square}
    options = {
        "size": size,
        "square": square,
        "fusion": fusion,
        "depth": depth,
        "providers": list(providers) if providers else None,
        "format": file_format,
    }
    jobs, threads = (1, threads or 1) if scheduler else choose_jobs(model.card, model_path, landscape, jobs, threads)
    del model  # the workers have their own
    identity = {name: about[name] for name in ("model_id", "weights_sha256")}
    asked = Survey(identity, options, photos, model_path.absolute(), Path.cwd(), about)
    task = Task(
        asked.model_path,
        asked.folder,
        size,
        square,
        asked.tables,
        threads,
        None if providers is None else tuple(providers),
    )
    with opened(output, asked, part) as folder:
        chunks = asked.chunks
        mine = len(asked.photos_of(part))
        to_do = chunks_to_do(folder, part, again)
        left = sum(len(chunks[number]) for number in to_do)
        if to_do:
            pool = dask_pool(scheduler) if scheduler else local_pool(min(jobs, len(to_do)), threads)
            with pool as workers, counted_photos(mine, mine - left) as count:
                Engine(folder, task, workers, count).run(to_do)
        return folder


def describe(model: DepthModel) -> dict[str, Any]:
    """What stands in the metadata of every file."""
    card = model.card
    return {
        "model": model.path.name,
        "model_id": card.model_id,
        "weights_sha256": weights_digest(model.path),
        "variant": card.variant,
        "architecture": card.architecture,
        "native_size": card.native_size,
        "blocks": [{"channels": block.channels, "stride": block.stride, "stage": block.stage} for block in card.blocks],
        "taps": card.taps,
        "depth_kind": card.depth_kind,
        "rule": RULE,
        "dptscope": __version__,
        "onnxruntime": ONNXRUNTIME_VERSION,
    }
