"""``dptscope registers``: find the neurons that make outliers, and see what becomes of the depth without those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dptscope.commands.norms import FORMATS
from dptscope.commands.options import (
    CountOption,
    ImagesArgument,
    ModelArgument,
    OutputOption,
    ProviderOption,
    RegistersOption,
    ReplaceOption,
    SizeOption,
    SquareOption,
    ThreadsOption,
    added_registers,
    print_each,
)

if TYPE_CHECKING:
    from dptscope.arrays import UInt8Array
    from dptscope.commands.norms import Writers
    from dptscope.model import DepthModel
    from dptscope.registers import AddedRegisters, RegisterNeurons
    from dptscope.scene import Scene

SHOWN = 10  # neurons of a search

app = typer.Typer(help="Registers at test time: which neurons make outliers, and the depth without those.")


@app.command("find")
def find(
    model: ModelArgument,
    images: ImagesArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.json", help="File to write, for --registers.")
    ],
    block: Annotated[
        int | None, typer.Option(metavar="K", help="Whose outliers are looked at; the last but one by default.")
    ] = None,
    last_block: Annotated[
        int | None,
        typer.Option(metavar="K", help="Neurons of later blocks are left out; at three quarters of them by default."),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many neurons are kept.")] = 50,
    size: SizeOption = None,
    square: SquareOption = False,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Find the neurons that are most active where norms stand out; the paper takes 100 to 500 photos.

    The model is one of 'dptscope export --registers'.
    """
    from dptscope.commands.photos import on_each_photo
    from dptscope.errors import DptscopeError
    from dptscope.files.atomic import write_file
    from dptscope.files.encode import encode_json
    from dptscope.model import load
    from dptscope.register_search import RegisterSearch

    search = RegisterSearch(load(model, provider, threads), block, last_block)
    looked = 0
    incomplete: DptscopeError | None = None

    def look(_photo: Path, photo_bgr: UInt8Array) -> Iterator[int]:
        yield search.look_at(photo_bgr, size=size, square=square)

    try:
        for _ in on_each_photo(images, look):
            looked += 1
    except DptscopeError as error:
        if not looked:
            raise
        incomplete = error  # some photos failed: what the others gave is kept
    found = search.found(count)
    write_file(output, encode_json(found.to_json()))
    show(found, output)
    if incomplete is not None:
        raise incomplete


def show(found: RegisterNeurons, output: Path) -> None:
    """Print what a search found."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"{found.outliers} outliers in block {found.block} of {found.photos_with_outliers} of {found.photos} photos "
        f"({found.above_150} norms above 150, the paper's rule for its ViT-L)",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("block", "neuron", "at outliers", "elsewhere"):
        table.add_column(heading, justify="right")
    for neuron in found.neurons[:SHOWN]:
        table.add_row(str(neuron.block), str(neuron.neuron), f"{neuron.activation:.3g}", f"{neuron.elsewhere:.3g}")
    console.print(table)
    left = len(found.neurons) - SHOWN
    console.print(f"{f'and {left} more: ' if left > 0 else ''}{output}", soft_wrap=True)


@app.command("compare")
def compare(
    model: ModelArgument,
    images: ImagesArgument,
    output: OutputOption,
    registers: RegistersOption,
    count: CountOption = None,
    replace: ReplaceOption = None,
    block: Annotated[
        int | None, typer.Option(metavar="K", help="Whose norms are shown; the last but one by default.")
    ] = None,
    size: SizeOption = None,
    square: SquareOption = False,
    formats: Annotated[
        str,
        typer.Option(
            "--format", metavar="LIST", help="png: both depths, their difference, norms; json: figures; npy: depths."
        ),
    ] = "png,json",
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write depth and norms of photos before and after a register takes neurons over, and what lies between; beside it what
    an idle register does by itself."""
    from dptscope.commands.photos import parse_formats
    from dptscope.errors import DptscopeError
    from dptscope.model import load

    chosen = parse_formats(formats, FORMATS)
    loaded = load(model, provider, threads)
    added = added_registers(loaded.card, registers, count, replace)
    blocks = len(loaded.card.blocks)
    which = max(blocks - 2, 0) if block is None else block
    if added is None or not 0 <= which < blocks:
        raise DptscopeError(f"--block: expected a block from 0 to {blocks - 1}, got {block}")
    found: list[dict[str, Any]] = []
    try:
        print_each(write_comparison(loaded, images, output, chosen, added, which, size, square, found))
    finally:
        if found:
            typer.echo(in_short(found, which))


