"""``dptscope export`` and ``dptscope models``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.extras import need_extra
from dptscope.commands.failures import Failures
from dptscope.contract import DEFAULT_OPSET, MODEL_SUFFIX
from dptscope.errors import DptscopeError

if TYPE_CHECKING:
    from dptscope.card import Form
    from dptscope_export.sources import Source


def register(app: typer.Typer) -> None:
    """Add the subcommands; called through the entry point."""
    app.command("export")(export)
    app.command("models")(models)


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|FOLDER|NAME",
            help="A .pth, .pt, .ckpt, .bin or .safetensors file, a Hugging Face folder, a folder of such files and folders, "
            "OWNER/REPOSITORY on the Hugging Face hub, or a name that 'dptscope models' lists. A path that exists always "
            "wins.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT.onnx|DIR", help="By default the checkpoint's name, in this folder or in DIR."
        ),
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
    opset: Annotated[int, typer.Option(metavar="N", help="ONNX operator set.")] = DEFAULT_OPSET,
    portable: Annotated[
        bool, typer.Option("--portable", help="In operators that every engine has, for OpenVINO, browsers and others.")
    ] = False,
    readable: Annotated[
        bool,
        typer.Option(
            "--readable", help="Portable, in one node per transformer block, reassembly and fusion block, for netron."
        ),
    ] = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="Weights in float16: half the size. What is computed with them stays float32."),
    ] = False,
    registers: Annotated[
        bool,
        typer.Option(
            "--registers",
            help="With inputs that let registers in at test time, for 'dptscope registers'; off by default.",
        ),
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave a graph pass out, such as winograd; may be given several times."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which model, where a training script put several into the checkpoint."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of the Hugging Face repository.")
    ] = None,
) -> None:
    """Export a checkpoint to NAME.onnx, NAME.fusion.onnx and NAME.preview.onnx, verified against PyTorch first."""
    need_extra("export", "export")
    from dptscope_export.families import ExportOptions
    from dptscope_export.graph.passes import choose_passes
    from dptscope_export.pipeline import STAGES
    from dptscope_export.pipeline import export as export_checkpoint
    from dptscope_export.progress import show_progress, show_result
    from dptscope_export.sources import find_sources

    options = ExportOptions(variant=variant, max_depth=max_depth, fixed=fixed, dynamic=dynamic)

    form: Form = "readable" if readable else "portable" if portable else "default"
    choose_passes(without or ())  # a wrong name is said before anything is fetched

    def export_one(source: Source) -> None:
        with show_progress(STAGES) as report:
            target = _target(source, output)
            exported = export_checkpoint(
                source.path, target, options, opset, report, source.name, form, without or (), key, half, registers
            )
        show_result(exported, source.notes)

    sources = find_sources(checkpoint, revision)
    if len(sources) == 1:
        export_one(sources[0])
    else:
        _export_each(sources, output, export_one)


def _target(source: Source, output: Path | None) -> Path:
    """Choose the path of a checkpoint's model."""
    if output is not None and not output.is_dir():
        return output
    from dptscope_export.checkpoints.file_names import own_stem

    return (output or Path()) / ((source.stem or own_stem(source.path)) + MODEL_SUFFIX)


def _export_each(sources: Sequence[Source], output: Path | None, export_one: Callable[[Source], None]) -> None:
    """Export all that can be; those that cannot are listed at the end, and the status is that of an error."""
    if output is not None and output.suffix == MODEL_SUFFIX:
        raise DptscopeError(f"expected --output to name a folder for {len(sources)} checkpoints, got {output}")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    failures = Failures(len(sources))
    written: dict[Path, Source] = {}
    for number, source in enumerate(sources, 1):
        typer.echo(f"[{number}/{len(sources)}] {source.path}")
        with failures.noted(source.path):
            target = _target(source, output)
            if target in written:
                raise DptscopeError(f"{source.path}: {target} is already the model of {written[target].path}")
            export_one(source)
            written[target] = source
    failures.report("checkpoints were not exported")


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
