"""Put trained weights into the package: ``python -m demo_model.ship WEIGHTS.safetensors``.

Writes the assets of ``dptscope demo``: the checkpoint, its export with companion and preview, and the two demo pictures; the
README's pictures, which are of those; and what the weights are worth: ``figures.json`` and the tables of this folder's texts.
Needs Debian's Chromium for two of the pictures.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import cv2
import typer

from demo_model import evaluate
from demo_model.files import write_atomically
from demo_model.photos import read_rgb, wheel_file
from demo_model.pictures import CHROMIUM, PHOTO, draw_all, encode
from demo_model.scenes.compose import render_scene
from demo_model.tables import FOLDER, write_tables
from dptscope.commands.demo import CHECKPOINT, MODEL
from dptscope_export.pipeline import export

SCENE_SEED = 10_000_039
"""A held-out scene, so that the demo does not show what was learned by heart."""
SCENE_SIZE = (480, 640)


def main(weights: Annotated[Path, typer.Argument(help="Trained weights in the published layout.")]) -> None:
    """Write the assets, the pictures and the figures."""
    if not CHROMIUM.exists():
        raise typer.BadParameter(f"expected Chromium at {CHROMIUM} for the pictures; install Debian's chromium")
    PHOTO.parent.mkdir(parents=True, exist_ok=True)
    if weights.resolve() != CHECKPOINT.resolve():
        shutil.copyfile(weights, CHECKPOINT)
    export(CHECKPOINT, MODEL)
    scene = PHOTO.with_name("scene.png")
    pictures = {scene: render_scene(SCENE_SEED, SCENE_SIZE)[0], PHOTO: read_rgb(wheel_file("skimage", PHOTO.name))}
    for path, rgb in pictures.items():
        png = encode(".png", rgb, cv2.IMWRITE_PNG_COMPRESSION, 9)
        write_atomically(path, lambda temporary, png=png: temporary.write_bytes(png))
    draw_all()
    evaluate.main(CHECKPOINT, out=FOLDER / "figures.json")
    write_tables()


if __name__ == "__main__":
    typer.run(main)
