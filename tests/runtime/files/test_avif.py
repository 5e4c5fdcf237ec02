"""AVIF photos come the right way up: by their boxes, and by nothing else."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.pictures import UPRIGHT, smooth_picture

from dptscope import ImageError
from dptscope.files.photos import read_image

ORIENTATION, UNKNOWN = 0x0112, 0x0113  # Pillow makes boxes of the first, and leaves the second as it is


def avif(way: int = 1, exif_says: int | None = None, picture: Any = None) -> bytes:
    """A file with boxes for one way up, and perhaps Exif that says another."""
    exif = Image.Exif()
    exif[ORIENTATION] = way
    if exif_says is not None:
        exif[UNKNOWN] = exif_says
    buffer = io.BytesIO()
    image = Image.fromarray(smooth_picture() if picture is None else picture)
    image.save(buffer, "AVIF", quality=100, exif=exif)
    data = buffer.getvalue()
    if exif_says is not None:
        entries = [struct.pack(f"{order}HHI", UNKNOWN, 3, 1) for order in "<>"]
        assert any(entry in data for entry in entries)
        for order, entry in zip("<>", entries, strict=True):
            data = data.replace(entry, struct.pack(f"{order}HHI", ORIENTATION, 3, 1))
    return data


def with_property(data: bytes, name: bytes, content: bytes) -> bytes:
    """Give the only item of a file one more property: all boxes around it grow, and the pixels move on."""
    box = struct.pack(">I4s", 8 + len(content), name) + content
    ipma = data.index(b"ipma")
    known = data[ipma + 15 : ipma + 15 + data[ipma + 14]]
    new_number = 1 + max(number & 0x7F for number in known)
    grown = bytearray(data)
    for outer, more in ((b"meta", len(box) + 1), (b"iprp", len(box) + 1), (b"ipco", len(box)), (b"ipma", 1)):
        add(grown, data.index(outer) - 4, more)
    add(grown, data.index(b"iloc") + 18, len(box) + 1)
    if b"stco" in data:  # one that moves has its frames in a track, too
        for chunk in range(struct.unpack_from(">I", data, data.index(b"stco") + 8)[0]):
            add(grown, data.index(b"stco") + 12 + 4 * chunk, len(box) + 1)
    grown[ipma + 14] += 1
    grown.insert(ipma + 15, 0x80 | new_number)  # before irot
    grown[ipma - 4 : ipma - 4] = box
    return bytes(grown)


def add(data: bytearray, place: int, more: int) -> None:
    struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + more)


def read(folder: Path, data: bytes) -> NDArray[np.uint8]:
    (folder / "photo.avif").write_bytes(data)
    return read_image(folder / "photo.avif")


def same(got: NDArray[Any], wanted: NDArray[Any], tolerance: float = 2) -> bool:
    """But for what compression leaves."""
    return got.shape == wanted.shape and float(np.abs(got.astype(int) - wanted).mean()) < tolerance


PICTURES = {
    "colour": smooth_picture(),
    "grey": smooth_picture()[..., 0],
    "alpha": np.dstack([smooth_picture(), np.full((44, 60), 255, np.uint8)]),
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("way", UPRIGHT)
def test_all_eight_ways_up(way: int, kind: str, tmp_path: Path) -> None:
    upright = read(tmp_path, avif(1, picture=PICTURES[kind]))
    assert same(read(tmp_path, avif(way, picture=PICTURES[kind])), UPRIGHT[way](upright))


@pytest.mark.parametrize("way", [1, 6, 7])
@pytest.mark.parametrize("exif_says", UPRIGHT)
def test_exif_does_not_turn_it(way: int, exif_says: int, tmp_path: Path) -> None:
    upright = read(tmp_path, avif(1))
    assert same(read(tmp_path, avif(way, exif_says)), UPRIGHT[way](upright))


def test_of_what_moves_the_first_picture_the_right_way_up(tmp_path: Path) -> None:
    moving = cv2.Animation()
    moving.frames, moving.durations = [smooth_picture(), 255 - smooth_picture()], [100, 100]
    assert cv2.imwriteanimation(str(tmp_path / "moving.avif"), moving)
    data = (tmp_path / "moving.avif").read_bytes()
    upright = read(tmp_path, data)
    assert same(upright, smooth_picture(), 8)
    assert same(read(tmp_path, with_property(data, b"irot", b"\3")), UPRIGHT[6](upright))


def clap(*fractions: tuple[int, int]) -> bytes:
    return struct.pack(">8i", *(number for fraction in fractions for number in fraction))


@pytest.mark.parametrize("way", [1, 6])
def test_the_clean_aperture(way: int, tmp_path: Path) -> None:
    """20 × 10 pixels, whose middle lies 4 to the right of the photo's and 3 above."""
    whole = read(tmp_path, avif(1))
    cut = with_property(avif(way), b"clap", clap((40, 2), (10, 1), (4, 1), (-3, 1)))
    assert same(read(tmp_path, cut), UPRIGHT[way](whole[14:24, 24:44]))


@pytest.mark.parametrize(
    "content",
    [
        clap((20, 0), (10, 1), (0, 1), (0, 1)),
        clap((41, 2), (10, 1), (0, 1), (0, 1)),
        clap((20, 1), (10, 1), (40, 1), (0, 1)),
        clap((20, 1), (10, 1), (-40, 1), (0, 1)),
        clap((-20, 1), (10, 1), (0, 1), (0, 1)),
        clap((200, 1), (10, 1), (0, 1), (0, 1)),
    ],
)
def test_an_aperture_that_is_none(content: bytes, tmp_path: Path) -> None:
    """Nothing divided by nothing, half pixels, outside: libavif and browsers show the whole photo."""
    whole = read(tmp_path, avif(1))
    assert same(read(tmp_path, with_property(avif(1), b"clap", content)), whole)


def test_a_part_of_a_file(tmp_path: Path) -> None:
    data = avif(6)
    for length in (10, 30, 60, 200, 400):
        with pytest.raises(ImageError, match="expected a photo"):
            read(tmp_path, data[:length])
