"""``dptscope depth``: the depth of photos, in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dptscope.commands.options import (
    CountOption,
    FarSkyOption,
    FocalOption,
    FovOption,
    ImagesArgument,
    ModelArgument,
    OutputOption,
    ProviderOption,
    RegistersOption,
    ReplaceOption,
    Scales,
    SizeOption,
    SquareOption,
    ThreadsOption,
    added_registers,
    print_each,
)

if TYPE_CHECKING:
    from dptscope.arrays import Float32Array, UInt8Array
    from dptscope.commands.photos import Writers
    from dptscope.model import DepthModel, Prediction
    from dptscope.registers import AddedRegisters
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
            help="png: in colour, bright is near; png16: 16 bits, metres × 256 or the photo's own range, as the file's "
            "description says; npy: float32 as is, and where the sky is or how sure the depth, of models that say so.",
        ),
    ] = "png,png16,npy",
    focal: FocalOption = None,
    fov: FovOption = None,
    far_sky: FarSkyOption = False,
    registers: RegistersOption = None,
    count: CountOption = None,
    replace: ReplaceOption = None,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write the depth of photos, at their own sizes."""
    from dptscope.commands.photos import parse_formats
    from dptscope.model import load

    chosen = parse_formats(formats, tuple(writers()))
    loaded = load(model, provider, threads)
    added = added_registers(loaded.card, registers, count, replace)
    wanted = Wanted(size, square, scales, focal, fov, far_sky, added)
    print_each(write_depth(loaded, images, output, chosen, wanted))


@dataclass(frozen=True)
class Wanted:
    """Arguments of :meth:`dptscope.DepthModel.predict`."""

    size: int | None = None
    square: bool = False
    fusion_scales: FusionScales = (1.0, 1.0, 1.0, 1.0)
    focal: float | None = None
    fov: float | None = None
    far_sky: bool = False
    registers: AddedRegisters | None = None


def writers() -> Writers[Prediction]:
    """The formats of a depth."""
    from dptscope.files.encode import encode_npy, encode_png
    from dptscope.meaning import sixteen_bits_in_words
    from dptscope.pictures.depth import depth_16_bit, depth_picture

    return {
        "png": ("_depth.png", lambda found: encode_png(depth_picture(found.depth, found.kind))),
        "png16": (
            "_depth16.png",
            lambda found: encode_png(depth_16_bit(found.depth, found.kind), sixteen_bits_in_words(found.kind)),
        ),
        "npy": ("_depth.npy", lambda found: encode_npy(found.depth)),
    }


def write_depth(
    model: DepthModel, images: Sequence[Path], folder: Path, formats: Sequence[str], wanted: Wanted
) -> Iterator[Path]:
    """Write ``STEM_depth.png``, ``STEM_depth16.png``, ``STEM_depth.npy`` and beside that ``STEM_sky.npy`` or
    ``STEM_confidence.npy`` for each photo, and yield their paths."""
    from dptscope.commands.failures import complain
    from dptscope.commands.photos import for_each_photo, write_formats
    from dptscope.files.encode import encode_npy

    said: set[str] = set()

    def write(photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        found = model.predict(image_bgr, **vars(wanted))
        if found.kind == "distance":
            for line in _notes_on_metres(model, photo, image_bgr):
                if line not in said:
                    said.add(line)
                    complain(f"note: {line}")
        yield from write_formats(folder, stem, found, writers(), formats)
        for name, map_hw in (("sky", found.sky), ("confidence", found.confidence)):
            if map_hw is not None:
                other: Writers[Float32Array] = {"npy": (f"_{name}.npy", encode_npy)}
                yield from write_formats(folder, stem, map_hw, other, formats)

    return for_each_photo(images, folder, write)


def _notes_on_metres(model: DepthModel, photo: Path, image_bgr: UInt8Array) -> Iterator[str]:
    """Say what a distance is in, and what the camera noted; a guess is called one."""
    from dptscope.camera import view_of_film
    from dptscope.files.exif import focal_on_film
    from dptscope.meaning import in_words

    if model.card.canonical_focal is None:
        return
    yield f"the depth is in {in_words(model.card)}"
    if millimetres := focal_on_film(photo.read_bytes()):
        view = view_of_film(millimetres, (image_bgr.shape[0], image_bgr.shape[1]))
        yield (
            f"{photo}: its Exif says {millimetres} mm as on 35 mm film, from which --fov {view:.1f} would follow: a guess, "
            "and wrong for a part of a photo"
        )
