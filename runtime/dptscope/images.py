"""Reading photos, and writing pictures and arrays so that they appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError, ImageError
from dptscope.prepare import UInt8Array


def read_image(path: Path) -> UInt8Array:
    """Read a photo as the original projects do: uint8 ``[height, width, 3]``, blue first, EXIF orientation applied.

    Raises:
        ImageError: no such file, or no image.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    data = np.fromfile(path, dtype=np.uint8)
    # Decoded from memory: cv2.imread prints a warning of its own for every file that is no image.
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ImageError(f"{path}: expected a photo (JPEG, PNG, …), got something OpenCV cannot read")
    return np.asarray(image, dtype=np.uint8)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        staged = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            staged.chmod(0o666 & ~_umask())
            staged.replace(path)
        except BaseException:
            staged.unlink()
            raise
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be written ({error.strerror})") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
