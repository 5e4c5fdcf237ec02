"""Reading photos."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError, ImageError, one_line
from dptscope.files.avif import is_avif, upright
from dptscope.files.kinds import unreadable_kind
from dptscope.files.tiff import unreadable_tiff, without_alpha
from dptscope.opencv import MOST_PIXELS, cv2

SUFFIXES = (".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_image(path: Path) -> UInt8Array:
    """Read a photo as the original projects do: uint8 ``[height, width, 3]``, blue first, the right way up.

    Raises:
        ImageError: no such file, or no image.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        unreadable = unreadable_tiff(data)
        image = _decode(data) if data and not unreadable else None
    except (cv2.error, MemoryError, struct.error) as error:  # sizes that OpenCV or the machine cannot hold
        reason = one_line(str(error).rpartition("error: ")[2]) or "not enough memory"
        raise ImageError(f"{path}: expected a photo that can be decoded, got one that cannot ({reason})") from error
    if image is None:
        got, way_out = unreadable or unreadable_kind(data) or ("something OpenCV cannot read, or a part of one", "")
        raise ImageError(f"{path}: expected a photo (JPEG, PNG, …), got {got}" + (way_out and f"; {way_out}"))
    height, width = image.shape[:2]
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"{path}: expected a photo of at most {MOST_PIXELS / 1e6:.0f} megapixels, got {width} × {height}"
        )
    return image


def _decode(data: bytes) -> UInt8Array | None:
    """Decode, and turn: OpenCV itself by the Exif of a JPEG, PNG, WebP or TIFF."""
    turned_here = is_avif(data)
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if turned_here else 0)
    decoded = cv2.imdecode(np.frombuffer(without_alpha(data), np.uint8), flags)
    if decoded is None:
        return None
    image = np.asarray(decoded, np.uint8)
    return upright(data, image) if turned_here else image


def find_photos(path: Path) -> tuple[Path, ...]:
    """Find the photo itself, or a folder's photos by name; folders inside it are not searched.

    Raises:
        ImageError: nothing there.
    """
    if not path.is_dir():
        if not path.is_file():
            raise ImageError(f"{path}: no such file or folder")
        return (path,)
    files = sorted(file for file in path.iterdir() if file.is_file())
    found = tuple(file for file in files if file.suffix.lower() in SUFFIXES)
    if not found:
        way_out = "; convert HEIC photos to JPEG first" if _heic_photos(path) else ""
        raise ImageError(f"{path}: expected a folder with photos ({', '.join(SUFFIXES)}), found none{way_out}")
    return found


def left_out(path: Path, found: int) -> tuple[str, ...]:
    """What there is to say of photos that :func:`find_photos` leaves out of a folder, a phone's beside its JPEGs: a line, or
    none; also none of a photo.

    Args:
        path: the photo or folder.
        found: how many photos were found there.
    """
    if not path.is_dir() or not (count := _heic_photos(path)):
        return ()
    beside = f"{count}, beside {found} that can be read"
    return (f"{path}: HEIC photos are left out ({beside}); convert them to JPEG first",)


def _heic_photos(folder: Path) -> int:
    return sum(file.suffix.lower() in (".heic", ".heif") for file in folder.iterdir())


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
