"""What ``dptscope demo`` draws: the small model that ships with the package, looked at from all sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dptscope.commands.photos import Writers, write_formats
from dptscope.files.atomic import write_file
from dptscope.files.encode import encode_png
from dptscope.files.photos import read_image
from dptscope.model import DepthModel
from dptscope.pictures.block_sheets import norm_sheet
from dptscope.pictures.depth import depth_picture
from dptscope.pictures.fusion_sheet import fusion_sheet
from dptscope.scene import Scene

ASSETS = Path(__file__).parents[1] / "assets"
CHECKPOINT = ASSETS / "dptscope_tiny.safetensors"
MODEL = ASSETS / "dptscope_tiny.onnx"
"""The export of :data:`CHECKPOINT`; what belongs to it lies beside it."""


def demo_photos() -> list[Path]:
    """The pictures of the demo: a rendered scene, where the model is at home, and a photo, where it is less so."""
    return sorted((ASSETS / "photos").iterdir())


def copy_model(folder: Path) -> Path:
    """Put the exported model and the files beside it into ``folder``; returns the model's path."""
    for source in sorted(ASSETS.glob(f"{MODEL.stem}*{MODEL.suffix}")):
        write_file(folder / source.name, source.read_bytes())
    return folder / MODEL.name


def copy_photos(folder: Path) -> list[Path]:
    """Put the pictures of the demo into ``folder``."""
    copies = []
    for source in demo_photos():
        write_file(folder / source.name, source.read_bytes())
        copies.append(folder / source.name)
    return copies


def write_pictures(model: DepthModel, photo: Path, folder: Path) -> Iterator[Path]:
    """Write ``STEM_depth.png``, ``STEM_norms.png`` and ``STEM_fusion.png`` and yield their paths."""
    kind = model.card.depth_kind
    norms = f"{photo.stem}   L2 norms of the tokens of every block"
    fusion = f"{photo.stem}   depth with one fusion block scaled, the others at 1"
    writers: Writers[Scene] = {
        "depth": ("_depth.png", lambda scene: encode_png(depth_picture(scene.depth(), kind))),
        "norms": (
            "_norms.png",
            lambda scene: encode_png(norm_sheet(scene.block_norms, scene.statistics(), norms, scene.special_norms())),
        ),
        "fusion": ("_fusion.png", lambda scene: encode_png(fusion_sheet(scene, kind, fusion))),
    }
    yield from write_formats(folder, photo.stem, model.prepare(read_image(photo)), writers, tuple(writers))
