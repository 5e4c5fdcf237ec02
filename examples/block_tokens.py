"""Tokens of every transformer block, for a notebook: ``python examples/block_tokens.py MODEL.onnx PHOTO [-o FOLDER]``.

The parts between the ``# %%`` lines are cells for editors that know them; numpy does all of the arithmetic. Two pictures a
block: the three strongest directions among its tokens as colours, and how alike each token is to the one in the middle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

import dptscope

TILE = 160  # pixels


# %% One run of the encoder gives all blocks: [grid_height, grid_width, channels] each.
def tokens_of(model_path: Path, photo_path: Path) -> tuple[NDArray[np.float32], ...]:
    image_bgr = cv2.imread(str(photo_path))
    if image_bgr is None:
        raise typer.BadParameter(f"{photo_path}: no photo")
    return dptscope.load(model_path).block_tokens(image_bgr)


# %% Principal components: the tokens' own three strongest directions, scaled to 0 … 1 each.
def components(tokens_hwc: NDArray[np.float32]) -> NDArray[np.float64]:
    height, width, channels = tokens_hwc.shape
    centred = tokens_hwc.reshape(-1, channels).astype(np.float64)
    centred -= centred.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :3]
    projected = centred @ directions
    low, high = projected.min(axis=0), projected.max(axis=0)
    return ((projected - low) / np.maximum(high - low, 1e-9)).reshape(height, width, 3)


# %% Likeness: cosine of each token with the one in the middle, -1 … 1.
def likeness(tokens_hwc: NDArray[np.float32]) -> NDArray[np.float64]:
    unit = tokens_hwc / np.maximum(np.linalg.norm(tokens_hwc, axis=2, keepdims=True), 1e-9)
    return np.asarray(unit @ unit[unit.shape[0] // 2, unit.shape[1] // 2], dtype=np.float64)


# %% One column a block: components above, likeness below.
def sheet(blocks: tuple[NDArray[np.float32], ...]) -> NDArray[np.uint8]:
    columns = []
    for tokens_hwc in blocks:
        colours = np.uint8(255 * components(tokens_hwc))
        alike = cv2.applyColorMap(np.uint8(127.5 * (1 + likeness(tokens_hwc))), cv2.COLORMAP_VIRIDIS)
        columns.append(np.vstack([_enlarge(colours), _enlarge(alike)]))
    return np.hstack(columns)


def _enlarge(picture: NDArray[Any]) -> NDArray[Any]:
    return cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_NEAREST)


# %% And all of it.
def main(
    model_path: Annotated[Path, typer.Argument(metavar="MODEL.onnx")],
    photo_path: Annotated[Path, typer.Argument(metavar="PHOTO")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path("out"),
) -> None:
    """Tokens of every block as arrays, and as a picture."""
    blocks = tokens_of(model_path, photo_path)
    for index, tokens_hwc in enumerate(blocks):
        print(f"block {index:2d}: {tokens_hwc.shape}, likeness to the middle {likeness(tokens_hwc).mean():+.2f}")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{photo_path.stem}_tokens.npz", **{f"block_{i:02d}": tokens for i, tokens in enumerate(blocks)})
    cv2.imwrite(str(folder / f"{photo_path.stem}_tokens.png"), sheet(blocks))


if __name__ == "__main__":
    typer.run(main)
