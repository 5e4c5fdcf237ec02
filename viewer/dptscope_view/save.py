"""Writing what is seen, and the data behind it, under names that are never taken."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError
from dptscope.files.atomic import clear_leftovers, part_file
from dptscope.opencv import cv2
from dptscope.process.signals import together


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """uint8 ``[height, width, 3]`` blue first, or uint16 ``[height, width]``."""
    done, data = cv2.imencode(".png", image)
    if not done:
        raise DptscopeError(f"cannot encode {image.dtype} {image.shape} as PNG")
    return bytes(data.tobytes())


def encode_npy(array: NDArray[np.float32]) -> bytes:
    """numpy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def encode_json(value: object) -> bytes:
    """JSON for people and programs."""
    return (json.dumps(value, indent=2) + "\n").encode()


def save_new(folder: Path, stem: str, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files under one number that no file has yet: ``STEM_001ENDING``, ``STEM_002ENDING``, …

    Args:
        folder: made if it is not there.
        stem: start of the names.
        files: contents by ending, such as ``_depth.npy``.

    Returns:
        the paths, in the order of ``files``.

    Raises:
        DptscopeError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(folder)
        for number in range(1, 100000):
            paths = tuple(folder / f"{stem}_{number:03d}{ending}" for ending in files)
            if any(path.exists() for path in paths):
                continue
            if _write_all(paths, list(files.values())):
                return paths
    except OSError as error:
        raise DptscopeError(f"{folder}: cannot be written to ({error.strerror})") from error
    raise DptscopeError(f"{folder}: expected a free number for {stem}, got none below 100000")


def _write_all(paths: tuple[Path, ...], contents: list[bytes]) -> bool:
    """Write all or none. False: another program has taken one of the names in the meantime."""
    with ExitStack() as stack:
        parts: list[Path] = []
        for path, content in zip(paths, contents, strict=True):
            file, part = stack.enter_context(part_file(path))
            file.write(content)
            file.flush()
            parts.append(part)
        with together():
            written: list[Path] = []
            try:
                for path, part in zip(paths, parts, strict=True):
                    _claim(part, path)
                    written.append(path)
            except OSError as error:
                for path in written:
                    path.unlink()
                if isinstance(error, FileExistsError):
                    return False
                raise
    return True


def _claim(staged: Path, path: Path) -> None:
    """Give a finished file its name. A hard link is made only where there is no such name, and whole at once; a rename
    would replace what is there.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(staged, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as a memory card's: still never over another file
        with path.open("xb") as file:
            try:
                file.write(staged.read_bytes())
                file.flush()
            except BaseException:
                path.unlink()
                raise
