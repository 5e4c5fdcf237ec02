"""Tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.compare.contenders import OURS
from benchmarks.compare.speed import Result
from benchmarks.compare.timing import Times

EXCLUDED = (
    "Excluded everywhere: loading, preparing the photo, the first two runs. Ratios are medians over the rounds of the ratio "
    "within a round; milliseconds are medians and only context. torch eager: transformers, its default attention, no_grad. "
    "Random lively weights, the same for all."
)


def show(console: Console, machine: Mapping[str, Any], rates: Mapping[str, float], results: Sequence[Result]) -> None:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    console.print(f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; {versions}")
    console.print(EXCLUDED)
    console.print(
        f"This machine in float32: {rates['matrix']:.0f} GFLOP/s in a matrix product, "
        f"{rates['convolution']:.0f} GFLOP/s in a 3 × 3 convolution"
    )
    for result in results:
        console.print(_table(f"{result.subject} at {result.size}²: image to depth", result.whole, result.differences))
        console.print(_table(f"{result.subject} at {result.size}²: one move of a slider", result.move, {}))
        if result.preview_psnr is not None:
            console.print(f"preview against the full picture: {result.preview_psnr:.1f} dB (random weights)")
        total, own = (sum(flops.values()) / 1e9 for flops in (result.flops, result.own_flops))
        console.print(
            f"{total:.0f} GFLOP ({result.flops['convolution'] / 1e9:.0f} in convolutions) at {result.rate:.0f} GFLOP/s: "
            f"{result.rate / rates['matrix']:.0%} of the matrix rate; our graph does it with {own:.0f} "
            f"({result.rate * own / total / rates['matrix']:.0%})"
        )


def _table(title: str, times: Mapping[str, Times], differences: Mapping[str, float]) -> Table:
    table = Table("", "ms", "÷ dptscope", "from torch, of the range", title=title, title_justify="left")
    for name, taken in times.items():
        difference = f"{differences[name]:.1e}" if name in differences else ""
        table.add_row(name, f"{taken.median:.1f}", f"{taken.ratio_to(times[OURS]):.2f}", difference)
    return table
