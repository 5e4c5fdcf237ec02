"""What a person should know of a photo that was read all the same.

Nothing is said of what moves, for its first picture stands for it everywhere. The pages of a TIFF are pictures of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.files.tiff import is_tiff, pictures
from dptscope.opencv import cv2

_NEARLY_BLACK = 64  # of 255: what 14 of 16 bits reach, rounded up
_WHITE = 65535


def remarks(path: Path, image: UInt8Array) -> Iterator[str]:
    """Say what in a photo's file is not in its picture.

    Args:
        path: the file.
        image: what was read from it.
    """
    with path.open("rb") as file:
        pages = pictures(file.read()) if is_tiff(file.peek()) else 1
    if pages > 1:
        yield f"{path}: one of {pages} pictures in this file is read, the first"
    if image.max() <= _NEARLY_BLACK:  # only then is it decoded again
        deep = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if deep is not None and deep.dtype == np.uint16:
            largest = int((deep[..., :3] if deep.ndim == 3 else deep).max())
            if largest:
                yield (
                    f"{path}: nearly black: the largest of its 16-bit values is {largest} of {_WHITE}; "
                    f"multiply them by {_WHITE // largest} first, if they are not meant so dark"
                )
