"""Put trained weights into the package: ``python -m demo_model.ship WEIGHTS.safetensors``.

Writes the assets of ``dptscope demo``: the checkpoint, its export with companion and preview, and the two demo pictures; and
the README's pictures, which are of those.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

import dptscope
from demo_model.files import write_atomically
from demo_model.photos import read_rgb, wheel_file
from demo_model.scenes.compose import render_scene
from dptscope.commands.demo import ASSETS, CHECKPOINT, MODEL, write_pictures
from dptscope_export.pipeline import export

PICTURES = Path(__file__).parents[1] / "docs/pictures"
SCENE_SEED = 10_000_039
"""A held-out scene, so that the demo does not show what was learned by heart."""
SCENE_SIZE = (480, 640)
PHOTO = "astronaut.png"
"""From scikit-image: Eileen Collins, by NASA, in the public domain."""


def encode(ending: str, rgb: np.ndarray, *options: int) -> bytes:
    """An (H, W, 3) uint8 picture as a file's bytes."""
    _, data = cv2.imencode(ending, rgb[..., ::-1], options)
    return data.tobytes()


def write_readme_pictures() -> None:
    """Draw the shipped model's pictures for the README."""
    photo = ASSETS / "photos" / PHOTO
    with tempfile.TemporaryDirectory() as folder:
        list(write_pictures(dptscope.load(MODEL), photo, Path(folder)))
        sheet = read_rgb(Path(folder) / f"{photo.stem}_fusion.png")
    jpeg = encode(".jpg", sheet, cv2.IMWRITE_JPEG_QUALITY, 88)
    write_atomically(PICTURES / "fusion.jpg", lambda temporary: temporary.write_bytes(jpeg))
    views = {
        "norms": ["--size", "448"],
        "similarity": ["--show", "similarity", "--token", "279", "103", "--block", "8", "--size", "448"],
        "fusion": ["--view", "fusion", "--scales", "1", "1", "1", "0", "--size", "322"],
    }
    for name, told in views.items():
        command = [sys.executable, "-m", "dptscope", "view", str(MODEL), str(photo), *told, "--window", "1280x720"]
        subprocess.run([*command, "--render", PICTURES / f"viewer_{name}.png"], check=True)


def main(weights: Annotated[Path, typer.Argument(help="Trained weights in the published layout.")]) -> None:
    """Write the assets and the pictures."""
    photos = ASSETS / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    if weights.resolve() != CHECKPOINT.resolve():
        shutil.copyfile(weights, CHECKPOINT)
    export(CHECKPOINT, MODEL)
    pictures = {"scene.png": render_scene(SCENE_SEED, SCENE_SIZE)[0], PHOTO: read_rgb(wheel_file("skimage", PHOTO))}
    for name, rgb in pictures.items():
        png = encode(".png", rgb, cv2.IMWRITE_PNG_COMPRESSION, 9)
        write_atomically(photos / name, lambda temporary, png=png: temporary.write_bytes(png))
    write_readme_pictures()


if __name__ == "__main__":
    typer.run(main)
