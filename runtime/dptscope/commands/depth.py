"""``dptscope depth``: the depth of photos, in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.options import (
    ImagesArgument,
    ModelArgument,
    OutputOption,
    ProviderOption,
    Scales,
    SizeOption,
    SquareOption,
    ThreadsOption,
    print_each,
)

if TYPE_CHECKING:
    from dptscope.arrays import UInt8Array
    from dptscope.commands.photos import Writers
    from dptscope.model import DepthModel, Prediction
    from dptscope.scales import FusionScales


def depth(
    model: ModelArgument,
    images: ImagesArgument,
    output: OutputOption,
    size: SizeOption = None,
    square: SquareOption = False,
    scales: Annotated[
        Scales, typer.Option(metavar="S1 S2 S3 S4", help="Factors on fusion blocks 1 (finest) to 4 (coarsest).")
    ] = (1.0, 1.0, 1.0, 1.0),
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="png: in colour, bright is near; png16: 16 bits, metres × 256 or the photo's own range; npy: float32 as is.",
        ),
    ] = "png,png16,npy",
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write the depth of photos, at their own sizes."""
    from dptscope.commands.photos import parse_formats
    from dptscope.model import load

    chosen = parse_formats(formats, tuple(writers()))
    print_each(write_depth(load(model, provider, threads), images, output, chosen, scales, size, square))


def writers() -> Writers[Prediction]:
    """The formats of a depth."""
    from dptscope.files.encode import encode_npy, encode_png
    from dptscope.pictures.depth import depth_16_bit, depth_picture

    return {
        "png": ("_depth.png", lambda found: encode_png(depth_picture(found.depth, found.kind))),
        "png16": ("_depth16.png", lambda found: encode_png(depth_16_bit(found.depth, found.kind))),
        "npy": ("_depth.npy", lambda found: encode_npy(found.depth)),
    }


def write_depth(
    model: DepthModel,
    images: Sequence[Path],
    folder: Path,
    formats: Sequence[str],
    scales: FusionScales,
    size: int | None,
    square: bool,
) -> Iterator[Path]:
    """Write ``STEM_depth.png``, ``STEM_depth16.png`` and ``STEM_depth.npy`` for each photo and yield their paths."""
    from dptscope.commands.photos import for_each_photo, write_formats

    def write(_photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        found = model.predict(image_bgr, size=size, square=square, fusion_scales=scales)
        yield from write_formats(folder, stem, found, writers(), formats)

    return for_each_photo(images, folder, write)
