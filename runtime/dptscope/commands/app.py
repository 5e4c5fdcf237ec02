"""The ``dptscope`` command. The floors above the runtime add their subcommands through an entry-point group."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from dptscope.commands.open import open_model
from dptscope.errors import DptscopeError
from dptscope.process.limits import is_for_memory
from dptscope.process.signals import is_ending

ENTRY_POINTS = "dptscope.commands"
ERROR_STATUS = 2
LONGEST_COMPLAINT = 800  # characters

Scales = tuple[float, float, float, float]

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported model.", show_default=False)]
ImagesArgument = Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Photos.", show_default=False)]
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


def build_app() -> typer.Typer:
    """The command with all subcommands that are installed."""
    app = typer.Typer(
        help="Export a DPT depth model to ONNX once, then look inside it anywhere onnxruntime runs.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    app.command("info")(info)
    app.command("depth")(depth)
    app.command("norms")(norms)
    app.command("bench")(bench)
    app.command("open")(open_model)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        point.load()(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status; 130 where a KeyboardInterrupt came (typer does not let it through)."""
    logging.basicConfig(level=logging.WARNING, format="dptscope: %(message)s")
    try:
        status = build_app()(args=list(arguments) or ["--help"], prog_name="dptscope", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        complain(reason)
        return ERROR_STATUS
    return status if isinstance(status, int) else 0


def explain(error: Exception) -> str | None:
    """What to tell the user of an error that the user, a disk or the memory is the cause of; None: the program is."""
    if isinstance(error, typer.TyperException):
        return error.format_message()
    if isinstance(error, DptscopeError):
        return str(error)
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
    return "not enough memory" if is_for_memory(error) else None


def complain(text: str) -> None:
    """Say what is wrong in one line of no more than is read: names and values in it may come out of a file."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if len(line) > LONGEST_COMPLAINT:
        line = f"{line[:LONGEST_COMPLAINT]} …"
    if not is_ending():  # else this comes of it
        print(f"dptscope: {line}", file=sys.stderr)  # noqa: T201


def _show_version(wanted: bool) -> None:
    if wanted:
        from dptscope import __version__

        typer.echo(f"dptscope {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def info(
    model: ModelArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what an exported model says about itself."""
    from dptscope.commands.info import describe, show
    from dptscope.model import load

    described = describe(load(model))
    if as_json:
        import json

        typer.echo(json.dumps(described, indent=2))
    else:
        show(described)


def depth(
    model: ModelArgument,
    images: ImagesArgument,
    output: OutputOption,
    size: SizeOption = None,
    square: SquareOption = False,
    scales: Annotated[
        Scales, typer.Option(metavar="S1 S2 S3 S4", help="Factors on fusion blocks 1 (finest) to 4 (coarsest).")
    ] = (1.0, 1.0, 1.0, 1.0),
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="png: in colour, bright is near; png16: 16 bits, metres × 256 or the photo's own range; npy: float32 as is.",
        ),
    ] = "png,png16,npy",
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write the depth of photos, at their own sizes."""
    from dptscope.commands.outputs import DEPTH_FORMATS, parse_formats, write_depth
    from dptscope.model import load

    chosen = parse_formats(formats, DEPTH_FORMATS)
    _tell(write_depth(load(model, provider, threads), images, output, chosen, scales, size, square))


def norms(
    model: ModelArgument,
    images: ImagesArgument,
    output: OutputOption,
    size: SizeOption = None,
    square: SquareOption = False,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="png: all blocks in one picture; json: statistics and outliers; npy: float32 norms.",
        ),
    ] = "png,json",
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write the L2 norms of every transformer block's tokens."""
    from dptscope.commands.outputs import NORM_FORMATS, parse_formats, write_norms
    from dptscope.model import load

    chosen = parse_formats(formats, NORM_FORMATS)
    _tell(write_norms(load(model, provider, threads), images, output, chosen, size, square))


def bench(
    model: ModelArgument,
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a side of the model's input; its native size by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="How often each is measured.")] = 5,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how fast a model is on this machine: a photo, a slider's move, its preview."""
    from dptscope.commands.bench import measure, show

    measured = measure(model, size, rounds, threads, provider)
    if as_json:
        import json

        typer.echo(json.dumps(measured.to_json(), indent=2))
    else:
        show(measured)


def _tell(paths: Any) -> None:
    for path in paths:
        typer.echo(path)
