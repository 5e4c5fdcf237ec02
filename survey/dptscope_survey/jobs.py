"""How many processes work on a survey, with how many threads each.

A process a CPU with one thread was the fastest of those tried: threads wait for each other within a photo, processes do not
(``python -m benchmarks.survey jobs``). There are fewer where their memory would not suffice.
"""

from __future__ import annotations

from pathlib import Path

from dptscope.card import ModelCard
from dptscope.process.limits import available_bytes, available_cpus, least_bytes

_PYTHON = 150 << 20  # bytes of a process with its libraries
_WEIGHTS = 2.0  # times the model's files: onnxruntime packs them a second time
_RUN = 3.0  # times what a run cannot do without
_SHARE = 0.8  # of the memory that there is


def choose_jobs(
    card: ModelCard, model: Path, input_hw: tuple[int, int], jobs: int | None, threads: int | None
) -> tuple[int, int]:
    """Processes, and threads of each.

    Args:
        card: of the model.
        model: its file.
        input_hw: height and width of the input of an ordinary photo.
        jobs: how many processes the user wants; chosen if None.
        threads: how many threads the user wants; chosen if None.
    """
    cpus, there = available_cpus(), available_bytes()
    if jobs is None:
        jobs = max(1, cpus // (threads or 1))
        if there is not None:
            jobs = max(1, min(jobs, int(_SHARE * there / process_bytes(card, model, input_hw))))
    return jobs, threads or max(1, cpus // jobs)


def process_bytes(card: ModelCard, model: Path, input_hw: tuple[int, int]) -> float:
    """Bytes of a process that works on photos, about."""
    files = sum(file.stat().st_size for file in model.parent.glob(f"{model.stem}.*") if file.is_file())
    return _PYTHON + _WEIGHTS * files + _RUN * least_bytes(card, input_hw)
