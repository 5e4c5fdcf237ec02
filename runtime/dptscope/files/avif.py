"""The way up of AVIF photos: OpenCV (4.13, 5.0) leaves them as they are stored, and turns other formats by their Exif.

What turns an AVIF are the boxes ``clap``, ``irot`` and ``imir`` of its primary item, in this order (ISO/IEC 23000-22,
7.3.6.7). Its Exif does not, whatever orientation it says (7.3.10.1); libavif and browsers keep to that, and so does OpenCV.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from dptscope.arrays import UInt8Array

_BRANDS = (b"avif", b"avis")


def brands(data: bytes) -> tuple[bytes, ...]:
    """What an ISO media file says it is, the most fitting first; nothing for other files."""
    if data[4:8] != b"ftyp":
        return ()
    (end,) = struct.unpack_from(">I", data)
    return tuple(data[place : place + 4] for place in (8, *range(16, min(end, len(data), 4096) - 3, 4)))


def is_avif(data: bytes) -> bool:
    """Whether the file's boxes may turn it."""
    return any(brand in _BRANDS for brand in brands(data))


def upright(data: bytes, image: UInt8Array) -> UInt8Array:
    """Crop, turn and mirror a decoded AVIF as its boxes say.

    Raises:
        struct.error: boxes that end too early.
    """
    properties = _properties(data)
    if "clap" in properties:
        image = _crop(image, struct.unpack_from(">8i", properties["clap"]))
    if "irot" in properties:
        image = np.rot90(image, properties["irot"][0] & 3)  # quarters of a turn, anticlockwise
    if "imir" in properties:
        image = image[:, ::-1] if properties["imir"][0] & 1 else image[::-1]
    return np.ascontiguousarray(image)


def _crop(image: UInt8Array, clap: tuple[int, ...]) -> UInt8Array:
    """The clean aperture: width, height, and how far its middle lies from the photo's, each a fraction. One that is not of
    whole pixels inside the photo is none, as libavif has it."""
    if not all(clap[1::2]):
        return image
    width, height, right, down = (Fraction(clap[k], clap[k + 1]) for k in (0, 2, 4, 6))
    left, top = (image.shape[1] - width) / 2 + right, (image.shape[0] - height) / 2 + down
    sides = (left, top, left + width, top + height)
    if any(side.denominator != 1 for side in sides) or min(left, top) < 0 or min(width, height) < 1:
        return image
    x0, y0, x1, y1 = (int(side) for side in sides)
    return image[y0:y1, x0:x1] if x1 <= image.shape[1] and y1 <= image.shape[0] else image


def _properties(data: bytes) -> dict[str, bytes]:
    """The properties of the primary item, by name."""
    for name, start, end in _boxes(data, 0, len(data)):
        if name == "meta":
            meta = {name: (first, last) for name, first, last in _boxes(data, start + 4, end)}
            if "pitm" in meta and "iprp" in meta:
                return _of_item(data, _primary(data, meta["pitm"][0]), *meta["iprp"])
    return {}


def _primary(data: bytes, place: int) -> int:
    (number,) = struct.unpack_from(">I" if data[place] else ">H", data, place + 4)
    return int(number)


def _of_item(data: bytes, item: int, start: int, end: int) -> dict[str, bytes]:
    """Walk ``ipma``, which says which of the boxes in ``ipco`` belong to an item, counted from 1."""
    known: list[tuple[str, int, int]] = []
    found: dict[str, bytes] = {}
    for name, first, last in _boxes(data, start, end):
        if name == "ipco":
            known = list(_boxes(data, first, last))
        elif name == "ipma":
            for index in _associated(data, item, first):
                if 1 <= index <= len(known):
                    kind, begin, stop = known[index - 1]
                    found.setdefault(kind, data[begin:stop])
    return found


def _associated(data: bytes, item: int, place: int) -> Iterator[int]:
    """Numbers of the properties of one item; the uppermost bit says something else."""
    version, wide = data[place], data[place + 3] & 1
    (entries,) = struct.unpack_from(">I", data, place + 4)
    place += 8
    for _ in range(entries):
        number, count = struct.unpack_from(">IB" if version else ">HB", data, place)
        place += 5 if version else 3
        indices = struct.unpack_from(f">{count}{'H' if wide else 'B'}", data, place)
        place += count * (2 if wide else 1)
        if number == item:
            yield from (index & (0x7FFF if wide else 0x7F) for index in indices)


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Name of each box, and where its content begins and ends."""
    while place < end:
        size, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        last = place + size if size else end
        if last > end or last < place + head:
            raise struct.error("a box that does not end where it should")
        yield name.decode("latin-1"), place + head, last
        place = last
