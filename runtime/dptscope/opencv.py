"""OpenCV, loaded when it is first used and not before: a machine without a screen may lack the libraries of its windows, and
most of what dptscope does draws nothing.

Use it as ``from dptscope.opencv import cv2``.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dptscope.errors import DptscopeError, one_line

MOST_PIXELS = 1 << 28
"""Pixels of the largest photo that is read: 16,384 × 16,384. A small file can claim any number."""

_WAYS_OUT = (
    "either install what its windows need (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or take the OpenCV without "
    "windows: pip uninstall -y opencv-python; pip install opencv-python-headless"
)


class _OpenCV:
    """Stands for the module and loads it when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))  # read when it is loaded
        try:
            value = getattr(import_module("cv2"), name)
        except ImportError as error:
            raise DptscopeError(f"OpenCV cannot be loaded ({one_line(error)}): {_WAYS_OUT}") from error
        self.__dict__[name] = value
        return value


if TYPE_CHECKING:
    import cv2 as cv2
else:
    cv2 = _OpenCV()
