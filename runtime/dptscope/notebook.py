"""A picture that a notebook displays."""

from __future__ import annotations

from dataclasses import dataclass

from dptscope.arrays import UInt8Array
from dptscope.files.encode import encode_png


@dataclass(frozen=True, repr=False, eq=False)
class Picture:
    """What :meth:`dptscope.Scene.show` gives.

    Attributes:
        bgr: uint8 ``[height, width, 3]``, blue first.
    """

    bgr: UInt8Array

    def _repr_png_(self) -> bytes:
        """What Jupyter asks a value for."""
        return encode_png(self.bgr)

    def __repr__(self) -> str:
        height, width = self.bgr.shape[:2]
        return f"Picture({height} × {width}, in .bgr)"
