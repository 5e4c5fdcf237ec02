"""``dptscope norms``: the norms of every block's tokens, in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.options import (
    ImagesArgument,
    ModelArgument,
    OutputOption,
    ProviderOption,
    SizeOption,
    SquareOption,
    ThreadsOption,
    print_each,
)

if TYPE_CHECKING:
    from dptscope.arrays import UInt8Array
    from dptscope.commands.photos import Writers
    from dptscope.model import DepthModel
    from dptscope.scene import Scene

FORMATS = ("png", "json", "npy")


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
    from dptscope.commands.photos import parse_formats
    from dptscope.model import load

    chosen = parse_formats(formats, FORMATS)
    print_each(write_norms(load(model, provider, threads), images, output, chosen, size, square))


def writers(model: DepthModel, photo: Path, scene: Scene) -> Writers[Scene]:
    """The formats of a photo's norms."""
    from dptscope.files.encode import encode_json, encode_png
    from dptscope.norms import norms_report
    from dptscope.pictures.norms import norm_sheet

    card, (height, width) = model.card, scene.input_size
    title = f"{photo.stem}   {card.variant} {card.architecture}   {height} × {width}   L2 norms of tokens"
    statistics = scene.statistics()
    report = norms_report(card, model.path.name, photo, scene.photo_size, scene.input_size, statistics)
    return {
        "png": ("_norms.png", lambda found: encode_png(norm_sheet(found.block_norms, statistics, title))),
        "json": ("_norms.json", lambda _: encode_json(report)),
    }


def array_writers(scene: Scene) -> Writers[Scene]:
    """``STEM_norms.npy``, ``[blocks, grid_height, grid_width]``; where the blocks' grids differ, one file a block."""
    import numpy as np

    from dptscope.files.encode import encode_npy

    norms = scene.block_norms
    if len({norms_hw.shape for norms_hw in norms}) == 1:
        return {"npy": ("_norms.npy", lambda _: encode_npy(np.stack(norms)))}
    return {
        f"npy {block}": (f"_norms_block_{block:02d}.npy", partial(lambda array, _: encode_npy(array), norms_hw))
        for block, norms_hw in enumerate(norms)
    }


def write_norms(
    model: DepthModel, images: Sequence[Path], folder: Path, formats: Sequence[str], size: int | None, square: bool
) -> Iterator[Path]:
    """Write ``STEM_norms.png``, ``STEM_norms.json`` and ``STEM_norms.npy`` for each photo and yield their paths."""
    from dptscope.commands.photos import for_each_photo, write_formats

    def write(photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        scene = model.prepare(image_bgr, size=size, square=square)
        arrays = array_writers(scene) if "npy" in formats else {}
        yield from write_formats(folder, stem, scene, {**writers(model, photo, scene), **arrays}, (*formats, *arrays))

    return for_each_photo(images, folder, write)
