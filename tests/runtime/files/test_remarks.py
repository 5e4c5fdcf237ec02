"""What is said of photos that are read all the same."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from support.pictures import smooth_picture

from dptscope.commands import app as cli
from dptscope.files.photos import read_image
from dptscope.files.remarks import remarks


def said_of(path: Path) -> list[str]:
    return list(remarks(path, read_image(path)))


def ramp(bits: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.linspace(0, 2**bits - 1, 44 * 60).reshape(44, 60).astype(np.uint16)


LAYOUTS = {
    "grey": lambda grey: grey,
    "colour": lambda grey: np.dstack([grey // 2, grey, grey // 3]),
    "alpha": lambda grey: np.dstack([grey // 2, grey, grey // 3, np.full_like(grey, 65535)]),
}


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("bits", "factor"), [(10, 64), (12, 16), (14, 4), (16, None)])
def test_fewer_bits_than_the_file_has(bits: int, factor: int | None, layout: str, ending: str, tmp_path: Path) -> None:
    """Sensors of 10 to 14 bits, as they are stored in 16: nearly black to whoever takes the upper eight."""
    path = tmp_path / f"photo{ending}"
    assert cv2.imwrite(str(path), LAYOUTS[layout](ramp(bits)))
    wanted = (
        f"{path}: nearly black: the largest of its 16-bit values is {2**bits - 1} of 65535; multiply them by {factor}"
    )
    said = said_of(path)
    assert [line.startswith(wanted) for line in said] == ([True] if factor else [])


def test_nothing_is_said_of_ordinary_photos(tmp_path: Path) -> None:
    """Dark ones of 8 bits, and black ones of 16, among them."""
    for name, picture in {
        "dark.png": np.full((4, 4, 3), 9, np.uint8),
        "black.png": np.zeros((4, 4), np.uint16),
        "photo.jpg": smooth_picture(),
        "photo.webp": smooth_picture(),
        "photo.avif": smooth_picture(),
    }.items():
        assert cv2.imwrite(str(tmp_path / name), picture)
        assert said_of(tmp_path / name) == []


FIRST = Image.fromarray(smooth_picture())
LATER = [Image.fromarray(255 - smooth_picture()), Image.fromarray(smooth_picture() // 2)]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF"])
def test_several_pictures_in_one_file(kind: str, tmp_path: Path) -> None:
    """The first one is read. Where they are pages, and no film, that is said."""
    path = tmp_path / f"photo.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    FIRST.save(path, kind, save_all=True, append_images=LATER, **options)
    FIRST.save(tmp_path / "alone", kind, **options)
    wanted = [f"{path}: one of 3 pictures in this file is read, the first"]
    assert said_of(path) == (wanted if kind == "TIFF" else [])
    assert said_of(tmp_path / "alone") == []
    np.testing.assert_array_equal(read_image(path), read_image(tmp_path / "alone"))


def test_many_large_pages(tmp_path: Path) -> None:
    """In a big TIFF, whose fields are wider."""
    path = tmp_path / "photo.tif"
    FIRST.save(path, "TIFF", save_all=True, append_images=LATER * 20, big_tiff=True)
    assert said_of(path) == [f"{path}: one of 41 pictures in this file is read, the first"]


@pytest.mark.parametrize("following", [None, 10**6])
def test_pages_in_a_circle_or_nowhere(following: int | None, tmp_path: Path) -> None:
    FIRST.save(tmp_path / "photo.tif", "TIFF")
    data = bytearray((tmp_path / "photo.tif").read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, following or first)
    (tmp_path / "photo.tif").write_bytes(data)
    assert said_of(tmp_path / "photo.tif") == []


@pytest.mark.parametrize("command", ["depth", "norms"])
def test_the_commands_say_it_and_go_on(command: str, tiny_model: Path, tmp_path: Path, capfd: Any) -> None:
    cv2.imwrite(str(tmp_path / "thermal.png"), ramp(12))
    arguments = [command, tiny_model, tmp_path / "thermal.png", "-o", tmp_path / "out", "--format", "png"]
    assert cli.run([str(argument) for argument in arguments]) == 0
    said = capfd.readouterr()
    assert said.out.split() == [str(tmp_path / "out" / f"thermal_{command}.png")]
    (line,) = said.err.splitlines()
    assert line.startswith(
        f"dptscope: note: {tmp_path / 'thermal.png'}: nearly black: the largest of its 16-bit values is 4095"
    )
