"""Put trained weights into the package: ``python -m demo_model.ship WEIGHTS.safetensors``.

Writes the assets of ``dptscope demo``: the checkpoint, its export with the companion, and the two demo pictures.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from demo_model.files import write_atomically
from demo_model.photos import read_rgb, wheel_file
from demo_model.scenes.compose import render_scene
from dptscope.commands.demo import ASSETS, CHECKPOINT, MODEL
from dptscope_export.pipeline import export

SCENE_SEED = 10_000_039
"""A held-out scene, so that the demo does not show what was learned by heart."""
SCENE_SIZE = (480, 640)
PHOTO = "coffee.png"
"""From scikit-image: by Rachel Michetti, in the public domain (CC0)."""


def write_png(path: Path, rgb: np.ndarray) -> None:
    """An (H, W, 3) uint8 picture."""
    _, data = cv2.imencode(".png", rgb[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, lambda temporary: temporary.write_bytes(data.tobytes()))


def main(weights: Annotated[Path, typer.Argument(help="Trained weights in the published layout.")]) -> None:
    """Write the assets."""
    photos = ASSETS / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    if weights.resolve() != CHECKPOINT.resolve():
        shutil.copyfile(weights, CHECKPOINT)
    export(CHECKPOINT, MODEL)
    write_png(photos / "scene.png", render_scene(SCENE_SEED, SCENE_SIZE)[0])
    write_png(photos / PHOTO, read_rgb(wheel_file("skimage", PHOTO)))


if __name__ == "__main__":
    typer.run(main)
