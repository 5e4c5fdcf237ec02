"""Contact sheets, to look at what the renderer makes: ``python -m demo_model.scenes.sheet out.png --first 0 --count 48``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from demo_model.scenes.compose import render_scene

Array = np.ndarray


def depth_picture(inverse: Array) -> Array:
    """(H, W, 3) uint8 BGR of inverse depth, stretched over the picture's own range."""
    low, high = np.quantile(inverse, (0.01, 0.99))
    grey = np.clip((inverse - low) / max(high - low, 1e-6), 0, 1)
    return cv2.applyColorMap((grey * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)


def contact_sheet(first: int, count: int, size: int, columns: int) -> Array:
    """Pictures and their depths side by side, BGR."""
    cells = []
    for seed in range(first, first + count):
        rgb, inverse = render_scene(seed, (size, size))
        cells.append(np.hstack([rgb[..., ::-1], depth_picture(inverse)]))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    return np.vstack([np.hstack(cells[row : row + columns]) for row in range(0, len(cells), columns)])


def main(
    out: Path,
    first: Annotated[int, typer.Option(help="First seed.")] = 0,
    count: int = 40,
    size: int = 160,
    columns: int = 5,
) -> None:
    """Write a sheet of rendered scenes as PNG."""
    start = time.perf_counter()
    sheet = contact_sheet(first, count, size, columns)
    typer.echo(f"{(time.perf_counter() - start) / count * 1000:.0f} ms a scene")
    cv2.imwrite(str(out), sheet)


if __name__ == "__main__":
    typer.run(main)
