"""What a camera noted in a photo's Exif."""

from __future__ import annotations

import struct
from contextlib import suppress

from dptscope.files.tiff import exif_number

_FOCAL_ON_FILM = 0xA405  # FocalLengthIn35mmFilm, in whole millimetres; 0: not known
_JPEG, _APP1, _SCAN = b"\xff\xd8", 0xE1, 0xDA
_SIGN = b"Exif\0\0"


def focal_on_film(data: bytes) -> int | None:
    """Millimetres of the lens that would show as much on 35 mm film, as a JPEG or TIFF says; None where it does not."""
    with suppress(struct.error):
        return exif_number(_tiff_in(data), _FOCAL_ON_FILM) or None
    return None


def _tiff_in(data: bytes) -> bytes:
    """The TIFF that a JPEG keeps its Exif in; what is no JPEG as it is.

    Raises:
        struct.error: a file that ends too early.
    """
    if not data.startswith(_JPEG):
        return data
    place = len(_JPEG)
    while True:
        sign, marker, length = struct.unpack_from(">BBH", data, place)
        if sign != 0xFF or marker == _SCAN:
            return b""
        if marker == _APP1 and data.startswith(_SIGN, place + 4):
            return data[place + 4 + len(_SIGN) : place + 2 + length]
        place += 2 + length
