"""The photos that ranges are taken from, and those that are kept to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dptscope
from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError
from dptscope.files.photos import find_photos, left_out, read_image
from dptscope.process.quiet import native_libraries_silenced

MOST = 64
"""Of the photos that are used: ranges hardly change after a dozen, and every photo runs both files."""

_SHIPPED = Path(dptscope.__file__).parent / "assets/photos"


@dataclass(frozen=True)
class Photos:
    """Photos for one file.

    Attributes:
        calibration: those that ranges are taken from; empty where none are needed.
        held_out: those that are measured on.
        notes: for the user.
    """

    calibration: tuple[Path, ...]
    held_out: tuple[Path, ...]
    notes: tuple[str, ...]


def choose_photos(given: Sequence[Path], calibrate: bool) -> Photos:
    """Every other photo for either use, by their names; without any, those that the package ships are measured on.

    Args:
        given: photos, and folders of photos.
        calibrate: whether ranges are needed.

    Raises:
        DptscopeError: photos of which none is left to measure on.
    """
    if not given:
        return Photos(
            (), find_photos(_SHIPPED), ("measured on the photos that come with dptscope; --photos takes yours",)
        )
    found = {path: find_photos(path) for path in given}
    notes = [remark for path, photos in found.items() for remark in left_out(path, len(photos))]
    readable: dict[bytes, Path] = {}
    for photo in [photo for path in given for photo in found[path]]:
        try:
            pixels = read_photo(photo)
        except DptscopeError as error:  # one of many: the others will do
            notes.append(f"left out: {error}")
            continue
        first = readable.setdefault(hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest(), photo)
        if first is not photo:
            notes.append(f"left out: {photo}: the same as {first}")
    different = list(readable.values())
    used = different[:: -(-len(different) // MOST) or 1]
    if len(used) < len(different):
        notes.append(f"{len(used)} of {len(different)} photos are used, spread over all")
    if not calibrate and used:
        return Photos((), tuple(used), tuple(notes))
    if len(used) < 2:
        raise DptscopeError(
            "expected two photos or more, one to take ranges from and another to measure on, got "
            + "; ".join([str(len(used)), *notes])
        )
    return Photos(tuple(used[::2]), tuple(used[1::2]), tuple(notes))


def read_photo(path: Path) -> UInt8Array:
    """uint8 ``[height, width, 3]``, blue first.

    Raises:
        ImageError: it cannot be read.
    """
    with native_libraries_silenced():
        return read_image(path)
