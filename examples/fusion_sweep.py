"""A fusion scale swept down and up again, as an animation: ``python examples/fusion_sweep.py MODEL.onnx PHOTO OUT.gif``.

The encoder runs once; every frame runs only fusion and head. Needs ``imageio``; for ``.mp4`` also ``imageio-ffmpeg``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import imageio.v3 as imageio
import numpy as np
import typer
from numpy.typing import NDArray

import dptscope


def main(
    model_path: Annotated[Path, typer.Argument(metavar="MODEL.onnx")],
    photo_path: Annotated[Path, typer.Argument(metavar="PHOTO")],
    target: Annotated[Path, typer.Argument(metavar="OUT.gif|OUT.mp4")],
    block: Annotated[int, typer.Option(help="Fusion block, 1 (finest) to 4 (coarsest).", min=1, max=4)] = 4,
    lowest: Annotated[float, typer.Option(help="Scale at the turning point.")] = -1.0,
    frames: Annotated[int, typer.Option(help="Pictures on the way down; as many again on the way up.", min=2)] = 12,
    width: Annotated[int, typer.Option(help="Width of the animation in pixels.", min=16)] = 480,
) -> None:
    """Animate the depth while one fusion scale goes from 1 to LOWEST and back."""
    image_bgr = cv2.imread(str(photo_path))
    if image_bgr is None:
        raise typer.BadParameter(f"{photo_path}: no photo")
    scene = dptscope.load(model_path).prepare(image_bgr)
    way_down = np.linspace(1.0, lowest, frames)
    pictures = []
    for scale in np.concatenate([way_down, way_down[::-1]]):
        scales = [1.0, 1.0, 1.0, 1.0]
        scales[block - 1] = float(scale)
        depth = scene.depth((scales[0], scales[1], scales[2], scales[3]))
        pictures.append(_picture(depth, width, f"fusion block {block} x {scale:+.2f}"))
    if target.suffix == ".gif":
        imageio.imwrite(target, pictures, duration=80, loop=0)  # milliseconds a picture, for ever
    else:
        imageio.imwrite(target, pictures, fps=12)
    print(f"{target}: {len(pictures)} pictures of {pictures[0].shape[1]} × {pictures[0].shape[0]}")


def _picture(depth: NDArray[np.float32], width: int, words: str) -> NDArray[np.uint8]:
    """Each picture over its own range, 2nd to 98th percentile, RGB; both sides even, as video wants it."""
    low, high = np.percentile(depth, (2, 98))
    grey = np.uint8(255 * np.clip((depth - low) / max(float(high - low), 1e-9), 0, 1))
    height = round(depth.shape[0] * width / depth.shape[1] / 2) * 2
    small = cv2.resize(grey, (width // 2 * 2, height), interpolation=cv2.INTER_AREA)
    coloured = cv2.applyColorMap(small, cv2.COLORMAP_INFERNO)
    cv2.putText(coloured, words, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB))


if __name__ == "__main__":
    typer.run(main)
