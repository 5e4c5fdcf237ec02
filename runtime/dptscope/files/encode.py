"""Arrays and values as the bytes of files."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError
from dptscope.opencv import cv2

_PNG_HEADER = 8 + 25  # bytes of the signature and of the first chunk, behind which a text may stand


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16], description: str = "") -> bytes:
    """Encode a PNG: uint8 ``[height, width, 3]`` blue first, or uint16 ``[height, width]``.

    Args:
        image: the picture.
        description: what its numbers are, in Latin-1; readers of pictures show it as the file's description.

    Raises:
        DptscopeError: sizes that a PNG does not have.
    """
    done, data = cv2.imencode(".png", image)
    if not done:
        raise DptscopeError(f"cannot encode {image.dtype} {image.shape} as PNG")
    png = bytes(data.tobytes())
    if not description:
        return png
    text = b"tEXtDescription\0" + description.encode("latin-1")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return png[:_PNG_HEADER] + chunk + png[_PNG_HEADER:]


def encode_npy(array: NDArray[Any]) -> bytes:
    """Encode an array in numpy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def encode_json(value: object) -> bytes:
    """Encode JSON for people and programs."""
    return (json.dumps(value, indent=2) + "\n").encode()
