"""``dptscope export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dptscope.errors import DptscopeError

EXTRA = "dptscope[export]"


def register(app: typer.Typer) -> None:
    """Add the subcommand; called through the entry point."""
    app.command("export")(export)


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT|FOLDER",
            help="A .pth, .pt or .safetensors file, or a Hugging Face folder.",
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
) -> None:
    """Export a checkpoint to NAME.onnx and NAME.fusion.onnx, verified against PyTorch before anything is written."""
    _need_extra()
    from dptscope_export.families import Wishes
    from dptscope_export.pipeline import export as export_checkpoint
    from dptscope_export.progress import show_progress, show_result

    wishes = Wishes(variant=variant, max_depth=max_depth, fixed=fixed, dynamic=dynamic)
    with show_progress() as report:
        exported = export_checkpoint(checkpoint, output, wishes, opset, report)
    show_result(exported)


def _need_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "onnx", "onnxscript", "onnxsim", "safetensors") if find_spec(name) is None]
    if missing:
        raise DptscopeError(f"export needs {', '.join(missing)}, which is not installed: pip install '{EXTRA}'")
