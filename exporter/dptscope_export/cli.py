"""``dptscope export`` and ``dptscope models``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from dptscope.contract import MODEL_SUFFIX
from dptscope.errors import DptscopeError

EXTRA = "dptscope[export]"


def register(app: typer.Typer) -> None:
    """Add the subcommands; called through the entry point."""
    app.command("export")(export)
    app.command("models")(models)


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|FOLDER|NAME",
            help="A .pth, .pt or .safetensors file, a Hugging Face folder, OWNER/REPOSITORY on the Hugging Face hub, "
            "or a name that 'dptscope models' lists. A path that exists always wins.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.onnx", help="By default the checkpoint's name, here.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="The published variant, where the checkpoint does not tell.")
    ] = None,
    max_depth: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="End of a metric model's range, where it is not the published one."),
    ] = None,
    fixed: Annotated[
        tuple[int, int] | None, typer.Option(metavar="H W", help="Export for this size only.", show_default=False)
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Export for any size, where that is not the default.")
    ] = False,
    opset: Annotated[int, typer.Option(metavar="N", help="ONNX operator set.")] = 20,
    readable: Annotated[
        bool,
        typer.Option("--readable", help="One node per transformer block, reassembly and fusion block, for netron."),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of the Hugging Face repository.")
    ] = None,
) -> None:
    """Export a checkpoint to NAME.onnx, NAME.fusion.onnx and NAME.preview.onnx, verified against PyTorch first."""
    _need_extra()
    from dptscope_export.families import Wishes
    from dptscope_export.pipeline import export as export_checkpoint
    from dptscope_export.progress import show_progress, show_result
    from dptscope_export.sources import find_source

    wishes = Wishes(variant=variant, max_depth=max_depth, fixed=fixed, dynamic=dynamic)
    source = find_source(checkpoint, revision)
    if output is None and source.stem is not None:
        output = Path(source.stem + MODEL_SUFFIX)
    with show_progress() as report:
        exported = export_checkpoint(source.path, output, wishes, opset, report, source.name, readable)
    show_result(exported, source.notes)


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the published checkpoints that can be exported by name: size, parameters, licence, where they come from."""
    from dptscope_export.sources import listing
    from dptscope_export.sources.published import PUBLISHED

    if as_json:
        import json

        typer.echo(json.dumps([listing.describe(published) for published in PUBLISHED], indent=2))
    else:
        listing.show()


_NEEDED = ("torch", "onnx", "onnxscript", "onnxsim", "safetensors", "huggingface_hub", "pooch")


def _need_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise DptscopeError(f"export needs {', '.join(missing)}, which is not installed: pip install '{EXTRA}'")
