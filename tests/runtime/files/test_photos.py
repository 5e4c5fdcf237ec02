"""Photos of every kind come out as OpenCV's blue, green and red bytes, the right way up."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.pictures import UPRIGHT, smooth_picture

from dptscope import ImageError
from dptscope.files.photos import find_photos, read_image


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    return smooth_picture()


def stored(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("way", UPRIGHT)
def test_all_eight_ways_up(way: int, kind: str, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    read = []
    for number in (1, way):
        exif = Image.Exif()
        exif[0x0112] = number
        (tmp_path / "photo").write_bytes(stored(Image.fromarray(rgb), kind, exif=exif, lossless=True))
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


UNREADABLE = {
    "phone.heic": (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf", "got an HEIC photo; convert it to JPEG"),
    "grid.heic": (b"\0\0\0\x14ftypmif1\0\0\0\0heix", "got an HEIC photo"),
    "burst.heic": (b"\0\0\0\x14ftyphevc\0\0\0\0msf1", "got an HEIC photo"),
    "film.mov": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "got a film; take single pictures"),
    "film.mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "got a film"),
    "film.webm": (b"\x1aE\xdf\xa3" + bytes(20), "got a film"),
    "raw.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "got a camera's raw file; develop it"),
    "raw.raf": (b"FUJIFILMCCD-RAW 0201", "got a camera's raw file"),
    "photo.jxl": (b"\xff\x0a" + bytes(20), "got a JPEG XL photo; convert it to PNG"),
    "box.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "got a JPEG XL photo"),
    "page.pdf": (b"%PDF-1.7", "got a document or drawing; save it as PNG"),
    "text.jpg": (b"no photo", "got something OpenCV cannot read, or a part of one"),
    "short.avif": (b"\0\0\0\x1cftyp", "got something OpenCV cannot read, or a part of one"),
    "empty.jpg": (b"", "got something OpenCV cannot read, or a part of one"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_opencv_does_not_read_has_a_name(name: str, tmp_path: Path) -> None:
    data, wanted = UNREADABLE[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError) as raised:
        read_image(tmp_path / name)
    assert wanted in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path / name}: expected a photo")


def test_a_folder_of_a_phone(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"")
    with pytest.raises(ImageError, match="found none; convert HEIC photos to JPEG first"):
        find_photos(tmp_path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "nothing.png"):
        with pytest.raises(ImageError, match="no such file"):
            read_image(path)
