"""A look at a model file's structure before onnxruntime sees it: what an exported model never has is refused.

onnxruntime checks graphs well, but four things that it takes are traps in a file of unknown origin: weights in files
outside the model's folder (older releases read any path), control flow (a loop may run for ever), weights whose shapes
claim more than the file holds, and weights that are not finite. So the protobuf messages of the file are walked here,
which needs neither onnx nor protobuf. The field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path

from dptscope.contract import WEIGHTS_SUFFIX
from dptscope.errors import ModelFileError
from dptscope.finite import weights_are_finite

# Not Scan, which ends with the axis it runs over: exports attend head by head with it.
_CONTROL_FLOW = frozenset({"If", "Loop", "SequenceMap"})
_DEEPEST = 8  # functions, nodes and attributes inside each other; an export has at most four levels

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_EXTERNAL = 1
_RAW = 9
_VALUES = (4, _RAW, 10)  # float_data, raw_data, double_data

# Bytes a value in raw_data, by TensorProto.DataType; half a byte for the four-bit types.
_VALUE_BYTES = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2,
    17: 1, 18: 1, 19: 1, 20: 1, 21: 0.5, 22: 0.5, 23: 0.5,
}  # fmt: skip

_Field = tuple[int, int, int]  # number; for a varint its value and 0, else where the content begins and ends


def check_structure(path: Path) -> None:
    """Walk a model file.

    Raises:
        ModelFileError: no ONNX model, a damaged one, or one with a trap in it.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise ModelFileError(f"{path}: expected an ONNX model, got an empty file")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                _Walk(path, data).model()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (IndexError, _BrokenError) as error:
        raise ModelFileError(f"{path}: expected an ONNX model, got something else or a damaged one") from error


class _BrokenError(Exception):
    """Bytes that are no protobuf message."""


class _Walk:
    """Through the messages of one file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._weights = path.name + WEIGHTS_SUFFIX
        self._beside: mmap.mmap | None = None

    def model(self) -> None:
        graphs = 0
        for number, start, end in self._fields(0, len(self._data)):
            if number == 7:  # graph; a message that comes twice is merged
                graphs += 1
                self._graph(start, end, 0)
            elif number == 25:  # functions
                self._function(start, end)
        if not graphs:
            raise _BrokenError

    def _graph(self, start: int, end: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise _BrokenError
        for number, first, last in self._fields(start, end):
            if number == 1:
                self._node(first, last, depth)
            elif number == 5:  # initializer
                self._tensor(first, last)
            elif number == 15:  # sparse_initializer: values and indices
                self._sparse(first, last)

    def _function(self, start: int, end: int) -> None:
        for number, first, last in self._fields(start, end):
            if number == 7:
                self._node(first, last, 1)

    def _node(self, start: int, end: int, depth: int) -> None:
        for number, first, last in self._fields(start, end):
            if number == 4:
                operator = self._text(first, last)
                if operator in _CONTROL_FLOW:
                    raise ModelFileError(
                        f"{self._path}: expected an exported model, which has no {operator}, got one with it"
                    )
            elif number == 5:
                self._attribute(first, last, depth + 1)

    def _attribute(self, start: int, end: int, depth: int) -> None:
        for number, first, last in self._fields(start, end):
            if number in (5, 10):  # t, tensors
                self._tensor(first, last)
            elif number in (6, 11):  # g, graphs
                self._graph(first, last, depth)
            elif number in (22, 23):  # sparse_tensor, sparse_tensors
                self._sparse(first, last)

    def _sparse(self, start: int, end: int) -> None:
        for number, first, last in self._fields(start, end):
            if number in (1, 2):
                self._tensor(first, last)

    def _tensor(self, start: int, end: int) -> None:
        """Check that a tensor's shape claims what its data holds, and that outside data is where it belongs."""
        shape: list[int] = []
        data_type, raw_bytes, external, name = 0, -1, False, ""
        values = (0, 0)  # where they begin and end
        entries: dict[str, str] = {}
        for number, first, last in self._fields(start, end):
            if number == 1:
                shape += self._numbers(first, last)
            elif number == 2:
                data_type = first
            elif number == 8:
                name = self._text(first, last)
            elif number in _VALUES:
                values = first, last
                raw_bytes = last - first if number == _RAW else raw_bytes
            elif number == 13:
                key, value = self._entry(first, last)
                entries[key] = value
            elif number == 14:
                external = first == _EXTERNAL
        if any(not 0 <= side < 1 << 63 for side in shape):
            raise ModelFileError(f"{self._path}: expected shapes of whole numbers, got the shape {shape[:8]}")
        size = math.ceil(math.prod(shape) * _VALUE_BYTES.get(data_type, 0))
        data = self._data
        if external or entries:
            data, values = self._external(entries, size)
            raw_bytes = values[1] - values[0]
        if raw_bytes >= 0 and data_type in _VALUE_BYTES and size != raw_bytes:
            raise ModelFileError(f"{self._path}: a weight of shape {shape[:8]} needs {size} bytes, got {raw_bytes}")
        if raw_bytes < 0 and size > 16 * (end - start):  # values one by one take at least a byte each
            raise ModelFileError(f"{self._path}: a weight claims the shape {shape[:8]}, got {end - start} bytes of it")
        if not weights_are_finite(data, data_type, *values):
            raise ModelFileError(
                f"{self._path}: expected finite weights, got NaN, infinity or numbers too large to compute with in "
                f"{name[:120]}"
            )

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
            raise _BrokenError from error
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

    def _entry(self, start: int, end: int) -> tuple[str, str]:
        found = {number: self._text(first, last) for number, first, last in self._fields(start, end)}
        return found.get(1, ""), found.get(2, "")

    def _numbers(self, first: int, last: int) -> Iterator[int]:
        """One number, or several packed into one field."""
        if not last:
            yield first
        while first < last:
            value, first = self._varint(first)
            yield value

    def _text(self, start: int, end: int) -> str:
        if end - start > 4096:
            raise _BrokenError
        return bytes(self._data[start:end]).decode("utf-8", errors="replace")

    def _fields(self, place: int, end: int) -> Iterator[_Field]:
        """The fields of one message; a field with content must end where its message does, or before."""
        while place < end:
            tag, place = self._varint(place)
            kind = tag & 7
            if kind == _LENGTH:
                length, place = self._varint(place)
                if place + length > end:
                    raise _BrokenError
                yield tag >> 3, place, place + length
                place += length
            elif kind == _VARINT:
                value, place = self._varint(place)
                yield tag >> 3, value, 0
            elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
                place += 8 if kind == _EIGHT_BYTES else 4
            else:
                raise _BrokenError
        if place != end:
            raise _BrokenError

    def _varint(self, place: int) -> tuple[int, int]:
        data = self._data
        byte = data[place]
        if byte < 0x80:
            return byte, place + 1
        value, shift = byte & 0x7F, 7
        while shift < 64:
            place += 1
            byte = data[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, place + 1
            shift += 7
        raise _BrokenError
