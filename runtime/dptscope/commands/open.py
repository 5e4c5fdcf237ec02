"""``dptscope open``: the graph of an ONNX file in the browser, drawn by the ``netron`` package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from dptscope.commands.extras import need_extra
from dptscope.errors import DptscopeError, ModelFileError

HOST = "localhost"  # for nobody but this machine


def open_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Any ONNX file.", show_default=False)],
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port to serve at; 0: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only serve, and say where.")] = False,
) -> None:
    """Open a model's graph in netron, in the browser, until Ctrl-C."""
    need_extra("open", "netron")
    if not model.is_file():
        raise ModelFileError(f"{model}: no such file")
    netron = importlib.import_module("netron")
    address = (HOST, port) if port else None
    try:
        host, taken = netron.serve(str(model.resolve()), None, address, browse=not no_browser)
    except OSError as error:
        raise DptscopeError(f"cannot serve at port {port} ({error.strerror or error})") from error
    typer.echo(f"{model.name} at http://{host}:{taken} (Ctrl-C ends it)")
    netron.wait()
