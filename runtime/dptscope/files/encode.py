"""Arrays and values as the bytes of files."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import DptscopeError
from dptscope.opencv import cv2


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode a PNG: uint8 ``[height, width, 3]`` blue first, or uint16 ``[height, width]``.

    Raises:
        DptscopeError: sizes that a PNG does not have.
    """
    done, data = cv2.imencode(".png", image)
    if not done:
        raise DptscopeError(f"cannot encode {image.dtype} {image.shape} as PNG")
    return bytes(data.tobytes())


def encode_npy(array: NDArray[Any]) -> bytes:
    """Encode an array in numpy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def encode_json(value: object) -> bytes:
    """Encode JSON for people and programs."""
    return (json.dumps(value, indent=2) + "\n").encode()
