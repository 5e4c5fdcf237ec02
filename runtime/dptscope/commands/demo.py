"""What ``dptscope demo`` draws: the small model that ships with the package, looked at from all sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.contract import FUSION_BLOCKS
from dptscope.files.photos import read_image, write_atomically, write_png
from dptscope.model import DepthModel
from dptscope.opencv import cv2
from dptscope.pictures.colours import BACKGROUND, GREY, depth_picture, put_text, text_width
from dptscope.pictures.norm_sheet import norm_sheet
from dptscope.scales import FusionScales
from dptscope.scene import Scene

ASSETS = Path(__file__).parents[1] / "assets"
CHECKPOINT = ASSETS / "dptscope_tiny.safetensors"
MODEL = ASSETS / "dptscope_tiny.onnx"
"""The export of :data:`CHECKPOINT`; what belongs to it lies beside it."""

SCALINGS = (-1.0, 0.0, 0.5, 1.0, 2.0)

_TILE_HEIGHT = 150  # pixels
_GAP = 12
_TEXT = 11.0


def demo_photos() -> list[Path]:
    """The pictures of the demo: a rendered scene, where the model is at home, and a photo, where it is less so."""
    return sorted((ASSETS / "photos").iterdir())


def copy_model(folder: Path) -> Path:
    """Put the exported model and the files beside it into ``folder``; returns the model's path."""
    for source in sorted(ASSETS.glob(f"{MODEL.stem}*{MODEL.suffix}")):
        write_atomically(folder / source.name, source.read_bytes())
    return folder / MODEL.name


def copy_photos(folder: Path) -> list[Path]:
    """Put the pictures of the demo into ``folder``."""
    copies = []
    for source in demo_photos():
        write_atomically(folder / source.name, source.read_bytes())
        copies.append(folder / source.name)
    return copies


def write_pictures(model: DepthModel, photo: Path, folder: Path) -> Iterator[Path]:
    """Write ``STEM_depth.png``, ``STEM_norms.png`` and ``STEM_fusion.png`` and yield their paths."""
    scene = model.prepare(read_image(photo))
    pictures = {
        "depth": depth_picture(scene.depth(), model.card.depth_kind),
        "norms": norm_sheet(
            scene.block_norms, scene.statistics(), f"{photo.stem}   L2 norms of the tokens of every block"
        ),
        "fusion": fusion_sheet(scene, model, f"{photo.stem}   depth with one fusion block scaled, the others at 1"),
    }
    for kind, picture in pictures.items():
        path = folder / f"{photo.stem}_{kind}.png"
        write_png(path, picture)
        yield path


def fusion_sheet(scene: Scene, model: DepthModel, title: str) -> UInt8Array:
    """Depth with each fusion block scaled alone: a row a block, a column a factor; every tile has its own colour range.

    Args:
        scene: a prepared photo.
        model: the model that prepared it.
        title: line above the grid.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    photo_h, photo_w = scene.photo_size
    tile_w = round(_TILE_HEIGHT * photo_w / photo_h)
    left, top = 2 * _GAP + text_width("fusion block 4", _TEXT), 5 * _GAP
    height = top + len(FUSION_BLOCKS) * (_TILE_HEIGHT + _GAP)
    width = left + len(SCALINGS) * (tile_w + _GAP)
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    put_text(canvas, title, _GAP, 2 * _GAP, _TEXT + 1)
    for column, factor in enumerate(SCALINGS):
        put_text(canvas, f"x {factor:g}", left + column * (tile_w + _GAP), top - _GAP // 2, _TEXT, GREY)
    for row, block in enumerate(FUSION_BLOCKS):
        upper = top + row * (_TILE_HEIGHT + _GAP)
        put_text(canvas, f"fusion block {block}", _GAP, upper + _TILE_HEIGHT // 2, _TEXT)
        for column, factor in enumerate(SCALINGS):
            depth = depth_picture(scene.raw_depth(_only(block, factor)), model.card.depth_kind)
            tile = cv2.resize(depth, (tile_w, _TILE_HEIGHT), interpolation=cv2.INTER_AREA)
            start = left + column * (tile_w + _GAP)
            canvas[upper : upper + _TILE_HEIGHT, start : start + tile_w] = tile
    return canvas


def _only(block: int, factor: float) -> FusionScales:
    """All blocks at 1 but one."""
    one, two, three, four = (factor if other == block else 1.0 for other in FUSION_BLOCKS)
    return one, two, three, four
