"""One subject, everything side by side: the whole way from image to depth, and one move of a slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import dptscope
from benchmarks.compare.contenders import OURS, PREVIEW, TORCH, lively_image, move_runs, whole_runs
from benchmarks.compare.files import Files
from benchmarks.compare.flops import count_flops
from benchmarks.compare.subjects import Subject
from benchmarks.compare.timing import Times, interleave
from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.resize import resize_depth


@dataclass(frozen=True)
class Result:
    """What one subject gave.

    Attributes:
        subject: its name.
        size: pixels a side.
        whole: image to depth, by contender.
        move: another fusion scaling, by contender.
        differences: largest difference of the depth from torch's, in its range, by contender; not of ours where transformers
            leaves the resize to the image's size to its image processor (TIPSv2, DPT on DINOv2).
        preview_psnr: of the preview, enlarged, against the full picture, in decibels; None without a preview.
        flops: of the whole model as it was published, counted in the plain export by
            :func:`benchmarks.compare.flops.count_flops`. Rates are by them.
        own_flops: of our whole graph, which does with fewer.
    """

    subject: str
    size: int
    whole: dict[str, Times]
    move: dict[str, Times]
    differences: dict[str, float]
    preview_psnr: float | None
    flops: dict[str, float]
    own_flops: dict[str, float]

    @property
    def rate(self) -> float:
        """Gigaflops of the model a second, with our graph."""
        return sum(self.flops.values()) / self.whole[OURS].median / 1e6

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "size": self.size,
            "whole_ms": {name: list(times.rounds) for name, times in self.whole.items()},
            "move_ms": {name: list(times.rounds) for name, times in self.move.items()},
            "differences_of_range": self.differences,
            "preview_psnr_db": self.preview_psnr,
            "gigaflops": {kind: flops / 1e9 for kind, flops in self.flops.items()},
            "own_gigaflops": {kind: flops / 1e9 for kind, flops in self.own_flops.items()},
            "gigaflops_a_second": self.rate,
        }


def measure(subject: Subject, files: Files, threads: int, rounds: int) -> Result:
    """Load everything, check that all give the same depth, and time it."""
    image = lively_image(subject.size)
    flops, own_flops = (count_flops(path, {contract.IMAGE: image}) for path in (files.plain, files.ours))
    model = dptscope.load(files.ours, threads=threads)
    whole = whole_runs(files, model, image, threads)
    move = move_runs(files, model, image)
    depths = {name: run() for name, run in whole.items()}
    unit = float(np.ptp(depths[TORCH]))
    whole_taken = interleave(whole, rounds)
    move_taken = interleave(move, rounds, in_a_row=3)  # a hand on a slider asks again and again
    return Result(
        subject=subject.name,
        size=subject.size,
        whole=whole_taken,
        move={**move_taken, "dptscope, whole graph": whole_taken[OURS]},
        differences={
            name: float(np.abs(depth - depths[TORCH]).max()) / unit
            for name, depth in depths.items()
            if depth.shape == depths[TORCH].shape
        },
        preview_psnr=psnr(move[PREVIEW]()[0], move[OURS]()[0]) if PREVIEW in move else None,
        flops=flops,
        own_flops=own_flops,
    )


def psnr(coarse_hw: Float32Array, full_hw: Float32Array) -> float:
    """Peak signal-to-noise ratio in decibels of a coarse depth, enlarged bilinearly; the peak is the full depth's range."""
    enlarged = resize_depth(coarse_hw, (full_hw.shape[0], full_hw.shape[1]), "bilinear_align_corners")
    error = (enlarged - full_hw) / np.ptp(full_hw)
    return float(-10 * np.log10(np.square(error).mean()))
