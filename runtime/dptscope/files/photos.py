"""Reading photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError, ImageError, one_line
from dptscope.opencv import MOST_PIXELS, cv2

SUFFIXES = (".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


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


def find_photos(path: Path) -> tuple[Path, ...]:
    """Find the photo itself, or a folder's photos by name; folders inside it are not searched.

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


def output_stems(images: Sequence[Path]) -> list[str]:
    """One file stem a photo: its own; with the folder's name before it where photos of several folders share one; with its
    ending behind that where photos of one folder do.

    Raises:
        DptscopeError: two photos would write the same files all the same.
    """
    named = [path.stem for path in images]
    for longer in (
        [f"{path.parent.name}_{path.stem}" for path in images],
        [f"{path.parent.name}_{path.name}" for path in images],
    ):
        counts = Counter(named)
        named = [other if counts[stem] > 1 else stem for stem, other in zip(named, longer, strict=True)]
    for stem, count in Counter(named).most_common(1):
        if count > 1:
            raise DptscopeError(f"expected photos with different names, got {count} that would be called {stem}")
    return named
