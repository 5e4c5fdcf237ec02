"""Pickles that hold a machine up, written instruction by instruction."""

from __future__ import annotations

import itertools
import struct

from dptscope_export.checkpoints.pickles import MOST_INSTRUCTIONS


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def name(module: str, of: str) -> bytes:
    return f"c{module}\n{of}\n".encode()


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def doubled(levels: int) -> bytes:
    """A tuple of two of a tuple of two of …: as many numbers to hash as 2 to the power of the levels."""
    return b")q\x00" + b"".join(b"h" + bytes([k]) + b"\x86q" + bytes([k + 1]) for k in range(levels))


def same_hashes(count: int) -> bytes:
    """Keys that all have one hash, so that every one is held against all before it."""
    numbers = [2.0 ** (61 * k) for k in range(-16, 17)]
    keys = itertools.islice(itertools.product(numbers, repeat=3), count)
    return b"".join(b"(" + b"".join(b"G" + struct.pack(">d", n) for n in key) + b"t" + b"N" for key in keys)


def twice_encoded(times: int) -> bytes:
    """Text in hexadecimal digits in hexadecimal digits in …"""
    encode = name("_codecs", "encode")
    return encode * times + text("text") + (text("hex") + b"\x86R") * times


HOSTILE = {
    "a key that takes for ever to hash": b"}" + doubled(60) + b"Ns",
    "the same in the state of a dictionary": name("collections", "OrderedDict") + b")R](" + doubled(60) + b"N\x86eb",
    "the same in a call": name("collections", "OrderedDict") + b"](" + doubled(60) + b"N\x86e\x85R",
    "the same as the key of a storage": b"}" + text("x") + b"(" + text("storage") + doubled(60) + b"tQs",
    "keys that have one hash": b"}(" + same_hashes(100) + b"u",
    "a key of 100 digits": b"}\x8a\x2a" + b"\x11" * 42 + b"Ns",
    "a gigabyte of zeros": name("builtins", "bytearray") + whole(1 << 30) + b"\x85R",
    "a gigabyte of zeros, made otherwise": name("builtins", "bytearray") + whole(1 << 30) + b"\x85\x81",
    "a gigabyte of zeros through another call": name("torch._tensor", "_rebuild_from_type_v2")
    + b"("
    + name("builtins", "bytearray")
    + name("torch", "Tensor")
    + whole(1 << 30)
    + b"\x85}tR",
    "text that doubles": twice_encoded(40),
    "a tensor of a length": name("torch", "FloatTensor") + whole(1 << 33) + b"\x85R",
    "a set": name("builtins", "set") + b"]" + doubled(60) + b"a\x85R",
    "a set under its old name": name("__builtin__", "set") + b"]" + doubled(60) + b"a\x85R",
    "the key of a dictionary of another program": name("easydict", "EasyDict") + b")\x81" + doubled(60) + b"Ns",
    "state of such a dictionary": name("easydict", "EasyDict") + b")\x81](" + doubled(60) + b"N\x86eb" + b"NNs",
    "an ordered dictionary under another name": name("UserDict", "OrderedDict") + b"](" + doubled(60) + b"N\x86e\x85R",
    "a list and a dictionary at once": name("a", "B") + b")\x81NNs" + name("a", "B") + b")\x81Na\x86",
    "a length under another's name": name("torch.nn.parameter", "Parameter") + whole(1 << 33) + b"\x85\x81",
    "a command under its old name": name("commands", "getoutput") + text("touch canary") + b"\x85R",
    "builtins that are never kept": name("__builtin__", "eval") + text("1") + b"\x85R",
    "a call of what another call made": name("torch", "device") + text("cpu") + b"\x85R)R",
    "code": name("os", "system") + text("touch canary") + b"\x85R",
    "more than is followed": b"N" * MOST_INSTRUCTIONS,
    "nothing on the stack": b"R",
    "nothing in the memo": b"h\x07",
    "text beyond the end": b"X\xff\xff\xff\x7fabc",
    "an instruction of a later protocol": b"\x8c\x01a",
}
