"""Names of the formats that OpenCV does not read, told by a file's first bytes, and what to do with such a file."""

from __future__ import annotations

from dptscope.files.avif import brands
from dptscope.files.tiff import RAW

_HEIC = ("an HEIC photo", "convert it to JPEG (heif-convert PHOTO.heic PHOTO.jpg) or take photos as JPEG")
_FILM = ("a film", "take single pictures out of it (ffmpeg -i FILM picture_%04d.png)")
_JXL = ("a JPEG XL photo", "convert it to PNG (djxl PHOTO.jxl PHOTO.png)")
_DRAWING = ("a document or drawing", "save it as PNG")

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), _HEIC),
    **dict.fromkeys((b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"M4V ", b"3gp4", b"3gp5"), _FILM),
    b"crx ": RAW,
    b"jxl ": _JXL,
}
_STARTS = {
    b"\xff\x0a": _JXL,
    b"\0\0\0\x0cJXL ": _JXL,
    b"%PDF": _DRAWING,
    b"<svg": _DRAWING,
    b"<?xml": _DRAWING,
    b"\x1aE\xdf\xa3": _FILM,  # Matroska, WebM
    b"FUJIFILMCCD-RAW": RAW,
    b"IIRO": RAW,
    b"IIU\0": RAW,
}


def unreadable_kind(data: bytes) -> tuple[str, str] | None:
    """What a file is that OpenCV does not read, and what to do; None where nothing is known of it."""
    named = next((_BRANDS[brand] for brand in brands(data) if brand in _BRANDS), None)
    return named or next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)
