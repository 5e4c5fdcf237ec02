"""TIFFs are read as they are meant, or refused in words."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.pictures import smooth_picture

from dptscope import ImageError
from dptscope.files.photos import read_image

Tags = dict[int, tuple[int, ...]]


def tiff(pixels: NDArray[np.generic], tags: Tags | None = None, order: str = "<", big: bool = False) -> bytes:
    """An uncompressed TIFF with these pixels ``[height, width, channels]``, and with tags of sixteen bits changed."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    height, width, channels = pixels.shape
    body = pixels.tobytes()
    head = 16 if big else 8
    bits = 8 * pixels.dtype.itemsize
    wanted: Tags = {
        256: (width,), 257: (height,), 258: (bits,) * channels, 259: (1,), 262: (2 if channels > 2 else 1,), 273: (head,),
        277: (channels,), 278: (height,), 279: (len(body),), **(tags or {}),
    }  # fmt: skip
    word, inline = ("Q", 8) if big else ("I", 4)
    directory = head + len(body)
    rest = directory + (8 + 20 * len(wanted) + 8 if big else 2 + 12 * len(wanted) + 4)
    entries, outside = b"", b""
    for name, values in sorted(wanted.items()):
        kind, letter = (4, "I") if name in (256, 257, 273, 278, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > inline:
            content = struct.pack(order + word, rest + len(outside))
            outside += packed
        else:
            content = packed.ljust(inline, b"\0")
        entries += struct.pack(f"{order}HH{word}", name, kind, len(values)) + content
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(f"{order}HHHQ", 43, 8, 0, directory) if big else struct.pack(f"{order}HI", 42, directory)
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(wanted))
    return mark + start + body + count + entries + bytes(inline) + outside


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
def test_whole_numbers_are_read(bits: int, order: str, big: bool, tmp_path: Path) -> None:
    rgb = smooth_picture()
    pixels = rgb if bits == 8 else rgb.astype(np.uint16) * 257
    (tmp_path / "photo.tif").write_bytes(tiff(pixels, order=order, big=big))
    np.testing.assert_array_equal(read_image(tmp_path / "photo.tif"), rgb[..., ::-1])


@pytest.mark.parametrize("alpha", [0, 1, 2])  # of no meaning, in the colours, straight
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("way", [1, 6])
def test_what_is_transparent_is_not_darkened(way: int, bits: int, alpha: int, tmp_path: Path) -> None:
    """Colours come as they are stored, as those of a PNG do."""
    rgb = smooth_picture()
    pixels = np.dstack([rgb, np.full(rgb.shape[:2], 128, np.uint8)]).astype(np.uint8 if bits == 8 else np.uint16)
    pixels *= 1 if bits == 8 else 257
    (tmp_path / "photo.tif").write_bytes(tiff(pixels, {338: (alpha,), 274: (way,)}))
    wanted = rgb[..., ::-1] if way == 1 else np.rot90(rgb, -1)[..., ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "photo.tif"), wanted)


_RGB = smooth_picture()
REFUSED = {
    "float32": (_RGB.astype(np.float32), {339: (3,) * 3}, "a TIFF of floating-point numbers; scale it to 8 or 16 bits"),
    "float64": (_RGB.astype(np.float64), {339: (3,) * 3}, "a TIFF of floating-point numbers"),
    "float16": (_RGB.astype(np.float16), {339: (3,) * 3}, "a TIFF of floating-point numbers"),
    "grey float": (_RGB[..., :1].astype(np.float32), {339: (3,)}, "a TIFF of floating-point numbers"),
    "int16": (_RGB.astype(np.int16), {339: (2,) * 3}, "a TIFF of signed numbers"),
    "int8": (_RGB.astype(np.int8), {339: (2,) * 3}, "a TIFF of signed numbers"),
    "complex": (_RGB[..., :1].astype(np.complex64), {339: (6,)}, "a TIFF of complex numbers"),
    "uint32": (_RGB.astype(np.uint32), {}, "a TIFF of 32 bits a channel; save it with 8 or 16"),
    "12 bits in 12": (_RGB[..., :1], {258: (12,)}, "a TIFF of 12 bits a channel"),
    "five channels": (
        np.dstack([_RGB, _RGB[..., :2]]),
        {338: (0, 0)},
        "a TIFF of 5 channels; save three of them as RGB",
    ),
    "raw": (_RGB, {50706: (1,)}, "a camera's raw file; develop it"),
    "a small copy first": (_RGB, {254: (1,)}, "a TIFF whose first picture is a small copy of another"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_another_picture_is_refused(kind: str, order: str, tmp_path: Path) -> None:
    pixels, tags, wanted = REFUSED[kind]
    (tmp_path / "photo.tif").write_bytes(tiff(pixels, tags, order))
    with pytest.raises(ImageError) as raised:
        read_image(tmp_path / "photo.tif")
    assert f"photo.tif: expected a photo (JPEG, PNG, …), got {wanted}" in str(raised.value)


def test_a_part_of_a_file(tmp_path: Path) -> None:
    data = tiff(_RGB)
    for length in (3, 9, 20, 2000, len(data) - 60):
        (tmp_path / "photo.tif").write_bytes(data[:length])
        with pytest.raises(ImageError, match="expected a photo"):
            read_image(tmp_path / "photo.tif")
