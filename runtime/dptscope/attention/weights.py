"""Weights of a model's attention, read from its file by the names that the contract gives them (docs/contract.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.errors import ModelFileError
from dptscope.files.onnx_file import mapped_weights


class Weights:
    """A model's floating-point weights, mapped from the file when one is first asked for.

    Attributes:
        path: the model's file, which is being opened: it must still be this one when it is mapped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _identity(path)
        self._views: dict[str, NDArray[Any]] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._mapped()

    def get(self, name: str) -> Float32Array:
        """A weight by its name, in float32.

        Raises:
            ModelFileError: the file does not have it, or is another one by now.
        """
        found = self._mapped().get(name)
        if found is None:
            raise ModelFileError(
                f"{self.path}: expected the weight {name}, which attention is computed from, got a file without it by that "
                "name: for a quantised one take the float32 file that it was made of, for an older readable one export "
                "the default form; in a model that was never trained blocks share weights that are equal"
            )
        return np.asarray(found, np.float32)

    def _mapped(self) -> dict[str, NDArray[Any]]:
        if self._views is None:
            views = mapped_weights(self.path)
            if _identity(self.path) != self._file:
                raise ModelFileError(
                    f"{self.path}: expected the file that was opened, got another one under its name; open it again"
                )
            self._views = views
        return self._views


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What tells one file from the next under its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def layer_norm(tokens: Float32Array, gain_c: Float32Array, shift_c: Float32Array, epsilon: float) -> Float32Array:
    """Each token, ``[…, channels]``, less its mean, divided by its standard deviation, with a normalisation's weights."""
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(epsilon)) * gain_c + shift_c, np.float32)
