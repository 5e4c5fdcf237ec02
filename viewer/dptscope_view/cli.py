"""The ``view`` subcommand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dptscope.commands.options import (
    CountOption,
    FarSkyOption,
    FocalOption,
    FovOption,
    ModelArgument,
    ProviderOption,
    RegistersOption,
    ReplaceOption,
    Scales,
    SizeOption,
    SquareOption,
    ThreadsOption,
)
from dptscope.pictures.scaling import Scaling
from dptscope_view.keys import help_text
from dptscope_view.state import Show, View


def register(app: typer.Typer) -> None:
    """Add ``view`` to the command."""
    app.command("view", epilog=_keys())(view)


def _keys() -> str:
    # Each paragraph starts with the sign that keeps its lines apart; brackets are escaped, for they would be markup.
    paragraphs = help_text().replace("[", "\\[").split("\n\n")
    return "\n\n".join("\b\n" + paragraph for paragraph in paragraphs)


def view(
    model: ModelArgument,
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE|FOLDER", help="A photo (n and p go on to those beside it), or a folder of photos."
        ),
    ],
    view: Annotated[View, typer.Option("--view", help="What to begin with.")] = View.NORMS,
    block: Annotated[int | None, typer.Option(metavar="N", help="Block to begin with; the last by default.")] = None,
    show: Annotated[Show, typer.Option(help="What the norm view shows.")] = Show.NORM,
    channel: Annotated[int | None, typer.Option(metavar="N", help="Channel to begin with.")] = None,
    token: Annotated[
        tuple[int, int] | None, typer.Option(metavar="Y X", help="Keep the token at this pixel of the photo.")
    ] = None,
    scaling: Annotated[Scaling, typer.Option(help="How its colours are spread.")] = Scaling.ROBUST,
    scales: Annotated[
        Scales | None, typer.Option(metavar="S1 S2 S3 S4", help="Factors on fusion blocks 1 (finest) to 4 (coarsest).")
    ] = None,
    preset: Annotated[Path | None, typer.Option(metavar="FILE", help="Begin with the scales of a preset.")] = None,
    presets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of presets: files to rename and remove; ~/.config/dptscope/presets by default.",
        ),
    ] = None,
    colours: Annotated[str | None, typer.Option(metavar="NAME", help="Colour map to begin with.")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the colour maps round.")] = False,
    high_contrast: Annotated[bool, typer.Option("--high-contrast", help="Equalise the depth's histogram.")] = False,
    focal: FocalOption = None,
    fov: FovOption = None,
    far_sky: FarSkyOption = False,
    registers: RegistersOption = None,
    count: CountOption = None,
    replace: ReplaceOption = None,
    size: SizeOption = None,
    square: SquareOption = False,
    window: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Size of the window, which else fits the screen, or the picture (1280x800)."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the key s saves.")] = Path(),
    render: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw the view into a file and exit; needs no screen.")
    ] = None,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Look at token norms and fusion scaling in a window."""
    from dptscope_view.app import Options, run

    run(
        Options(
            model=model,
            photos=photos,
            view=view,
            block=block,
            show=show,
            channel=channel,
            token=token,
            scaling=scaling,
            scales=scales,
            preset=preset,
            presets=presets,
            colours=colours,
            registers=registers,
            count=count,
            replace=replace,
            reverse=reverse,
            equalise=high_contrast,
            focal=focal,
            fov=fov,
            far_sky=far_sky,
            size=size,
            square=square,
            window=window,
            output=output,
            render=render,
            providers=provider,
            threads=threads,
        )
    )
