"""The ``page`` subcommand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dptscope.errors import DptscopeError
from dptscope.files.atomic import write_file


def register(app: typer.Typer) -> None:
    """Add ``page`` to the command."""
    app.command("page")(page)


def page(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL.onnx]", help="The model inside; the one that ships by default.", show_default=False
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.html", help="File to write.")] = Path(
        "dptscope.html"
    ),
    without_model: Annotated[
        bool, typer.Option("--without-model", help="No model inside: choose or drop one in the page.")
    ] = False,
    webgpu: Annotated[
        bool,
        typer.Option("--webgpu", help="The runtime for graphics cards inside, too (6 MB more); a served page has it."),
    ] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Write nothing; serve the page, which then uses several threads, until Ctrl-C."),
    ] = False,
    host: Annotated[
        str, typer.Option(metavar="NAME", help="With --serve: who may see it; by default this machine alone.")
    ] = "localhost",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="With --serve: port to serve at; 0: any free one.")
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="With --serve: only serve, and say where.")] = False,
) -> None:
    """Look inside in the browser: one HTML file with model and runtime inside, which needs no server, network or Python."""
    from dptscope.commands import demo
    from dptscope.model import load
    from dptscope_page.document import contents, whole_page

    if without_model and model is not None:
        raise DptscopeError(f"expected a model or --without-model, got both ({model})")
    if model is not None:
        load(model)  # what is wrong with it is said now
    chosen = None if without_model else model or demo.MODEL
    inside = contents(chosen, demo.demo_photos(), gpu=webgpu or serve)
    if serve:
        from dptscope_page.server import serve_page

        serve_page(inside, host, port, browse=not no_browser)
        return
    written = write_file(output, whole_page(inside))
    typer.echo(f"{written}  ({written.stat().st_size / 1e6:.0f} MB; open it in a browser)")
