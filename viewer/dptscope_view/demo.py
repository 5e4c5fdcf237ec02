"""The ``demo`` subcommand: the main job from beginning to end on the model that ships with the package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dptscope.commands.extras import missing_packages
from dptscope.errors import DptscopeError
from dptscope.process.children import child_process
from dptscope_view.display import DisplayError, DisplayProbe

EXTRA = "export"


def register(app: typer.Typer) -> None:
    """Add ``demo`` to the command."""
    app.command("demo")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to; made if it is not there.")
    ] = Path("dptscope-demo"),
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Take the exported file that ships, even where one could be made.")
    ] = False,
    view: Annotated[bool, typer.Option("--view/--no-view", help="Open the viewer at the end, on a screen.")] = True,
) -> None:
    """Look into the small model that ships with dptscope: depth, norms and fusion scalings of two pictures."""
    from dptscope.commands import demo as pictures
    from dptscope.model import load

    probe = DisplayProbe() if view else None
    try:
        photos = output / "photos"
        try:
            photos.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DptscopeError(f"{photos}: cannot be made ({error.strerror})") from error
        if not shipped and not missing_packages(EXTRA):
            model_path = export_checkpoint(pictures.CHECKPOINT, output / pictures.MODEL.name)
        else:
            model_path = pictures.copy_model(output)
            typer.echo(f"{model_path}  (as it ships; with 'dptscope[{EXTRA}]' the demo exports it here)")
        model = load(model_path)
        for photo in pictures.copy_photos(photos):
            typer.echo(photo)
            for path in pictures.write_pictures(model, photo, output):
                typer.echo(path)
        typer.echo(f"the same in a window: dptscope view {model_path} {photos}")
        if probe is not None:
            probe.check()
    except DisplayError as error:
        typer.echo(f"no window was opened: {error}")
        return
    finally:
        if probe is not None:
            probe.close()
    if view:
        from dptscope_view.app import Options, run

        run(Options(model=model_path, photos=photos, output=output))


def export_checkpoint(checkpoint: Path, model_path: Path) -> Path:
    """Export in a process of its own, so that this one, which looks at the file, never sees PyTorch.

    Raises:
        DptscopeError: the export failed; it has said why.
    """
    command = [sys.executable, "-m", "dptscope", "export", str(checkpoint), "--output", str(model_path)]
    with child_process(command) as child:
        status = child.wait()
    if status:
        raise DptscopeError(f"the export of {checkpoint.name} ended with status {status}")
    return model_path
