"""Protobuf messages in a mapped file, field by field, without a schema. Damage ends in :class:`BrokenError` or IndexError."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5

Field = tuple[int, int, int]  # number; for a varint its value and 0, else where the content begins and ends

_LONGEST_TEXT = 4096  # bytes of a name


class BrokenError(Exception):
    """Bytes that are no protobuf message."""


class Messages:
    """The messages of one file.

    Args:
        data: the file.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def fields(self, place: int, end: int) -> Iterator[Field]:
        """The fields of one message; a field with content must end where its message does, or before."""
        while place < end:
            tag, place = self._varint(place)
            kind = tag & 7
            if kind == LENGTH:
                length, place = self._varint(place)
                if place + length > end:
                    raise BrokenError
                yield tag >> 3, place, place + length
                place += length
            elif kind == VARINT:
                value, place = self._varint(place)
                yield tag >> 3, value, 0
            elif kind in (EIGHT_BYTES, FOUR_BYTES):
                place += 8 if kind == EIGHT_BYTES else 4
            else:
                raise BrokenError
        if place != end:
            raise BrokenError

    def text(self, start: int, end: int) -> str:
        """The text of a field."""
        if end - start > _LONGEST_TEXT:
            raise BrokenError
        return bytes(self._data[start:end]).decode("utf-8", errors="replace")

    def entry(self, start: int, end: int) -> tuple[str, str]:
        """A message of a key and a value."""
        found = {number: self.text(first, last) for number, first, last in self.fields(start, end)}
        return found.get(1, ""), found.get(2, "")

    def numbers(self, first: int, last: int) -> Iterator[int]:
        """One number, or several packed into one field."""
        if not last:
            yield first
        while first < last:
            value, first = self._varint(first)
            yield value

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
        raise BrokenError
