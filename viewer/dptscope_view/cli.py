"""The ``view`` subcommand."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from dptscope.commands.options import (
    ModelArgument,
    ProviderOption,
    Scales,
    SizeOption,
    SquareOption,
    ThreadsOption,
)
from dptscope.errors import DptscopeError


def register(app: typer.Typer) -> None:
    """Add ``view`` to the command."""
    app.command("view", epilog=_keys())(view)


def _keys() -> str:
    from dptscope_view.keys import help_text

    # Each paragraph starts with the sign that keeps its lines apart; brackets are escaped, for they would be markup.
    paragraphs = help_text().replace("[", "\\[").split("\n\n")
    return "\n\n".join("\b\n" + paragraph for paragraph in paragraphs)


_Member = TypeVar("_Member", bound=enum.Enum)


def _member(choices: type[_Member], text: str, option: str) -> _Member:
    """The member with that value.

    Raises:
        DptscopeError: there is none.
    """
    for choice in choices:
        if choice.value == text:
            return choice
    raise DptscopeError(f"{option}: expected one of {', '.join(choice.value for choice in choices)}, got {text}")


def view(
    model: ModelArgument,
    photos: Annotated[Path, typer.Argument(metavar="IMAGE|FOLDER", help="A photo, or a folder of photos.")],
    view: Annotated[str, typer.Option("--view", metavar="NAME", help="norms or fusion.")] = "norms",
    block: Annotated[int | None, typer.Option(metavar="N", help="Block to begin with; the last by default.")] = None,
    show: Annotated[str, typer.Option(metavar="NAME", help="photo, norm or channel.")] = "norm",
    channel: Annotated[int | None, typer.Option(metavar="N", help="Channel to begin with.")] = None,
    scaling: Annotated[str, typer.Option(metavar="NAME", help="plain, shared, log or robust.")] = "robust",
    scales: Annotated[
        Scales | None, typer.Option(metavar="S1 S2 S3 S4", help="Factors on fusion blocks 1 (finest) to 4 (coarsest).")
    ] = None,
    preset: Annotated[Path | None, typer.Option(metavar="FILE", help="Begin with the scales of a preset.")] = None,
    presets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of presets; ~/.config/dptscope/presets by default.")
    ] = None,
    colours: Annotated[str | None, typer.Option(metavar="NAME", help="Colour map to begin with.")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the colour maps round.")] = False,
    high_contrast: Annotated[bool, typer.Option("--high-contrast", help="Equalise the depth's histogram.")] = False,
    size: SizeOption = None,
    square: SquareOption = False,
    window: Annotated[str, typer.Option(metavar="WxH", help="Size of the window or the picture.")] = "1280x800",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the key s saves.")] = Path(),
    render: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw the view into a file and exit; needs no screen.")
    ] = None,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Look at token norms and fusion scaling in a window."""
    from dptscope.pictures.scaling import Scaling
    from dptscope_view.app import Options, run
    from dptscope_view.state import Show, View

    run(
        Options(
            model=model,
            photos=photos,
            view=_member(View, view, "--view"),
            block=block,
            show=_member(Show, show, "--show"),
            channel=channel,
            scaling=_member(Scaling, scaling, "--scaling"),
            scales=scales,
            preset=preset,
            presets=presets,
            colours=colours,
            reverse=reverse,
            equalise=high_contrast,
            size=size,
            square=square,
            window=window,
            output=output,
            render=render,
            providers=provider,
            threads=threads,
        )
    )
