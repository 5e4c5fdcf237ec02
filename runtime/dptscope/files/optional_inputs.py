"""A model whose optional inputs must be given, for execution providers that make constants of their defaults.

onnxruntime lets an initializer that is also an input be fed in place of its default. Providers that take a graph over as a
whole, as OpenVINO's does, look at the initializer alone: what is fed is then ignored without a word. So they get the model
with these initializers taken away, and the defaults are fed. One is taken away by the one byte that says what it is:
it becomes a field that ``onnx.proto`` does not have, and no length in the file changes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.errors import ModelFileError
from dptscope.files.protobuf import BrokenError, Messages

_GRAPH, _INITIALIZER, _INPUT = 7, 5, 11  # of ModelProto and GraphProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9  # of TensorProto
_TAG, _UNKNOWN = _INITIALIZER << 3 | 2, 3 << 3 | 2  # GraphProto has no field 3
_KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8")}  # TensorProto.DataType


def with_required_inputs(path: Path) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """The file's bytes with every optional input made one that must be given, and the defaults by name.

    Raises:
        ModelFileError: it cannot be read, or has a default of another kind than ours.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            walk = _Walk(mapped)
            changed, defaults = bytearray(mapped), {}
            for name, (tag, start, end) in walk.optional_inputs().items():
                defaults[name] = walk.tensor(start, end)
                changed[tag] = _UNKNOWN
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (IndexError, ValueError, KeyError, BrokenError) as error:
        raise ModelFileError(f"{path}: expected defaults of optional inputs as an export writes them") from error
    return bytes(changed), defaults


class _Walk(Messages):
    def optional_inputs(self) -> dict[str, tuple[int, int, int]]:
        """Place of the tag, and where the message begins and ends, of each initializer that is an input, too."""
        inputs: set[str] = set()
        found: dict[str, tuple[int, int, int]] = {}
        for number, start, end in self._graphs():
            if number == _INPUT:
                inputs.add(self._name(start, end, 1))
            elif number == _INITIALIZER:
                tag = start - 2 - (max((end - start).bit_length(), 1) - 1) // 7
                if self._data[tag] != _TAG:
                    raise BrokenError
                found[self._name(start, end, _NAME)] = tag, start, end
        return {name: place for name, place in found.items() if name in inputs}

    def tensor(self, start: int, end: int) -> NDArray[Any]:
        """A small tensor."""
        shape: list[int] = []
        kind, data = 0, b""
        for number, first, last in self.fields(start, end):
            if number == _DIMS:
                shape += self.numbers(first, last)
            elif number == _TYPE:
                kind = first
            elif number in (_RAW, _FLOATS):
                data = bytes(self._data[first:last])
        return np.frombuffer(data, _KINDS[kind]).reshape(shape)

    def _graphs(self) -> Iterator[tuple[int, int, int]]:
        for number, start, end in self.fields(0, len(self._data)):
            if number == _GRAPH:
                yield from self.fields(start, end)

    def _name(self, start: int, end: int, field: int) -> str:
        return next((self.text(first, last) for number, first, last in self.fields(start, end) if number == field), "")
