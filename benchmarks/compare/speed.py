"""One subject, everything side by side: the whole way from image to depth, and one move of a slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import dptscope
from benchmarks.compare.contenders import OURS, TORCH, lively_image, move_runs, whole_runs
from benchmarks.compare.files import Files
from benchmarks.compare.flops import count_flops
from benchmarks.compare.subjects import Subject
from benchmarks.compare.timing import Times, interleave
from dptscope import contract


@dataclass(frozen=True)
class Result:
    """What one subject gave.

    Attributes:
        subject: its name.
        size: pixels a side.
        whole: image to depth, by contender.
        move: another fusion scaling, by contender.
        differences: largest difference of the depth from torch's, in its range, by contender.
        flops: of the whole graph; see :func:`benchmarks.compare.flops.count_flops`.
    """

    subject: str
    size: int
    whole: dict[str, Times]
    move: dict[str, Times]
    differences: dict[str, float]
    flops: dict[str, float]

    @property
    def rate(self) -> float:
        """Gigaflops a second of our whole graph."""
        return sum(self.flops.values()) / self.whole[OURS].median / 1e6

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "size": self.size,
            "whole_ms": {name: list(times.rounds) for name, times in self.whole.items()},
            "move_ms": {name: list(times.rounds) for name, times in self.move.items()},
            "differences_of_range": self.differences,
            "gigaflops": {kind: flops / 1e9 for kind, flops in self.flops.items()},
            "gigaflops_a_second": self.rate,
        }


def measure(subject: Subject, files: Files, threads: int, rounds: int) -> Result:
    """Load everything, check that all give the same depth, and time it."""
    image = lively_image(subject.size)
    flops = count_flops(files.ours, {contract.IMAGE: image})
    model = dptscope.load(files.ours, threads=threads)
    whole = whole_runs(files, model, image, threads)
    move = move_runs(files, model, image)
    depths = {name: run() for name, run in whole.items()}
    unit = float(np.ptp(depths[TORCH]))
    # In one go, so that the whole graph is timed once and stands in both tables.
    taken = interleave({**whole, **{f"move: {name}": run for name, run in move.items()}}, rounds)
    return Result(
        subject=subject.name,
        size=subject.size,
        whole={name: taken[name] for name in whole},
        move={**{name: taken[f"move: {name}"] for name in move}, "dptscope, whole graph": taken[OURS]},
        differences={name: float(np.abs(depth - depths[TORCH]).max()) / unit for name, depth in depths.items()},
        flops=flops,
    )
