"""Depth of a photo from Python: ``python examples/depth_from_python.py MODEL.onnx PHOTO [-o FOLDER]``.

Prints what the model is and where the nearest point lies, and writes the depth as ``.npy`` and as a picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

import dptscope


def main(
    model_path: Annotated[Path, typer.Argument(metavar="MODEL.onnx")],
    photo_path: Annotated[Path, typer.Argument(metavar="PHOTO")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path("out"),
) -> None:
    """Depth of a photo, as numbers and as a picture."""
    image_bgr = cv2.imread(str(photo_path))
    if image_bgr is None:
        raise typer.BadParameter(f"{photo_path}: no photo")
    model = dptscope.load(model_path)
    result = model.predict(image_bgr)

    # Relative models give inverse depth without a unit (larger is nearer), the others a distance (larger is farther): metric
    # ones in metres.
    metric, inverse = result.kind == "metric", result.kind == "relative"
    nearest = result.depth.argmax() if inverse else result.depth.argmin()
    row, column = np.unravel_index(nearest, result.depth.shape)
    print(f"{model.card.variant} {model.card.architecture}: depth {result.depth.shape}, {result.kind}")
    print(f"nearest point: row {row}, column {column}" + (f", {result.depth.min():.2f} m" if metric else ""))

    nearness = result.depth if inverse else -result.depth
    grey = (nearness - nearness.min()) / max(float(np.ptp(nearness)), 1e-9)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{photo_path.stem}.npy", result.depth)
    cv2.imwrite(str(folder / f"{photo_path.stem}.png"), cv2.applyColorMap(np.uint8(255 * grey), cv2.COLORMAP_INFERNO))


if __name__ == "__main__":
    typer.run(main)
