"""Photos of every kind come out as OpenCV's blue, green and red bytes, the right way up."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dptscope import ImageError
from dptscope.files.photos import read_image

Turn = Callable[[NDArray[Any]], NDArray[Any]]

# What has to be done to a picture that says it is stored in one of the eight ways of EXIF.
UPRIGHT: dict[int, Turn] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (60, 44), interpolation=cv2.INTER_LINEAR), np.uint8)


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("way", UPRIGHT)
def test_all_eight_ways_up(way: int, kind: str, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    read = []
    for number in (1, way):
        exif = Image.Exif()
        exif[0x0112] = number
        (tmp_path / "photo").write_bytes(stored(Image.fromarray(rgb), kind, exif=exif))
        read.append(read_image(tmp_path / "photo"))
    np.testing.assert_array_equal(read[1], UPRIGHT[way](read[0]))


@pytest.mark.parametrize(
    ("mode", "tolerance"), [("RGB", 0), ("RGBA", 0), ("P", 0), ("L", 0), ("LA", 0), ("1", 0), ("CMYK", 3)]
)
def test_colour_types(mode: str, tolerance: int, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    """Against Pillow's conversion; CMYK is a matter of rounding."""
    image = Image.fromarray(rgb).convert(mode)
    (tmp_path / "photo").write_bytes(stored(image, "TIFF" if mode == "CMYK" else "PNG"))
    read = read_image(tmp_path / "photo")
    assert read.dtype == np.uint8
    assert read.shape == rgb.shape
    wanted = np.asarray(image.convert("RGB"))[..., ::-1].astype(int)
    assert np.abs(read - wanted).max() <= tolerance


def test_sixteen_bits_keep_their_upper_eight(rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    for ending in ("png", "tiff"):
        path = tmp_path / f"photo.{ending}"
        assert cv2.imwrite(str(path), rgb[..., ::-1].astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_image(path), rgb[..., ::-1])


def test_of_what_moves_the_first_picture(rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    path = tmp_path / "photo.png"
    path.write_bytes(stored(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(read_image(path), rgb[..., ::-1])


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "nothing.png"):
        with pytest.raises(ImageError, match="no such file"):
            read_image(path)
