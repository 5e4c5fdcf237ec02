"""What a TIFF's first picture says of itself, where OpenCV would read another picture than is meant, or none."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, replace

_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
_SMALL_COPY, _BITS, _CHANNELS, _EXTRA, _SAMPLE_FORMAT, _DNG = 254, 258, 277, 338, 339, 50706
_EXIF = 34665  # where the tags of the camera begin
_STRAIGHT_ALPHA = 2
_FORMATS = {2: "signed numbers", 3: "floating-point numbers", 5: "complex numbers", 6: "complex numbers"}
_READ_BITS = (1, 2, 4, 8, 16)
_MOST_CHANNELS = 4

RAW = ("a camera's raw file", "develop it to JPEG or TIFF")


@dataclass(frozen=True)
class _Tag:
    """The first number of a tag, and where and how it stands in the file."""

    number: int
    place: int
    kind: str


def unreadable_tiff(data: bytes) -> tuple[str, str] | None:
    """What a TIFF is that would not be read as it is meant, and what to do; None for others and for what is no TIFF.

    Raises:
        struct.error: a file that ends too early.
    """
    tags = _first_tags(data)
    if _DNG in tags or (tags and data[8:10] == b"CR"):
        return RAW
    if _number(tags, _SMALL_COPY, 0) & 1:
        return "a TIFF whose first picture is a small copy of another, as raw files have", "save the picture itself"
    if words := _FORMATS.get(_number(tags, _SAMPLE_FORMAT, 1)):
        return f"a TIFF of {words}", "scale it to 8 or 16 bits first: which of them is white is not said"
    if (bits := _number(tags, _BITS, 1)) not in _READ_BITS:
        return f"a TIFF of {bits} bits a channel", "save it with 8 or 16"
    if (channels := _number(tags, _CHANNELS, 1)) > _MOST_CHANNELS:
        return f"a TIFF of {channels} channels", "save three of them as RGB"
    return None


def without_alpha(data: bytes) -> bytes:
    """The same file, where its alpha is a channel of no meaning: libtiff would darken what is transparent, and for a PNG
    nothing does."""
    tag = _first_tags(data).get(_EXTRA)
    if tag is None or tag.number != _STRAIGHT_ALPHA:
        return data
    changed = bytearray(data)
    struct.pack_into(tag.kind, changed, tag.place, 0)
    return bytes(changed)


def _number(tags: dict[int, _Tag], name: int, absent: int) -> int:
    return tags[name].number if name in tags else absent


def pictures(data: bytes) -> int:
    """How many pictures a TIFF has; those that go round in a circle, or lead out of the file, are counted once."""
    layout = _layout(data)
    places: set[int] = set()
    with suppress(struct.error):
        while layout and layout.first and layout.first not in places:
            entries, count = layout.entries(data)
            (following,) = struct.unpack_from(layout.order + layout.word, data, entries + count * layout.entry)
            places.add(layout.first)
            layout = replace(layout, first=following)
    return len(places)


@dataclass(frozen=True)
class _Layout:
    """How wide the fields of a TIFF are, and where its first picture is described. Big ones have wider fields."""

    order: str
    wide: bool
    first: int

    @property
    def word(self) -> str:
        return "Q" if self.wide else "I"

    @property
    def entry(self) -> int:
        return 20 if self.wide else 12

    def entries(self, data: bytes) -> tuple[int, int]:
        """Where the tags begin, and how many there are."""
        (count,) = struct.unpack_from(self.order + ("Q" if self.wide else "H"), data, self.first)
        return self.first + (8 if self.wide else 2), count


def is_tiff(start: bytes) -> bool:
    """Whether a file begins as TIFFs do."""
    return _layout(start) is not None


def _layout(data: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    if not order or len(data) < 16:
        return None
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version not in (42, 43):
        return None
    wide = version == 43
    (first,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 8 if wide else 4)
    return _Layout(order, wide, first)


def exif_number(data: bytes, name: int) -> int:
    """A whole number that a TIFF's Exif holds, 0 where there is none.

    Raises:
        struct.error: a file that ends too early.
    """
    layout, place = _layout(data), _number(_first_tags(data), _EXIF, 0)
    return _number(_tags(data, replace(layout, first=place)), name, 0) if layout is not None and place else 0


def _first_tags(data: bytes) -> dict[int, _Tag]:
    """The tags of the first picture that are whole numbers; none of what is no TIFF."""
    layout = _layout(data)
    return {} if layout is None else _tags(data, layout)


def _tags(data: bytes, layout: _Layout) -> dict[int, _Tag]:
    order, entry, word = layout.order, layout.entry, layout.word
    place, count = layout.entries(data)
    tags = {}
    for first in range(place, min(place + count * entry, len(data) - entry + 1), entry):
        name, kind, values = struct.unpack_from(f"{order}HH{word}", data, first)
        if kind not in _NUMBERS or not values:
            continue
        number, inline = order + _NUMBERS[kind], struct.calcsize(word)
        where = first + entry - inline
        if values * struct.calcsize(number) > inline:
            (where,) = struct.unpack_from(order + word, data, where)
        tags[name] = _Tag(struct.unpack_from(number, data, where)[0], where, number)
    return tags
