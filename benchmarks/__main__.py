"""``python -m benchmarks``: everything side by side on this machine, as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

WORK = Path.home() / ".cache" / "dptscope-benchmarks"


def main(
    subjects: Annotated[list[str] | None, typer.Argument(help="Models; all by default.")] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 9,
    threads: Annotated[int, typer.Option(help="Threads of every contender.")] = 2,
    work: Annotated[Path, typer.Option(help="Where checkpoints and exports are kept between runs.")] = WORK,
    make: Annotated[bool, typer.Option("--make", help="Only make what is missing, measure nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Export with this project once more.")] = False,
    output: Annotated[Path | None, typer.Option("--json", help="File to write.")] = None,
) -> None:
    """Measure whole models and slider moves against torch eager, a plain ONNX export and OpenVINO."""
    import torch
    from rich.console import Console

    from benchmarks.compare import machine
    from benchmarks.compare.files import files_of
    from benchmarks.compare.report import EXCLUDED, show
    from benchmarks.compare.speed import measure
    from benchmarks.compare.subjects import SUBJECTS

    unknown = [name for name in subjects or () if name not in SUBJECTS]
    if unknown:
        raise typer.BadParameter(f"expected {', '.join(SUBJECTS)}, got {unknown[0]}")
    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    chosen = [SUBJECTS[name] for name in subjects or SUBJECTS]
    files = [files_of(subject, work, again) for subject in chosen]
    if make:
        return
    described, rates = machine.describe(threads), machine.rates(threads)
    results = [measure(subject, where, threads, rounds) for subject, where in zip(chosen, files, strict=True)]
    show(Console(), described, rates, results)
    if output is not None:
        found = {
            "machine": described,
            "gigaflops_a_second": rates,
            "excluded": EXCLUDED,
            "results": [result.to_json() for result in results],
        }
        output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