def in_short(found: Sequence[dict[str, Any]], block: int) -> str:
    """What the reports of all photos come to, in a line."""
    before, after = (sum(one["blocks"][block][when]["outliers"] for one in found) for when in ("before", "after"))

    def change(of: str) -> str:
        mean = sum(one["depth"][of]["mean"] for one in found) / len(found)
        return f"{100 * mean:.2g} % (at most {100 * max(one['depth'][of]['largest'] for one in found):.2g} %)"

    return (
        f"{len(found)} photo{'s' if len(found) > 1 else ''}: outliers in block {block} {before} → {after}; the depth changes "
        f"by {change('after')} of its range, with an idle register alone by {change('idle')}"
    )


def write_comparison(
    model: DepthModel,
    images: Sequence[Path],
    folder: Path,
    formats: Sequence[str],
    added: AddedRegisters,
    block: int,
    size: int | None,
    square: bool,
    reports: list[dict[str, Any]],
) -> Iterator[Path]:
    """Write ``STEM_registers`` in the formats for each photo and yield their paths; what the JSON holds joins ``reports``."""
    from dptscope.commands.photos import for_each_photo, write_formats
    from dptscope.registers import AddedRegisters

    def write(photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        before = model.prepare(image_bgr, size=size, square=square)
        after = model.prepare(image_bgr, size=size, square=square, registers=added)
        idle = model.prepare(image_bgr, size=size, square=square, registers=AddedRegisters(tokens=added.number))
        report = comparison_report(model, photo, before, after, idle)
        reports.append(report)
        writers = comparison_writers(model, photo, before, after, block, report)
        yield from write_formats(folder, stem, after, writers, formats)

    return for_each_photo(images, folder, write)


def comparison_report(model: DepthModel, photo: Path, before: Scene, after: Scene, idle: Scene) -> dict[str, Any]:
    """One photo before and after, and with a register that takes nothing over, as plain values for a JSON file."""
    import numpy as np

    from dptscope.norms import RULE

    assert after.added_registers is not None
    depth_hw = before.raw_depth()
    span = max(float(np.ptp(depth_hw)), float(np.finfo(np.float32).tiny))

    def change(scene: Scene) -> dict[str, float]:
        change_hw = scene.raw_depth() - depth_hw
        shares = float(np.abs(change_hw).mean()) / span, float(np.abs(change_hw).max()) / span
        return {
            "least": float(change_hw.min()),
            "greatest": float(change_hw.max()),
            "mean": shares[0],
            "largest": shares[1],
        }

    return {
        "model": model.path.name,
        "model_id": model.card.model_id,
        "photo": str(photo),
        "input_size": list(before.input_size),
        "registers": after.added_registers.in_words(),
        "rule": RULE,
        "blocks": [
            {
                "block": index,
                **{
                    name: {"outliers": len(found.outliers), "median": found.median, "max": found.maximum}
                    for name, found in zip(("before", "after"), both, strict=True)
                },
            }
            for index, both in enumerate(zip(before.statistics(), after.statistics(), strict=True))
        ],
        "depth": {
            "range": [float(depth_hw.min()), float(depth_hw.max())],
            "mean_and_largest": "of |change|, shares of that range",
            "after": change(after),
            "idle": change(idle),
        },
    }


def comparison_writers(
    model: DepthModel, photo: Path, before: Scene, after: Scene, block: int, report: dict[str, Any]
) -> Writers:
    """One photo, before and after."""
    import numpy as np

    from dptscope.files.encode import encode_json, encode_npy, encode_png
    from dptscope.pictures.register_sheets import register_sheet

    title = f"{photo.stem}   {model.card.variant} {model.card.architecture}   {report['registers']}"
    depths = before.raw_depth(), after.raw_depth()
    norms = before.block_norms[block], after.block_norms[block]
    chosen = before.statistics()[block], after.statistics()[block]
    kind = model.card.depth_kind
    return {
        "png": ("_registers.png", lambda _: encode_png(register_sheet(depths, norms, chosen, kind, title))),
        "json": ("_registers.json", lambda _: encode_json(report)),
        "npy": ("_registers.npy", lambda _: encode_npy(np.stack(depths))),
    }
