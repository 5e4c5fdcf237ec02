"""``dptscope attention``: what a token attends to and who attends to it, in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dptscope.commands.norms import FORMATS, check_pixel, token_at
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
    from dptscope.arrays import Float32Array, UInt8Array
    from dptscope.commands.norms import Writers
    from dptscope.model import DepthModel
    from dptscope.scene import Scene


def attention(
    model: ModelArgument,
    images: ImagesArgument,
    output: OutputOption,
    token: Annotated[
        tuple[int, int] | None, typer.Option(metavar="Y X", help="The token at this pixel of the photo.")
    ] = None,
    class_token: Annotated[bool, typer.Option("--class-token", help="The class token, in its place.")] = False,
    outliers: Annotated[
        bool,
        typer.Option("--outliers", help="Each token of outstanding norm: who attends to it, in all blocks together."),
    ] = False,
    block: Annotated[
        int | None, typer.Option(metavar="K", help="The block that attends, or whose outliers; the last by default.")
    ] = None,
    size: SizeOption = None,
    square: SquareOption = False,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="png: every head and their mean; json: sums and maxima; npy: float32 arrays.",
        ),
    ] = "png,json,npy",
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
) -> None:
    """Write what a token attends to and who attends to it."""
    from dptscope.commands.photos import parse_formats
    from dptscope.errors import DptscopeError
    from dptscope.model import load

    wanted = [
        option
        for option, given in {"--token": token, "--class-token": class_token, "--outliers": outliers}.items()
        if given
    ]
    if len(wanted) != 1:
        raise DptscopeError(
            f"expected one of --token Y X, --class-token and --outliers, got {' and '.join(wanted) or 'none'}"
        )
    chosen = parse_formats(formats, FORMATS)
    loaded = load(model, provider, threads)
    last = len(loaded.card.blocks) - 1
    if block is not None and not 0 <= block <= last:
        raise DptscopeError(f"--block: expected a block from 0 to {last}, got {block}")
    if class_token and not loaded.card.has_cls:
        raise DptscopeError(f"--class-token: expected a model that has one, got {loaded.card.variant}")
    which = last if block is None else block
    print_each(write_attention(loaded, images, output, chosen, size, square, which, "class" if class_token else token))


def write_attention(
    model: DepthModel,
    images: Sequence[Path],
    folder: Path,
    formats: Sequence[str],
    size: int | None,
    square: bool,
    block: int,
    of: tuple[int, int] | Literal["class"] | None,
) -> Iterator[Path]:
    """Write ``STEM_attention_block_KK`` of the token at a pixel, ``STEM_class_attention_block_KK``, or
    ``STEM_outliers_block_KK`` where neither is named, in the formats for each photo and yield their paths."""
    from dptscope.commands.failures import complain
    from dptscope.commands.photos import for_each_photo, write_formats

    def write(photo: Path, stem: str, image_bgr: UInt8Array) -> Iterator[Path]:
        if isinstance(of, tuple):
            check_pixel("--token", of, (image_bgr.shape[0], image_bgr.shape[1]))
        scene = model.prepare(image_bgr, size=size, square=square, keep_tokens=True)
        report = {
            "model": model.path.name,
            "model_id": model.card.model_id,
            "variant": model.card.variant,
            "architecture": model.card.architecture,
            "photo": str(photo),
            "photo_size": list(scene.photo_size),
            "input_size": list(scene.input_size),
            "block": block,
        }
        title = f"{photo.stem}   {model.card.variant} {model.card.architecture}   block {block}   "
        if of is None:
            if not scene.statistics()[block].outliers:
                complain(f"note: {photo}: no outliers in block {block}")
            writers = outlier_writers(scene, block, report, title)
        else:
            writers = token_writers(scene, block, of, report, title)
        yield from write_formats(folder, stem, scene, writers, formats)

    return for_each_photo(images, folder, write)


def token_writers(
    scene: Scene, block: int, of: tuple[int, int] | Literal["class"], report: dict[str, Any], title: str
) -> Writers:
    """One token's attention in one block."""
    import numpy as np

    from dptscope.files.encode import encode_json, encode_npy, encode_png
    from dptscope.pictures.attention_sheets import attention_sheet

    place = None if of == "class" else token_at(of, scene.photo_size, scene.block_norms[block])
    found = scene.attention(block, place or "class")
    window = None if found.window is None else [[axis.start, axis.stop] for axis in found.window]
    heads = [
        {
            "row_special": found.row_special[head].tolist(),
            "column_special": found.column_special[head].tolist(),
            "attends_most_to": [int(place) for place in np.unravel_index(row_hw.argmax(), row_hw.shape)],
            "most": float(row_hw.max()),
            "received": float(found.column[head].sum() + found.column_special[head].sum()),
        }
        for head, row_hw in enumerate(found.row)
    ]
    told = report | {
        "pixel": None if place is None else list(of),
        "token": "class" if place is None else list(place),
        "window": window,
        "heads": heads,
    }
    where = f"{title}{'class token' if place is None else f'token {place[0]}, {place[1]}'}: "
    name = f"{'_class' if place is None else ''}_attention_block_{block:02d}"
    return {
        "png": (f"{name}.png", lambda _: encode_png(attention_sheet(found, place, where))),
        "json": (f"{name}.json", lambda _: encode_json(told)),
        "npy": (f"{name}.npy", lambda _: encode_npy(np.stack([found.row, found.column]))),
    }


def outlier_writers(scene: Scene, block: int, report: dict[str, Any], title: str) -> Writers:
    """Who attends to each outlier of a block: the mean over the heads, summed over all blocks of its grid. Beside what each
    receives in each block stands what the median token does."""
    import numpy as np

    from dptscope.files.encode import encode_json, encode_npy, encode_png
    from dptscope.norms import RULE
    from dptscope.pictures.attention_sheets import outlier_sheet

    outliers = scene.statistics()[block].outliers
    blocks = scene.attending_blocks(block)
    maps_nhw = np.zeros((len(outliers), *scene.block_norms[block].shape), np.float32)
    received_bhw: list[Float32Array] = []
    for index in blocks if outliers else ():
        attention = scene.block_attention(index)
        received_bhw.append(attention.received().grid)
        for map_hw, (row, column, _) in zip(maps_nhw, outliers, strict=True):
            map_hw += attention.of((row, column)).column.mean(axis=0)
    told = report | {
        "rule": RULE,
        "blocks": blocks,
        "median_received": [float(np.median(received_hw)) for received_hw in received_bhw],
        "outliers": [
            {
                "position": [row, column],
                "norm": norm,
                "received": [float(received_hw[row, column]) for received_hw in received_bhw],
            }
            for row, column, norm in outliers
        ],
    }
    name = f"_outliers_block_{block:02d}"
    writers: Writers = {
        "json": (f"{name}.json", lambda _: encode_json(told)),
        "npy": (f"{name}.npy", lambda _: encode_npy(maps_nhw)),
    }
    if outliers:
        sums_hw = np.sum(received_bhw, axis=0)
        much = [float(sums_hw[row, column]) for row, column, _ in outliers]
        what = (
            f"{title}who attends to each outlier in blocks {blocks[0]} to {blocks[-1]}, and how much it receives; "
            f"a median token {np.median(sums_hw):.3g}"
        )
        writers["png"] = (f"{name}.png", lambda _: encode_png(outlier_sheet(list(maps_nhw), outliers, much, what)))
    return writers
