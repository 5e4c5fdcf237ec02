"""Which photos there are to look at, in which order, and the part of one that a crop leaves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError
from dptscope.files.photos import find_photos, read_image
from dptscope.process.quiet import native_libraries_silenced
from dptscope_view.state import Crop


def photos_to_view(path: Path, neighbours: bool) -> tuple[tuple[Path, ...], int]:
    """Find the photos of a folder, or one photo among those beside it, numbers in their order; and the index to begin with.

    Args:
        path: what was named.
        neighbours: show those beside it, too.

    Raises:
        ImageError: nothing there, or one photo was named and cannot be read.
    """
    named = find_photos(path)
    if path.is_dir():
        return tuple(sorted(named, key=_as_people_sort)), 0
    with native_libraries_silenced():
        read_image(path)
    try:
        around = sorted(find_photos(path.parent), key=_as_people_sort) if neighbours else []
    except (DptscopeError, OSError):  # a folder that may not be listed
        around = []
    return (tuple(around), around.index(path)) if path in around else (named, 0)


def _as_people_sort(path: Path) -> tuple[list[str | int], str]:
    """Order img2 before img10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def cropped(image_bgr: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """The part of a photo ``[height, width, 3]`` that a crop leaves, at least 16 pixels a side where the photo has them."""
    height, width = image_bgr.shape[:2]
    left, right = _pixels(crop[0], crop[2], width)
    top, bottom = _pixels(crop[1], crop[3], height)
    return image_bgr[top:bottom, left:right]


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    first = max(0, min(round(start * length), length - min(16, length)))
    return first, max(first + min(16, length), min(round(end * length), length))
