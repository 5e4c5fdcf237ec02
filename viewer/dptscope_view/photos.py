"""Which photos to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import ImageError
from dptscope_view.state import Crop

SUFFIXES = (".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_photos(path: Path) -> tuple[Path, ...]:
    """The photo itself, or a folder's photos by name; folders inside it are not searched.

    Raises:
        ImageError: nothing there.
    """
    if not path.is_dir():
        if not path.is_file():
            raise ImageError(f"{path}: no such file or folder")
        return (path,)
    found = tuple(sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES))
    if not found:
        raise ImageError(f"{path}: expected a folder with photos ({', '.join(SUFFIXES)}), found none")
    return found


def cropped(image_bgr: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """The part of a photo ``[height, width, 3]`` that a crop leaves, at least 16 pixels a side where the photo has them."""
    height, width = image_bgr.shape[:2]
    left, right = _pixels(crop[0], crop[2], width)
    top, bottom = _pixels(crop[1], crop[3], height)
    return image_bgr[top:bottom, left:right]


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    first = max(0, min(round(start * length), length - min(16, length)))
    return first, max(first + min(16, length), min(round(end * length), length))
