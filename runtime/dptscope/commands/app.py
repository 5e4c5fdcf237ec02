"""The ``dptscope`` command. The packages above the runtime add their subcommands through an entry-point group."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated

import typer
from typer.main import get_command

from dptscope.commands import registers
from dptscope.commands.attention import attention
from dptscope.commands.bench import bench
from dptscope.commands.compare import compare
from dptscope.commands.depth import depth
from dptscope.commands.failures import complain, explain
from dptscope.commands.info import info
from dptscope.commands.norms import norms
from dptscope.commands.open import open_model

ENTRY_POINTS = "dptscope.commands"
ERROR_STATUS = 2
# In the order of a person's work; each command with the heading that it stands under.
PANELS = (
    ("Export", "export"),
    ("Export", "models"),
    ("Export", "quantise"),
    ("Look inside", "demo"),
    ("Look inside", "view"),
    ("Look inside", "page"),
    ("Look inside", "depth"),
    ("Look inside", "norms"),
    ("Look inside", "attention"),
    ("Look inside", "registers"),
    ("Look inside", "survey"),
    ("About a file", "info"),
    ("About a file", "compare"),
    ("About a file", "bench"),
    ("About a file", "open"),
)


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
    app.command("attention")(attention)
    app.command("compare")(compare)
    app.add_typer(registers.app, name="registers")
    app.command("bench")(bench)
    app.command("open")(open_model)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        point.load()(app)
    places = {name: (place, panel) for place, (panel, name) in enumerate(PANELS)}
    last = (len(PANELS), PANELS[-1][0])
    for command in app.registered_commands:
        _, command.rich_help_panel = places.get(command.name or "", last)
    app.registered_commands.sort(key=lambda command: places.get(command.name or "", last))
    for group in app.registered_groups:
        group.rich_help_panel = places.get(group.name or "", last)[1]
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status; 130 where a KeyboardInterrupt came (typer does not let it through)."""
    logging.basicConfig(level=logging.WARNING, format="dptscope: %(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a sign that it cannot write is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _command()(args=list(arguments) or ["--help"], prog_name="dptscope", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        complain(reason)
        return ERROR_STATUS
    return status if isinstance(status, int) else 0


@cache
def _command() -> Callable[..., object]:
    """What typer makes of the functions' signatures: 35 ms, which a process spends once, however many commands it runs."""
    return get_command(build_app())


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
