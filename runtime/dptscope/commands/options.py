"""Arguments and options that several subcommands share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dptscope.card import ModelCard
    from dptscope.registers import AddedRegisters, Replacement

Scales = tuple[float, float, float, float]

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported model.", show_default=False)]
ImagesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGE|FOLDER…", help="Photos, and folders of photos.", show_default=False),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to; made if it is not there.")
]
SizeOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Target of the model's resize rule in pixels, in place of its native size."),
]
SquareOption = Annotated[bool, typer.Option("--square", help="Ignore the photo's aspect: N × N pixels.")]
ThreadsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Threads; all CPUs this process may use by default.")
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="onnxruntime execution provider, repeatable; the CPU by default.", show_default=False
    ),
]
FocalOption = Annotated[
    float | None,
    typer.Option(
        metavar="PIXELS",
        help="Focal length in pixels of the photo, for models that give metres by it.",
        show_default=False,
    ),
]
FovOption = Annotated[
    float | None,
    typer.Option(
        metavar="DEGREES",
        help="Field of view of the photo from left to right, in place of --focal.",
        show_default=False,
    ),
]
FarSkyOption = Annotated[
    bool, typer.Option("--far-sky", help="Put the sky at one far distance, in models that say where it is.")
]
RegistersOption = Annotated[
    Path | None,
    typer.Option(
        "--registers",
        metavar="FILE.json",
        help="Let a register take over the neurons that 'dptscope registers find' wrote to this file.",
        show_default=False,
    ),
]
CountOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="How many of those neurons, the most active first; all by default. 0: an idle register, which moves the depth "
        "by itself.",
        show_default=False,
    ),
]
ReplaceOption = Annotated[
    Literal["zero", "mean"] | None,
    typer.Option(
        help="What patches have in their place: nothing, as in the paper and by default, which takes more away than what "
        "outliers have too much; or their mean at ordinary patches.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def added_registers(
    card: ModelCard, file: Path | None, count: int | None, replace: Replacement | None
) -> AddedRegisters | None:
    """What the options ``--registers``, ``--count`` and ``--replace`` ask for; None where they do not.

    Raises:
        DptscopeError: a file that is not this model's, more neurons than it has, or options without it.
    """
    from dptscope.errors import DptscopeError
    from dptscope.registers import read_neurons

    if file is None:
        if count is not None or replace is not None:
            raise DptscopeError("expected --registers FILE beside --count or --replace, got them alone")
        return None
    return read_neurons(file, card).added(count, replace or "zero")


def print_each(paths: Iterable[Path]) -> None:
    """Print what has been written, as it comes. A name need not be text: then its bytes are printed as they are."""
    for path in paths:
        typer.echo(str(path) if str(path).isprintable() else os.fsencode(path))
