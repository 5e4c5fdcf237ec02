"""What ``dptscope depth`` and ``dptscope norms`` write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.card import DepthKind
from dptscope.errors import DptscopeError
from dptscope.files.atomic import clear_leftovers
from dptscope.files.photos import output_stems, read_image, write_json, write_npy, write_png
from dptscope.model import DepthModel
from dptscope.norms import RULE
from dptscope.pictures.colours import depth_picture, normalise
from dptscope.pictures.norm_sheet import norm_sheet
from dptscope.scales import FusionScales

DEPTH_FORMATS = ("png", "png16", "npy")
NORM_FORMATS = ("png", "json", "npy")
METRIC_STEPS = 256.0  # 16-bit steps a metre, as KITTI's depth maps have them: up to 255.99 m


def parse_formats(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Split ``png,npy``.

    Raises:
        DptscopeError: a format that is not known.
    """
    formats = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        raise DptscopeError(f"expected --format of {', '.join(known)}, got {', '.join(unknown) or 'nothing'}")
    return formats


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
    for stem, image_bgr in _photos(images, folder):
        depth_hw = model.predict(image_bgr, size=size, square=square, fusion_scales=scales).depth
        _make_folder(folder)
        if "png" in formats:
            write_png(folder / f"{stem}_depth.png", depth_picture(depth_hw, model.card.depth_kind))
            yield folder / f"{stem}_depth.png"
        if "png16" in formats:
            write_png(folder / f"{stem}_depth16.png", depth_16_bit(depth_hw, model.card.depth_kind))
            yield folder / f"{stem}_depth16.png"
        if "npy" in formats:
            write_npy(folder / f"{stem}_depth.npy", depth_hw)
            yield folder / f"{stem}_depth.npy"


def depth_16_bit(depth_hw: Float32Array, kind: DepthKind) -> NDArray[np.uint16]:
    """Depth as uint16 ``[height, width]``: metres × 256 for metric models, the map's own range for relative ones.

    Raises:
        DptscopeError: a metric depth that 16 bits do not hold.
    """
    if kind == "relative":
        return np.rint(normalise(depth_hw) * 65535).astype(np.uint16)
    farthest = float(depth_hw.max())
    if farthest * METRIC_STEPS > 65535:
        raise DptscopeError(
            f"expected metres up to {65535 / METRIC_STEPS:.1f} for a 16-bit PNG, got {farthest:.1f}; use npy"
        )
    return np.rint(np.maximum(depth_hw, 0) * METRIC_STEPS).astype(np.uint16)


def write_norms(
    model: DepthModel, images: Sequence[Path], folder: Path, formats: Sequence[str], size: int | None, square: bool
) -> Iterator[Path]:
    """Write ``STEM_norms.png``, ``STEM_norms.json`` and ``STEM_norms.npy`` for each photo and yield their paths.

    The array is ``[blocks, grid_height, grid_width]``; where the blocks' grids differ, there is one file a block.
    """
    for stem, image_bgr in _photos(images, folder):
        scene = model.prepare(image_bgr, size=size, square=square)
        _make_folder(folder)
        statistics = scene.statistics()
        if "png" in formats:
            height, width = scene.input_size
            title = f"{stem}   {model.card.variant} {model.card.architecture}   {height} x {width}   L2 norms of tokens"
            write_png(folder / f"{stem}_norms.png", norm_sheet(scene.block_norms, statistics, title))
            yield folder / f"{stem}_norms.png"
        if "json" in formats:
            summary = {
                "model": model.path.name,
                "model_id": model.card.model_id,
                "variant": model.card.variant,
                "image": stem,
                "photo_size": list(scene.photo_size),
                "input_size": list(scene.input_size),
                "rule": RULE,
                "blocks": [block.to_json() for block in statistics],
            }
            write_json(folder / f"{stem}_norms.json", summary)
            yield folder / f"{stem}_norms.json"
        if "npy" in formats:
            yield from _write_norm_arrays(folder, stem, scene.block_norms)


def _write_norm_arrays(folder: Path, stem: str, norms: Sequence[Float32Array]) -> Iterator[Path]:
    if len({norms_hw.shape for norms_hw in norms}) == 1:
        write_npy(folder / f"{stem}_norms.npy", np.stack(norms))
        yield folder / f"{stem}_norms.npy"
        return
    for index, norms_hw in enumerate(norms):
        path = folder / f"{stem}_norms_block_{index:02d}.npy"
        write_npy(path, norms_hw)
        yield path


def _photos(images: Sequence[Path], folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Each photo with the name that its files begin with."""
    stems = output_stems(images)
    clear_leftovers(folder)
    for image, stem in zip(images, stems, strict=True):
        yield stem, read_image(image)


def _make_folder(folder: Path) -> None:
    """Only when the first photo has been read and has run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DptscopeError(f"{folder}: expected a folder to write to ({error.strerror})") from error
