"""Reading photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError, ImageError, one_line
from dptscope.opencv import MOST_PIXELS, cv2


def read_image(path: Path) -> UInt8Array:
    """Read a photo as the original projects do: uint8 ``[height, width, 3]``, blue first, EXIF orientation applied.

    Raises:
        ImageError: no such file, or no image.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (cv2.error, MemoryError) as error:  # sizes that OpenCV or the machine cannot hold
        reason = one_line(str(error).partition("error: ")[2]) or "not enough memory"
        raise ImageError(f"{path}: expected a photo that can be decoded, got one that cannot ({reason})") from error
    if image is None:
        raise ImageError(f"{path}: expected a photo (JPEG, PNG, …), got something OpenCV cannot read, or a part of one")
    height, width = image.shape[:2]
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"{path}: expected a photo of at most {MOST_PIXELS / 1e6:.0f} megapixels, got {width} × {height}"
        )
    return np.asarray(image, dtype=np.uint8)


def output_stems(images: Sequence[Path]) -> list[str]:
    """One file stem a photo.

    Raises:
        DptscopeError: two photos would write the same files.
    """
    stems = [path.stem for path in images]
    for stem in stems:
        if stems.count(stem) > 1:
            raise DptscopeError(f"expected photos with different names, got {stems.count(stem)} called {stem}")
    return stems
