"""``dptscope norms``: the norms of every block's tokens, and what else can be asked of tokens, in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    from dptscope.arrays import Float32Array, UInt8Array
    from dptscope.model import DepthModel
    from dptscope.registers import AddedRegisters
    from dptscope.scene import Scene

    Writers = dict[str, tuple[str, Callable[[Scene], bytes]]]

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
            help="png: all blocks in one picture; json: statistics and outliers; npy: float32 arrays.",
        ),
    ] = "png,json",
    pca: Annotated[
        bool, typer.Option("--pca", help="Also the first three principal components of the tokens as colours.")
    ] = False,
    similar_to: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="Y X", help="Also the cosine similarity to the token at this pixel of the photo."),
    ] = None,
    registers: RegistersOption = None,
    count: CountOption = None,
    replace: ReplaceOption = None,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write the L2 norms of every transformer block's tokens."""
    from dptscope.commands.photos import parse_formats
    from dptscope.model import load

    chosen = parse_formats(formats, FORMATS)
    loaded = load(model, provider, threads)
    added = added_registers(loaded.card, registers, count, replace)
    print_each(write_norms(loaded, images, output, chosen, size, square, pca, similar_to, added))


def write_norms(
    model: DepthModel,
    images: Sequence[Path],
    folder: Path,
    formats: Sequence[str],
    size: int | None,
    square: bool,
    pca: bool = False,
    similar_to: tuple[int, int] | None = None,
    added: AddedRegisters | None = None,
) -> Iterator[Path]:
    """Write ``STEM_norms``, ``STEM_pca`` and ``STEM_similar`` in the formats for each photo and yield their paths."""
    from dptscope.commands.photos import for_each_photo, write_formats

    def write(photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        if similar_to is not None:
            check_pixel("--similar-to", similar_to, (image_bgr.shape[0], image_bgr.shape[1]))
        scene = model.prepare(
            image_bgr, size=size, square=square, keep_tokens=pca or similar_to is not None, registers=added
        )
        height, width = scene.input_size
        title = f"{photo.stem}   {model.card.variant} {model.card.architecture}   {height} × {width}   "
        title += "" if added is None else f"{added.in_words()}   "
        writers = norm_writers(model, photo, scene, title, formats)
        if pca:
            writers |= component_writers(scene, title, formats)
        if similar_to is not None:
            writers |= similarity_writers(scene, similar_to, title, formats)
        yield from write_formats(folder, stem, scene, writers, tuple(writers))

    return for_each_photo(images, folder, write)


def norm_writers(model: DepthModel, photo: Path, scene: Scene, title: str, formats: Sequence[str]) -> Writers:
    """The norms of a photo's tokens."""
    from dptscope.files.encode import encode_json, encode_png
    from dptscope.norms import norms_report
    from dptscope.pictures.block_sheets import norm_sheet

    statistics = scene.statistics()
    sizes = scene.photo_size, scene.input_size
    tokens = scene.cls_tokens, scene.register_tokens
    report = norms_report(model.card, model.path.name, photo, *sizes, statistics, *tokens)
    if scene.added_registers is not None:
        report["registers"] = scene.added_registers.in_words()
    writers: Writers = {}
    if "png" in formats:
        sheet = f"{title}L2 norms of tokens"
        writers["png"] = (
            "_norms.png",
            lambda found: encode_png(norm_sheet(found.block_norms, statistics, sheet, found.special_norms())),
        )
    if "json" in formats:
        writers["json"] = ("_norms.json", lambda _: encode_json(report))
    return writers | (array_writers("norms", scene.block_norms) if "npy" in formats else {})


def component_writers(scene: Scene, title: str, formats: Sequence[str]) -> Writers:
    """What the tokens of a photo vary in."""
    from dptscope.files.encode import encode_png
    from dptscope.pictures.block_sheets import components_sheet
    from dptscope.tokens import components_of_blocks

    components = components_of_blocks(scene.block_tokens)
    writers: Writers = {}
    if "png" in formats:
        sheet = f"{title}principal components of tokens, outliers left out"
        writers["pca"] = ("_pca.png", lambda _: encode_png(components_sheet(components, sheet)))
    return writers | (array_writers("pca", [found.colours() for found in components]) if "npy" in formats else {})


def similarity_writers(scene: Scene, pixel: tuple[int, int], title: str, formats: Sequence[str]) -> Writers:
    """How similar a photo's tokens are to the one at a pixel of it."""
    from dptscope.files.encode import encode_png
    from dptscope.pictures.block_sheets import similarity_sheet
    from dptscope.tokens import similarity

    places = [token_at(pixel, scene.photo_size, tokens_hwc) for tokens_hwc in scene.block_tokens]
    maps = [similarity(*block) for block in zip(scene.block_tokens, places, strict=True)]
    writers: Writers = {}
    if "png" in formats:
        sheet = f"{title}cosine similarity to the token at y {pixel[0]}, x {pixel[1]}"
        writers["similar"] = ("_similar.png", lambda _: encode_png(similarity_sheet(maps, places, sheet)))
    return writers | (array_writers("similar", maps) if "npy" in formats else {})


def array_writers(name: str, maps: Sequence[Float32Array]) -> Writers:
    """``STEM_NAME.npy``, the blocks along its first axis; where the blocks' grids differ, one file a block."""
    import numpy as np

    from dptscope.files.encode import encode_npy

    if len({values.shape for values in maps}) == 1:
        return {f"{name} npy": (f"_{name}.npy", lambda _: encode_npy(np.stack(maps)))}
    return {
        f"{name} npy {block}": (f"_{name}_block_{block:02d}.npy", partial(lambda array, _: encode_npy(array), values))
        for block, values in enumerate(maps)
    }


def check_pixel(option: str, pixel: tuple[int, int], photo_hw: tuple[int, int]) -> None:
    """Raises:
    ImageError: it lies outside the photo.
    """
    from dptscope.errors import ImageError

    if not all(0 <= place < side for place, side in zip(pixel, photo_hw, strict=True)):
        height, width = photo_hw
        raise ImageError(
            f"{option}: expected a pixel of the photo, y below {height} and x below {width}, got {pixel[0]} {pixel[1]}"
        )


def token_at(pixel: tuple[int, int], photo_hw: tuple[int, int], tokens_hwc: Float32Array) -> tuple[int, int]:
    """Row and column of the token that sees a pixel of the photo."""
    row, column = (
        min(int((place + 0.5) * cells / side), cells - 1)
        for place, side, cells in zip(pixel, photo_hw, tokens_hwc.shape, strict=False)
    )
    return row, column
