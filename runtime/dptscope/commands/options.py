"""Arguments and options that several subcommands share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_each(paths: Iterable[Path]) -> None:
    """Print what has been written, as it comes. A name need not be text: then its bytes are printed as they are."""
    for path in paths:
        typer.echo(str(path) if str(path).isprintable() else os.fsencode(path))
