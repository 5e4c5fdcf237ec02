"""``dptscope quantise``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.extras import need_extra
from dptscope.commands.options import ModelArgument

if TYPE_CHECKING:
    from dptscope_export.quantise.pipeline import Quantised


def register(app: typer.Typer) -> None:
    """Add the subcommand; called through the entry point."""
    app.command("quantise")(quantise)


def quantise(
    model: ModelArgument,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IMAGE|FOLDER",
            help="Photos like those that the model is for, a dozen or more; may be given several times. With them "
            "convolutions are computed in int8, too. Half of them are kept to measure on.",
            show_default=False,
        ),
    ] = None,
    floor: Annotated[
        float, typer.Option(metavar="X", help="δ1 and correlations that the worst photo must reach.")
    ] = 0.99,
    half: Annotated[
        bool, typer.Option("--half", help="Weights in float16 in place of int8: half the size, the same speed.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.onnx|DIR",
            help="By default NAME.int8.onnx, or NAME.half.onnx, beside NAME.onnx.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a smaller and quicker file of an exported model: layers in int8, measured against it first."""
    need_extra("quantise", "quantise")
    from dptscope_export.progress import show_progress
    from dptscope_export.quantise.pipeline import STAGES
    from dptscope_export.quantise.pipeline import quantise as quantise_model

    with show_progress(STAGES) as report:
        made = quantise_model(model, output, photos or (), half=half, floor=floor, report=report)
    show(made, model)


def show(made: Quantised, source: Path) -> None:
    """Say what was measured, the notes, and what was written."""
    import dataclasses

    from rich.console import Console

    from dptscope.commands.info import fidelity_lines

    console = Console(highlight=False, soft_wrap=True)
    assert made.card.fidelity is not None
    for note in made.notes:
        console.print(f"note: {note}")
    console.print(f"measured against {source.name}:")
    for name, text in fidelity_lines(dataclasses.asdict(made.card.fidelity)):
        console.print(f"  {name}: {text}")
    for file in made.files:
        console.print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
