"""Reading photos, and writing pictures and arrays so that they appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError, ImageError
from dptscope.files.atomic import part_file
from dptscope.opencv import MOST_PIXELS, cv2


def read_image(path: Path) -> UInt8Array:
    """Read a photo as the original projects do: uint8 ``[height, width, 3]``, blue first, EXIF orientation applied.

    Raises:
        ImageError: no such file, or no image.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        with _decoders_silenced():
            image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (cv2.error, MemoryError) as error:  # sizes that OpenCV or the machine cannot hold
        reason = " ".join(str(error).partition("error: ")[2].split())[:160] or "not enough memory"
        raise ImageError(f"{path}: expected a photo that can be decoded, got one that cannot ({reason})") from error
    if image is None:
        raise ImageError(f"{path}: expected a photo (JPEG, PNG, …), got something OpenCV cannot read, or a part of one")
    height, width = image.shape[:2]
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"{path}: expected a photo of at most {MOST_PIXELS / 1e6:.0f} megapixels, got {width} × {height}"
        )
    return np.asarray(image, dtype=np.uint8)


@contextmanager
def _decoders_silenced() -> Iterator[None]:
    """Send what the decoders write to standard error nowhere: libpng and libtiff write there themselves, past Python and
    OpenCV's log level, about files that are refused a moment later and about harmless oddities of good ones."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # this process has no standard error
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        with part_file(path) as (file, part):
            file.write(data)
            file.flush()
            part.replace(path)
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be written ({error.strerror})") from error


def write_png(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a PNG: uint8 ``[height, width, 3]`` blue first, or uint16 ``[height, width]``."""
    done, data = cv2.imencode(".png", image)
    if not done:
        raise DptscopeError(f"{path}: cannot encode {image.dtype} {image.shape} as PNG")
    write_atomically(path, data.tobytes())


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array in numpy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getvalue())


def write_json(path: Path, value: object) -> None:
    """Write JSON for people and programs."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def output_stems(images: Sequence[Path]) -> list[str]:
    """One file stem a photo.

    Raises:
        DptscopeError: two photos would write the same files.
    """
    stems = [path.stem for path in images]
    for stem in stems:
        if stems.count(stem) > 1:
            raise DptscopeError(f"expected photos with different names, got {stems.count(stem)} called {stem}")
    return stems
