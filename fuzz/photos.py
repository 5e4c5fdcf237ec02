"""Photos that are fine in unusual ways, photos that are not, and seeded damage to them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from fuzz.cases import DATA, Case, Expected, Groups
from fuzz.formats import PICTURES
from fuzz.mutate import damage, pick

MODEL = str(DATA / "tiny.onnx")
DEPTH = ("depth", MODEL, "-o", "out", "--format", "npy,png,png16", "--size", "28")


def photo() -> Image.Image:
    """A small colourful picture, 60 × 44, the same every time."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(noise, (60, 44), interpolation=cv2.INTER_CUBIC))


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if image is not None else photo()).save(buffer, kind, **options)
    return buffer.getvalue()


def by_opencv(ending: str, image: NDArray[Any] | None = None) -> bytes:
    done, data = cv2.imencode(ending, cv2.cvtColor(np.asarray(photo()), cv2.COLOR_RGB2BGR) if image is None else image)
    assert done
    return bytes(data.tobytes())


def png(width: int, height: int, depth: int, colours: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG that says what it is told to, whether that is true or not."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


@cache
def good_files() -> dict[str, bytes]:
    """Photos in every format and colour type that people have."""
    frames = [photo().rotate(angle) for angle in (0, 90, 180)]
    deep = np.asarray(photo()).astype(np.uint16) * 257
    return {
        "plain.jpg": encoded("JPEG"),
        "progressive.jpg": encoded("JPEG", progressive=True),
        "grey.jpg": encoded("JPEG", photo().convert("L")),
        "cmyk.jpg": encoded("JPEG", photo().convert("CMYK")),
        **{f"turned_{way}.jpg": encoded("JPEG", exif=_turned(way)) for way in range(10)},  # 0 and 9 mean nothing
        "turned.png": encoded("PNG", exif=_turned(6)),
        "turned.webp": encoded("WEBP", exif=_turned(8)),
        "plain.png": encoded("PNG"),
        "palette.png": encoded("PNG", photo().convert("P")),
        "alpha.png": encoded("PNG", photo().convert("RGBA")),
        "grey_alpha.png": encoded("PNG", photo().convert("LA")),
        "one_bit.png": encoded("PNG", photo().convert("1")),
        "16_bit.png": by_opencv(".png", deep),
        "16_bit_grey.png": encoded("PNG", Image.fromarray(deep[..., 0])),
        "16_bit_alpha.png": by_opencv(".png", np.dstack((deep, deep[..., :1]))),
        "palette_with_clear.png": encoded("PNG", photo().convert("P"), transparency=3),
        "moving.png": encoded("PNG", frames[0], save_all=True, append_images=frames[1:]),
        "moving.gif": encoded("GIF", frames[0], save_all=True, append_images=frames[1:]),
        "moving.webp": encoded("WEBP", frames[0], save_all=True, append_images=frames[1:]),
        "plain.webp": encoded("WEBP"),
        "lossless.webp": encoded("WEBP", lossless=True),
        "plain.tif": encoded("TIFF"),
        "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
        "16_bit.tif": by_opencv(".tiff", deep),
        "cmyk.tif": encoded("TIFF", photo().convert("CMYK")),
        "lab.tif": encoded("TIFF", ImageCms.profileToProfile(photo(), _RGB, _LAB, outputMode="LAB")),
        "plain.bmp": encoded("BMP"),
        "plain.ppm": encoded("PPM"),
        "plain.jp2": by_opencv(".jp2"),
        "plain.avif": by_opencv(".avif"),
        "plain.hdr": by_opencv(".hdr"),
        "one_pixel.png": encoded("PNG", Image.new("RGB", (1, 1), (9, 99, 200))),
        "flat.png": encoded("PNG", Image.new("RGB", (70, 70), (128, 128, 128))),
        "two_to_one.png": encoded("PNG", photo().resize((100, 50))),
        "with spaces and (brackets).png": encoded("PNG"),
        "Größe_写真_фото_🌊.png": encoded("PNG"),
        "-starts-with-a-dash.png": encoded("PNG"),
        "line\nbreak\tand \x1b[31mcolour.png": encoded("PNG"),
        "no text: \udcff\udcfe.png": encoded("PNG"),
        "%s{0}$HOME*?.png": encoded("PNG"),
    }


_RGB, _LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


def _turned(way: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = way
    return exif


@cache
def bad_files() -> dict[str, bytes]:
    """Files that are no photos, or photos that nobody could look at."""
    return {
        "empty.jpg": b"",
        "text.png": b"this is no photo\n",
        "zeros.png": bytes(5000),
        "folder.zip.png": b"PK\x03\x04" + bytes(200),
        "only_a_signature.png": b"\x89PNG\r\n\x1a\n",
        "only_a_signature.jpg": b"\xff\xd8\xff",
        "half.jpg": encoded("JPEG")[:700],
        "half.png": encoded("PNG")[:2000],
        "strip.png": encoded("PNG", Image.new("RGB", (20000, 1), (9, 99, 200))),
        "pole.png": encoded("PNG", Image.new("RGB", (1, 20000), (9, 99, 200))),
        "no_width.png": png(0, 5, 8, 2, b""),
        "claims_3600_megapixels.png": png(60000, 60000, 1, 0, bytes(100)),
        "claims_too_wide.png": png(1 << 21, 4, 8, 2, bytes(100)),
        "bomb_900_megapixels.png": png(30000, 30000, 1, 0, bytes(3751 * 30000)),
        "bomb_of_text.png": png(8, 8, 8, 2, bytes(200), _text_bomb()),
        "claims_4000_megapixels.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + encoded("GIF")[10:],
        "claims_4000_megapixels.jpg": _jpeg_that_claims(65500, 65500),
        "claims_2000_megapixels.bmp": _bmp_that_claims(46000, 46000),
        "claims_much.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "claims_much.pam": b"P7\nWIDTH 100000\nHEIGHT 100000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(100),
        "claims_much.hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\n" + bytes(100),
        "claims_much.tif": _changed(
            encoded("TIFF"), struct.pack("<HHII", 256, 4, 1, 60), struct.pack("<HHII", 256, 4, 1, 1 << 30)
        ),
        "claims_much.webp": _changed(
            encoded("WEBP", lossless=True), encoded("WEBP", lossless=True)[21:25], b"\xff\xff\xff\x0f"
        ),
        "claims_much.jp2": _changed(
            by_opencv(".jp2"), struct.pack(">II", 44, 60), struct.pack(">II", 1 << 30, 1 << 30)
        ),
        "float.tif": by_opencv(".tiff", np.asarray(photo()).astype(np.float32) / 255),  # OpenCV makes no bytes of it
        "not_finite.tif": by_opencv(".tiff", np.full((44, 60, 3), np.nan, np.float32)),
        "a_page_that_follows_itself.tif": _endless_tiff(),
        "x" * 250 + ".png": encoded("PNG"),
    }


def _changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def _endless_tiff() -> bytes:
    """The pages of a TIFF are a list; the last one of this points to the first."""
    data = encoded("TIFF")
    (first,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[first : first + 2])
    end = first + 2 + 12 * entries
    return data[:end] + struct.pack("<I", first) + data[end + 4 :]


# What may be passed over: a text, a page beside the first.
READ_BY_SOME = ("bomb_of_text.png", "a_page_that_follows_itself.tif")
TOO_LONG = ("strip.png", "pole.png")  # with their aspect kept


def _text_bomb() -> bytes:
    content = b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


def _jpeg_that_claims(width: int, height: int) -> bytes:
    data = bytearray(encoded("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _bmp_that_claims(width: int, height: int) -> bytes:
    data = bytearray(encoded("BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def writes(name: str, data: bytes) -> Callable[[Path], object]:
    """Makes a folder's only file."""
    return lambda folder: (folder / name).write_bytes(data)


def good() -> list[Case]:
    """What the server runs before it forks."""
    return [Case("good", writes("photo.png", encoded("PNG")), (*DEPTH, "photo.png"), "works")]


def _good() -> Iterator[Case]:
    for name, data in good_files().items():
        yield Case(f"good photo: {name}", writes(name, data), (*DEPTH, "--", name), "works")
    for name in TOO_LONG:
        square = (*DEPTH, "--square", "--", name)
        yield Case(f"good photo: {name} made square", writes(name, bad_files()[name]), square, "works")


def _bad() -> Iterator[Case]:
    for name, data in bad_files().items():
        expected: Expected = "either" if name in READ_BY_SOME else "refused"
        message = "GiB of memory" if name in TOO_LONG else name[:100]
        yield Case(f"bad photo: {name}", writes(name, data), (*DEPTH, "--", name), expected, message)
    yield Case("bad photo: a folder", lambda folder: (folder / "photo.png").mkdir(), (*DEPTH, "photo.png"), "refused")
    yield Case("bad photo: a link to itself", _loop, (*DEPTH, "photo.png"), "refused", "photo.png")
    yield Case("bad photo: a pipe", _pipe, (*DEPTH, "photo.png"), "refused", "photo.png")


def _loop(folder: Path) -> None:
    (folder / "photo.png").symlink_to("photo.png")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "photo.png")


GROUPS: Groups = {"good photos": _good, "bad photos": _bad}


def mutated(count: int, seed: int = 0) -> Iterator[Case]:
    """Seeded damage to good photos: to any bytes, and to parts of a format."""
    files = list(good_files().items())
    known = [(name, data) for name, data in files if Path(name).suffix in PICTURES]
    for number in range(count):
        random = np.random.default_rng((seed, 1, number))
        if number % 3:
            name, data = pick(files, random)
            damaged = damage(data, random, pick((None, None, 200), random))
        else:
            name, data = pick(known, random)
            damaged = PICTURES[Path(name).suffix](data, random)
        yield Case(f"damaged photo {number}: {name}", writes(name, damaged), (*DEPTH, "--", name))
