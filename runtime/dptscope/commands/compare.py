"""``dptscope compare``: where two files of one model part."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.options import (
    ImagesArgument,
    JsonOption,
    ProviderOption,
    SizeOption,
    SquareOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dptscope.arrays import UInt8Array
    from dptscope.comparison import Comparison, PhotoDifference


def compare(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="A.onnx", help="An exported model; photos are prepared by its rules.", show_default=False
        ),
    ],
    other: Annotated[
        Path,
        typer.Argument(
            metavar="B.onnx",
            help="Another form or a quantised one of it, or anybody's export of the same checkpoint.",
            show_default=False,
        ),
    ],
    images: ImagesArgument,
    bound: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            help="Norm error above which a block counts as differing, of its mean norm; 0.001 by default, 0.02 for int8.",
            show_default=False,
        ),
    ] = None,
    size: SizeOption = None,
    square: SquareOption = False,
    depth_output: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="B's output that is the depth, where it does not tell.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw the errors over the blocks.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Show where two files of one model part: norms block by block, and depth."""
    from dptscope.commands.photos import on_each_photo
    from dptscope.comparison import BOUND, BOUND_OF_INT8, Comparison, open_pair
    from dptscope.errors import DptscopeError

    pair = open_pair(reference, other, depth_output, provider, threads)
    if plot is not None and not pair.has_tokens:
        raise DptscopeError(
            f"{other}: expected the tokens of every block for --plot, got depth alone; leave --plot away"
        )

    def differ(photo: Path, photo_bgr: UInt8Array) -> Iterator[PhotoDifference]:
        yield pair.differ(photo_bgr, str(photo), size, square)

    found: list[PhotoDifference] = []
    incomplete: DptscopeError | None = None
    try:
        for difference in on_each_photo(images, differ):
            found.append(difference)
    except DptscopeError as error:
        if not found:
            raise
        incomplete = error  # some photos failed: what the others gave is shown first
    card = pair.other.card
    if bound is None:
        bound = BOUND_OF_INT8 if card is not None and card.storage == "int8" else BOUND
    comparison = Comparison(reference.name, other.name, bound, tuple(found))
    stated = card.fidelity if card is not None else None
    if stated is not None and stated.reference != pair.reference.card.model_id:
        stated = None  # of another file than this one
    if plot is not None:
        write_plot(comparison, plot)
    if as_json:
        import json

        typer.echo(json.dumps(comparison.to_json() | {"stated": stated and asdict(stated)}, indent=2))
    else:
        show(comparison)
        if stated is not None:
            typer.echo(
                f"{other.name} was made of {reference.name}, and measured then on {stated.photos} photos: worst δ1 "
                f"{stated.delta1.worst:.4f}, correlation {stated.correlation.worst:.6f}, norms {max(stated.norms):.1e}"
            )
    if incomplete is not None:
        raise incomplete


def write_plot(comparison: Comparison, path: Path) -> None:
    """Draw the errors over the blocks into a PNG.

    Raises:
        DptscopeError: it cannot be written.
    """
    from dptscope.files.atomic import write_file
    from dptscope.files.encode import encode_png
    from dptscope.pictures.block_errors import block_errors_picture

    title = f"{comparison.other} against {comparison.reference}"
    series = {
        "norms, worst": [norms.worst for norms in comparison.norms],
        "norms, mean": [norms.mean for norms in comparison.norms],
        "tokens, worst": [tokens.worst for tokens in comparison.tokens],
    }
    write_file(path, encode_png(block_errors_picture(series, comparison.bound, title)))


def show(comparison: Comparison) -> None:
    """Print a comparison as tables on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    count = len(comparison.photos)
    photos = comparison.photos[0].photo if count == 1 else f"{count} photos"
    sizes = {photo.input_size for photo in comparison.photos}
    at = " × ".join(map(str, sizes.pop())) if len(sizes) == 1 else f"{len(sizes)} sizes"
    console.print(f"{comparison.other} against {comparison.reference}, {photos} at {at}", soft_wrap=True)
    several = count > 1
    headings = ["worst", "mean"] if several else [""]
    if comparison.norms:
        blocks = Table(box=None, pad_edge=False)
        for heading in ["block", *(f"{what} {h}".strip() for what in ("norms", "tokens") for h in headings)]:
            blocks.add_column(heading, justify="right")
        for block, (norms, tokens) in enumerate(zip(comparison.norms, comparison.tokens, strict=True)):
            figures = [f"{value:.1e}" for both in (norms, tokens) for value in (both.worst, both.mean)[: len(headings)]]
            blocks.add_row(str(block), *figures, style="bold" if norms.worst > comparison.bound else None)
        console.print(blocks)
        console.print("largest difference in a block, of its mean norm", soft_wrap=True)
    depth = Table(box=None, pad_edge=False)
    depth.add_column("depth")
    for heading in headings:
        depth.add_column(heading, justify="right")
    for name, figure, form in (
        ("correlation", comparison.correlation, ".6f"),
        ("δ1", comparison.delta1, ".4f"),
        ("δ at 1.05", comparison.delta105, ".4f"),
        ("largest difference, of the std", comparison.largest, ".1e"),
    ):
        depth.add_row(name, *(format(value, form) for value in (figure.worst, figure.mean)[: len(headings)]))
    console.print()
    console.print(depth)
    console.print()
    console.print(verdict(comparison), soft_wrap=True)


def verdict(comparison: Comparison) -> str:
    """Where they part, in a line."""
    if not comparison.norms:
        return f"blocks were not compared: {comparison.other} gives no tokens"
    bound, first = f"{comparison.bound:g}", comparison.first_beyond
    if first is None:
        return f"no block's norms differ by more than {bound}"
    return f"first block beyond {bound}: {first} ({comparison.norms[first].worst:.1e})"
