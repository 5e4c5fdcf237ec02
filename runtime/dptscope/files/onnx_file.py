"""A look at a model file's structure before onnxruntime sees it, where what an exported model never has is refused; and the
digest of its weights.

onnxruntime checks graphs well, but four things that it takes are traps in a file of unknown origin: weights in files
outside the model's folder (older releases read any path), control flow (a loop may run for ever), weights whose shapes
claim more than the file holds, and weights that are not finite. So the protobuf messages of the file are walked here,
which needs neither onnx nor protobuf. The field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.contract import WEIGHTS_SUFFIX
from dptscope.errors import ModelFileError
from dptscope.files.protobuf import BrokenError, Messages
from dptscope.finite import FLOAT_KINDS, is_lowest, weights_are_finite

# Not Scan, which ends with the axis it runs over: exports attend head by head with it.
_CONTROL_FLOW = frozenset({"If", "Loop", "SequenceMap"})
_DEEPEST = 8  # functions, nodes and attributes inside each other; an export has at most four levels

_EXTERNAL = 1
_RAW = 9
_VALUES = (4, _RAW, 10)  # float_data, raw_data, double_data
_VARINTS = (5, 7, 11)  # int32_data, int64_data, uint64_data

# Bytes a value in raw_data, by TensorProto.DataType; half a byte for the four-bit types.
_VALUE_BYTES = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2,
    17: 1, 18: 1, 19: 1, 20: 1, 21: 0.5, 22: 0.5, 23: 0.5,
}  # fmt: skip


def check_structure(path: Path) -> None:
    """Walk a model file.

    Raises:
        ModelFileError: no ONNX model, a damaged one, or one with a trap in it.
    """
    with _walk(path) as walk:
        walk.model()


def weights_digest(path: Path) -> str:
    """SHA-256 over a model's weights, the initializers of its graph, in the order of their names: each name, a zero byte, and
    its numbers in little-endian bytes. Reads the whole file.

    Raises:
        ModelFileError: no ONNX model, or a damaged one.
    """
    digest = hashlib.sha256()
    with _walk(path) as walk:
        for name, numbers in walk.weights():
            digest.update(name.encode() + b"\0")
            digest.update(numbers())
    return digest.hexdigest()


def mapped_weights(path: Path) -> dict[str, NDArray[Any]]:
    """A model's floating-point weights by name, as views into the mapped file: none is read before it is used, none copied.
    They may not be written to; the file stays mapped as long as one of them is kept.

    Raises:
        ModelFileError: no ONNX model, or a damaged one.
    """
    with _walk(path) as walk:
        return walk.views()


@contextmanager
def _walk(path: Path) -> Iterator[_Walk]:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise ModelFileError(f"{path}: expected an ONNX model, got an empty file")
            # Closed with the last that looks into it: views of weights outlive the walk.
            yield _Walk(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (IndexError, BrokenError) as error:
        raise ModelFileError(f"{path}: expected an ONNX model, got something else or a damaged one") from error


@dataclass
class _Tensor:
    """What a weight's message says.

    Attributes:
        values: where its numbers begin and end in this file, if they stand there as they are in memory.
        raw: whether they are raw_data, which wins over numbers of a type.
        varints: or where they stand one by one, in as many bytes as each takes.
        entries: or where they lie in another file.
    """

    name: str = ""
    shape: list[int] = field(default_factory=list)
    data_type: int = 0
    values: tuple[int, int] = (0, 0)
    raw: bool = False
    varints: list[tuple[int, int]] = field(default_factory=list)
    external: bool = False
    entries: dict[str, str] = field(default_factory=dict)

    @property
    def is_outside(self) -> bool:
        return self.external or bool(self.entries)


class _Walk(Messages):
    """Through the messages of one file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        super().__init__(data)
        self._path = path
        self._weights = path.name + WEIGHTS_SUFFIX
        self._beside: mmap.mmap | None = None

    def model(self) -> None:
        graphs = 0
        for number, start, end in self.fields(0, len(self._data)):
            if number == 7:  # graph; a message that comes twice is merged
                graphs += 1
                self._graph(start, end, 0)
            elif number == 25:  # functions
                self._function(start, end)
        if not graphs:
            raise BrokenError

    def weights(self) -> list[tuple[str, Callable[[], bytes]]]:
        """Name and numbers of each initializer of the main graph, by name; the numbers when they are asked for."""
        return [(name, partial(self._bytes, tensor)) for name, tensor in sorted(self._initializers().items())]

    def views(self) -> dict[str, NDArray[Any]]:
        """Each floating-point initializer of the main graph whose numbers stand in the file as they do in memory."""
        found: dict[str, NDArray[Any]] = {}
        for tensor in self._initializers().values():
            kind = FLOAT_KINDS.get(tensor.data_type)
            data, (first, last), size = self._place(tensor)
            if kind is not None and size == last - first:
                found[tensor.name] = np.frombuffer(data, kind, size // kind.itemsize, first).reshape(tensor.shape)
        return found

    def _initializers(self) -> dict[str, _Tensor]:
        """Those of the main graph by name."""
        found: dict[str, _Tensor] = {}
        for number, start, end in self.fields(0, len(self._data)):
            if number == 7:
                for what, first, last in self.fields(start, end):
                    if what == 5:
                        tensor = self._read_tensor(first, last)
                        found[tensor.name] = tensor
        return found

    def _bytes(self, tensor: _Tensor) -> bytes:
        if tensor.varints and not tensor.raw:
            size = math.ceil(_VALUE_BYTES.get(tensor.data_type, 8))
            whole = (number for place in tensor.varints for number in self.numbers(*place))
            return b"".join((number & (1 << 8 * size) - 1).to_bytes(size, "little") for number in whole)
        data, (first, last), _ = self._place(tensor)
        return data[first:last]

    def _graph(self, start: int, end: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise BrokenError
        for number, first, last in self.fields(start, end):
            if number == 1:
                self._node(first, last, depth)
            elif number == 5:  # initializer
                self._tensor(first, last)
            elif number == 15:  # sparse_initializer: values and indices
                self._sparse(first, last)

    def _function(self, start: int, end: int) -> None:
        for number, first, last in self.fields(start, end):
            if number == 7:
                self._node(first, last, 1)

    def _node(self, start: int, end: int, depth: int) -> None:
        for number, first, last in self.fields(start, end):
            if number == 4:
                operator = self.text(first, last)
                if operator in _CONTROL_FLOW:
                    raise ModelFileError(
                        f"{self._path}: expected an exported model, which has no {operator}, got one with it"
                    )
            elif number == 5:
                self._attribute(first, last, depth + 1)

    def _attribute(self, start: int, end: int, depth: int) -> None:
        for number, first, last in self.fields(start, end):
            if number in (5, 10):  # t, tensors
                self._tensor(first, last)
            elif number in (6, 11):  # g, graphs
                self._graph(first, last, depth)
            elif number in (22, 23):  # sparse_tensor, sparse_tensors
                self._sparse(first, last)

    def _sparse(self, start: int, end: int) -> None:
        for number, first, last in self.fields(start, end):
            if number in (1, 2):
                self._tensor(first, last)

    def _read_tensor(self, start: int, end: int) -> _Tensor:
        tensor = _Tensor()
        for number, first, last in self.fields(start, end):
            if number == 1:
                tensor.shape += self.numbers(first, last)
            elif number == 2:
                tensor.data_type = first
            elif number == 8:
                tensor.name = self.text(first, last)
            elif number in _VALUES and not tensor.raw:
                tensor.values, tensor.raw = (first, last), number == _RAW
            elif number in _VARINTS:
                tensor.varints.append((first, last))
            elif number == 13:
                key, value = self.entry(first, last)
                tensor.entries[key] = value
            elif number == 14:
                tensor.external = first == _EXTERNAL
        return tensor

    def _tensor(self, start: int, end: int) -> None:
        """Check that a tensor's shape claims what its data holds, and that outside data is where it belongs."""
        tensor = self._read_tensor(start, end)
        shape, data_type = tensor.shape, tensor.data_type
        if any(not 0 <= side < 1 << 63 for side in shape):
            raise ModelFileError(f"{self._path}: expected shapes of whole numbers, got the shape {shape[:8]}")
        data, (first, last), size = self._place(tensor)
        as_they_are = tensor.raw or tensor.is_outside
        if as_they_are and data_type in _VALUE_BYTES and size != last - first:
            raise ModelFileError(f"{self._path}: a weight of shape {shape[:8]} needs {size} bytes, got {last - first}")
        if not as_they_are and size > 16 * (end - start):  # values one by one take at least a byte each
            raise ModelFileError(f"{self._path}: a weight claims the shape {shape[:8]}, got {end - start} bytes of it")
        if not weights_are_finite(data, data_type, first, last) and (shape or not is_lowest(data, data_type, first)):
            raise ModelFileError(
                f"{self._path}: expected finite weights, got NaN, infinity or numbers too large to compute with in "
                f"{tensor.name[:120]}"
            )

    def _place(self, tensor: _Tensor) -> tuple[mmap.mmap, tuple[int, int], int]:
        """The file that a weight's numbers are in, where in it they begin and end, and how many bytes its shape claims."""
        size = math.ceil(math.prod(tensor.shape) * _VALUE_BYTES.get(tensor.data_type, 0))
        if not tensor.is_outside:
            return self._data, tensor.values, size
        return *self._external(tensor.entries, size), size

    def _external(self, entries: dict[str, str], size: int) -> tuple[mmap.mmap, tuple[int, int]]:
        """The file beside the model, and where in it a weight begins and ends."""
        location = entries.get("location", "")
        if location != self._weights:
            raise ModelFileError(
                f"{self._path}: expected weights in this file or in {self._weights} beside it, got {location[:200]!r}"
            )
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", size))
        except ValueError as error:
            raise BrokenError from error
        data = self._weights_file()
        if offset < 0 or length < 0 or offset + length > len(data):
            raise ModelFileError(
                f"{self._path}: expected a weight inside {self._weights} ({len(data)} bytes), "
                f"got one at {offset} to {offset + length}"
            )
        return data, (offset, offset + length)

    def _weights_file(self) -> mmap.mmap:
        if self._beside is None:
            beside = self._path.with_name(self._weights)
            if beside.is_symlink() and not self._path.is_symlink():
                raise ModelFileError(f"{beside}: expected the model's weights, got a link to somewhere else")
            if not beside.is_file():
                raise ModelFileError(f"{beside}: no such file, though {self._path.name} keeps its weights there")
            if not beside.stat().st_size:
                raise ModelFileError(f"{beside}: expected the model's weights, got an empty file")
            with beside.open("rb") as file:
                self._beside = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._beside
