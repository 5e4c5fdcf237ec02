"""Seeded damage to a file's bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.random import Generator

Item = TypeVar("Item")

TELLING = (0, 1, 0x7F, 0x80, 0xFF)  # bytes at the ends of what lengths, counts and signs can say


def truncate(data: bytes, random: Generator) -> bytes:
    return data[: random.integers(0, len(data))]


def flip_bits(data: bytes, random: Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    for place in random.integers(0, len(data), 1 + random.integers(0, 8)):
        changed[place] ^= 1 << random.integers(0, 8)
    return changed.tobytes()


def telling_bytes(data: bytes, random: Generator) -> bytes:
    """A run of 1, 2, 4 or 8 bytes becomes a number at the end of some range."""
    length = int(random.choice((1, 2, 4, 8)))
    place = int(random.integers(0, max(1, len(data) - length)))
    return data[:place] + bytes([random.choice(TELLING)]) * length + data[place + length :]


def noise(data: bytes, random: Generator) -> bytes:
    place, length = random.integers(0, len(data)), random.integers(1, 64)
    return data[:place] + random.bytes(length) + data[place + length :]


def remove(data: bytes, random: Generator) -> bytes:
    place, length = random.integers(0, len(data)), random.integers(1, 64)
    return data[:place] + data[place + length :]


def insert(data: bytes, random: Generator) -> bytes:
    place = random.integers(0, len(data))
    return data[:place] + random.bytes(random.integers(1, 64)) + data[place:]


def repeat(data: bytes, random: Generator) -> bytes:
    """A piece of the file once more, somewhere else."""
    start, length, place = random.integers(0, len(data)), random.integers(1, 512), random.integers(0, len(data))
    return data[:place] + data[start : start + length] + data[place:]


DAMAGE: tuple[Callable[[bytes, Generator], bytes], ...] = (
    truncate, flip_bits, telling_bytes, noise, remove, insert, repeat,
)  # fmt: skip


def damage(data: bytes, random: Generator, head: int | None = None) -> bytes:
    """One or two kinds of damage.

    Args:
        data: a good file.
        random: tells which and where.
        head: keep to this many bytes at the start, where a format says what the rest is; None: anywhere.
    """
    split = len(data) if head is None else min(head, len(data))
    start, rest = data[:split], data[split:]
    for _ in range(1 + int(random.integers(0, 2))):
        if start:
            start = pick(DAMAGE, random)(start, random)
    return start + rest


def pick(items: Sequence[Item], random: Generator) -> Item:
    """One of them."""
    return items[int(random.integers(0, len(items)))]
