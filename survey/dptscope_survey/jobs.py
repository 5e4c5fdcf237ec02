"""How many processes work on a survey, with how many threads each."""

from __future__ import annotations

from dptscope.card import ModelCard
from dptscope.process.limits import available_cpus


def choose_jobs(card: ModelCard, jobs: int | None, threads: int | None) -> tuple[int, int]:
    """Processes, and threads of each."""
    cpus = available_cpus()
    if jobs is None:
        jobs = max(1, cpus // threads) if threads else cpus
    return jobs, threads or max(1, cpus // jobs)
