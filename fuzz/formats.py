"""Seeded damage that knows the format: what is damaged stays in one piece, so that it gets past the first look."""

from __future__ import annotations

import io
import json
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from google.protobuf.message import Message
from numpy.random import Generator

from fuzz.containers import packed, with_header
from fuzz.mutate import damage, pick

WHOLE = (0, 1, -1, 2, 7, 255, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1)
REAL = (0.0, -1.0, 1e-320, 1e38, 1e300, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", "x", "depth", "image", "0", "a/b", "../../x", "\0", "\x1b[2J\n", "é" * 300, "9" * 5000, "[]", "null")
JSON: tuple[object, ...] = (None, True, False, [], {}, [None], {"": 0}, [[1, 2], [3]], *WHOLE, *REAL, *TEXTS)


def mutate_message(message: Message, random: Generator) -> None:
    """Change, drop or repeat one field, somewhere in a protobuf message."""
    fields = message.ListFields()
    if not fields:
        return
    field, value = pick(fields, random)
    if field.is_repeated:
        place = int(random.integers(0, len(value)))
        how = random.random()
        if how < 0.15:
            del value[place]
        elif field.message_type is None:
            value[place] = _telling(field, random)
        elif how < 0.25:
            value.add().CopyFrom(pick(value, random))
        else:
            mutate_message(value[place], random)
    elif field.message_type is not None and random.random() < 0.9:
        mutate_message(value, random)
    elif field.message_type is not None or random.random() < 0.15:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _telling(field, random))


def _telling(field: Any, random: Generator) -> object:
    kinds = type(field)
    if field.cpp_type == kinds.CPPTYPE_ENUM:
        return pick(field.enum_type.values, random).number
    if field.cpp_type == kinds.CPPTYPE_STRING:
        text = pick(TEXTS, random)
        return text.encode() if field.type == kinds.TYPE_BYTES else text
    if field.cpp_type in (kinds.CPPTYPE_FLOAT, kinds.CPPTYPE_DOUBLE):
        return pick(REAL, random)
    number = pick(WHOLE, random)
    if field.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_UINT32):
        number = number & 0x7FFFFFFF
    return number & ((1 << 64) - 1) if field.cpp_type == kinds.CPPTYPE_UINT64 else number


def mutate_json(value: object, random: Generator) -> object:
    """Put something else in one place of a JSON value."""
    if isinstance(value, dict) and value and random.random() < 0.95:
        key = pick(list(value), random)
        how = random.random()
        if how < 0.1:
            return {name: part for name, part in value.items() if name != key}
        if how < 0.2:
            return {**value, pick(TEXTS, random): value[key]}
        return {**value, key: mutate_json(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = int(random.integers(0, len(value)))
        how = random.random()
        if how < 0.2:
            return value[:place] + value[place + 1 :]
        if how < 0.3:
            return value[:place] + value[place : place + 1] + value[place:]
        return [*value[:place], mutate_json(value[place], random), *value[place + 1 :]]
    return pick(JSON, random)


def mutate_metadata(model: Any, random: Generator) -> None:
    """Another value in the card of a model file, still JSON where it was JSON."""
    entry = pick(model.metadata_props, random)
    try:
        entry.value = json.dumps(mutate_json(json.loads(entry.value), random))
    except ValueError:
        entry.value = pick(TEXTS, random)


def mutate_safetensors(data: bytes, random: Generator) -> bytes:
    """Another header before the same numbers."""
    (length,) = struct.unpack("<Q", data[:8])
    return with_header(mutate_json(json.loads(data[8 : 8 + length]), random), data[8 + length :])


def mutate_archive(data: bytes, random: Generator) -> bytes:
    """An archive whose sums are right, with something wrong in one of its entries, most often in the pickle."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    program = next(name for name in entries if name.endswith("data.pkl"))
    how = random.random()
    if how < 0.6:
        entries[program] = mutate_pickle(entries[program], random)
    else:
        name = pick(list(entries), random)
        content = entries.pop(name)
        if how < 0.7:
            entries[pick((name.upper(), f"../{name}", name.replace("/", "//"), "archive/data/x"), random)] = content
        elif how < 0.9:
            entries[name] = damage(content, random) if content else b"?"
    return packed(entries)


def mutate_legacy(data: bytes, random: Generator) -> bytes:
    """The row of five pickles of before 2020, with something wrong in one of them, most often that with the tensors."""
    stream = io.BytesIO(data)
    programs = []
    for _ in range(5):
        start = stream.tell()
        for _ in pickletools.genops(stream):
            pass
        programs.append(data[start : stream.tell()])
    place = int(pick((0, 1, 2, 3, 3, 3, 3, 4, 4), random))
    programs[place] = mutate_pickle(programs[place], random)
    return b"".join(programs) + data[stream.tell() :]


def mutate_pickle(data: bytes, random: Generator) -> bytes:
    """Drop, repeat, exchange or change instructions."""
    places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    code = [data[start:end] for start, end in pairwise(places)]
    for _ in range(1 + int(random.integers(0, 3))):
        one, other = (int(random.integers(0, len(code))) for _ in range(2))
        how = int(random.integers(0, 5))
        if how == 0:
            del code[one]
        elif how == 1:
            code.insert(one, code[other])
        elif how == 2:
            code[one], code[other] = code[other], code[one]
        elif how == 3:
            code[one] = bytes([random.integers(0, 256)]) + code[one][1:]
        else:
            code[one] = code[one][:1] + damage(code[one][1:], random) if len(code[one]) > 1 else code[one]
    return b"".join(code)


def mutate_png(data: bytes, random: Generator) -> bytes:
    """Chunks with right sums, with something wrong in one of them, or in their order."""
    chunks, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    _change_parts(chunks, random, deflated=(b"IDAT",))
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def mutate_jpeg(data: bytes, random: Generator) -> bytes:
    """Segments with right lengths, with something wrong in one of them, or in their order."""
    segments, place = [], 2
    while data[place + 1] != 0xDA:  # where the picture itself begins
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        segments.append((data[place : place + 2], data[place + 4 : place + 2 + length]))
        place += 2 + length
    _change_parts(segments, random)
    return (
        data[:2] + b"".join(k + struct.pack(">H", len(c[:65533]) + 2) + c[:65533] for k, c in segments) + data[place:]
    )


def _damage_inside(content: bytes, random: Generator) -> bytes:
    try:
        return zlib.compress(damage(zlib.decompress(content), random))
    except zlib.error:  # damaged before
        return damage(content, random)


def _change_parts(parts: list[tuple[bytes, bytes]], random: Generator, deflated: tuple[bytes, ...] = ()) -> None:
    for _ in range(1 + int(random.integers(0, 2))):
        one, other = (int(random.integers(0, len(parts))) for _ in range(2))
        kind, content = parts[one]
        how = int(random.integers(0, 8))
        if how == 0 and len(parts) > 1:
            del parts[one]
        elif how == 1:
            parts.insert(other, parts[one])
        elif how == 2:
            parts[one], parts[other] = parts[other], parts[one]
        elif kind in deflated and how < 5:
            parts[one] = kind, _damage_inside(content, random)
        elif content:
            parts[one] = kind, damage(content, random)


PICTURES: dict[str, Callable[[bytes, Generator], bytes]] = {".png": mutate_png, ".jpg": mutate_jpeg}
