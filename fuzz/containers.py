"""Pickles, archives and safetensors files that lie or try to run code."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from typing import Any

import torch
from support.checkpoints import HOSTILE, program

from fuzz.cases import CANARY

Tensors = dict[str, torch.Tensor]


class Runs:
    """Pickles as a call, which an ordinary unpickler makes."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def saved(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def hostile_pickles(tensors: Tensors) -> dict[str, tuple[bytes, bool]]:
    """By name: the file, and whether it is fine after all."""
    touch = Runs(os.system, f"touch {CANARY}")
    opened = Runs(open, CANARY, "w")
    looped: dict[str, Any] = {}
    looped["model"] = looped
    deep: dict[str, Any] = dict(tensors)
    for _ in range(100):
        deep = {"model": deep}
    legacy = {"_use_new_zipfile_serialization": False}
    return {
        "a command": (saved({"model": touch}), False),
        "a command, legacy": (saved({"model": touch}, **legacy), False),
        "a bare pickle of a command": (pickle.dumps(touch), False),
        "a bare pickle of open": (pickle.dumps(opened), False),
        "a command beside tensors": (saved({**tensors, "extra": touch}), False),
        "eval": (saved({"model": Runs(eval, f"open({CANARY!r}, 'w')")}), False),
        "getattr": (saved({"model": Runs(getattr, "text", "join")}), False),
        "a class that is not torch's": (saved({"model": io.StringIO()}), False),
        "an import of a file beside it": (_global(b"canary_module", b"run"), False),
        "torch.load itself": (saved({"model": Runs(torch.load, CANARY)}), False),
        "a dictionary that holds itself": (saved(looped), False),
        "a hundred wrappers": (saved(deep), False),
        **{f"alone, {name}": (program(body), False) for name, body in HOSTILE.items()},
        "a list in a list, 100,000 deep": (pickle.dumps(None)[:2] + b"]" * 100_000 + b"a" * 99_999 + b".", False),
        "a string of 8 exabytes": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.", False),
        "an integer of 2 GiB": (b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"\xff.", False),
        "protocol 255": (b"\x80\xff.", False),
        "only a stop": (b".", False),
        "a list": (saved([1, 2, 3]), False),
        "a tensor": (saved(torch.zeros(3)), False),
        "None": (saved(None), False),
        "names that are numbers": (saved({1: torch.zeros(3), 2: torch.zeros(4)}), False),
        "an ordered dictionary": (saved(OrderedDict(tensors)), True),
        "a tensor with a hook": (saved(_with_attributes(tensors)), True),
    }


def _with_attributes(tensors: Tensors) -> Tensors:
    """Parameters instead of tensors, as some training scripts leave them."""
    return {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()}


def _global(module: bytes, name: bytes) -> bytes:
    return b"\x80\x02c" + module + b"\n" + name + b"\n)R."


def hostile_zips(good: bytes) -> dict[str, bytes]:
    """Archives made of a good checkpoint."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(entries)).split("/")[0]
    largest = max(entries, key=lambda name: len(entries[name]))
    code = f"{root}/data.pkl"
    return {
        **{name: packed({**entries, code: program(body)}) for name, body in HOSTILE.items()},
        "a program in a memo of its own": packed({**entries, code: program(b"}r\xff\xff\xff\xffj\xff\xff\xff\xff0")}),
        "tuples, 100,000 deep": packed({**entries, code: program(b")" + b"\x85" * 100_000)}),
        "dictionaries, 100,000 deep": packed({**entries, code: program(b"}" * 100_000 + b"Nu" * 99_999)}),
        "half a million names for one number": packed({**entries, code: program(b"}(" + _names(500_000) + b"u")}),
        "an entry twice": twice(entries, code),
        "an entry twice, in capitals": packed({**entries, code.upper(): entries[code]}),
        "another archive before it": packed({"a/data.pkl": b"N."}) + good,
        "a compiled program": _compiled(),
        "a tar": _tar(entries),
        "no entries": packed({}),
        "no program": packed({name: data for name, data in entries.items() if name != code}),
        "a program of nothing": packed({**entries, code: b""}),
        "no weights": packed({code: entries[code], f"{root}/version": b"3\n"}),
        "weights that are too short": packed({**entries, largest: entries[largest][:8]}),
        "a bomb as program": packed({**entries, code: bytes(1 << 28)}, compress=True),
        "a bomb as weights": packed({**entries, largest: bytes(1 << 28)}, compress=True),
        "a bomb beside it": packed({**entries, f"{root}/data/bomb": bytes(1 << 28)}, compress=True),
        "an entry outside": packed({f"../{name}": data for name, data in entries.items()}),
        "a version of text": packed({**entries, f"{root}/version": b"three"}),
        "TorchScript": packed(
            {**entries, f"{root}/constants.pkl": pickle.dumps(()), f"{root}/code/__torch__.py": b"x"}
        ),
        "another kind of archive": packed({"word/document.xml": b"<xml/>"}),
        "sizes that lie": good.replace(struct.pack("<I", len(entries[largest])), struct.pack("<I", 1 << 31)),
        "a checkpoint inside a checkpoint": good[: len(good) // 2] + good,
    }


def _names(count: int) -> bytes:
    return b"".join(b"X\x08\0\0\0%08dK\x01" % number for number in range(count))


def twice(entries: dict[str, bytes], name: str) -> bytes:
    """An archive that has one name twice."""
    buffer = io.BytesIO(packed(entries))
    with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr(name, entries[name])
    return buffer.getvalue()


def _compiled() -> bytes:
    """What ``torch.jit.save`` writes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # deprecated, but there are files of it
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


def _tar(entries: dict[str, bytes]) -> bytes:
    """What PyTorch wrote before 2017, as far as that tells it from a pickle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in {
            "pickle": next(iter(entries.values())),
            "../canary": b"",
            "storages": b"",
            "tensors": b"",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def packed(entries: dict[str, bytes], compress: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def hostile_safetensors(good: bytes) -> dict[str, bytes]:
    """Files whose header says what is not so."""
    (length,) = struct.unpack("<Q", good[:8])
    header: dict[str, Any] = json.loads(good[8 : 8 + length])
    data = good[8 + length :]
    names = [name for name in header if name != "__metadata__"]
    first, second = names[0], names[1]

    def changed(name: str, **values: Any) -> bytes:
        return with_header({**header, name: {**header[name], **values}}, data)

    begin, end = header[first]["data_offsets"]
    return {
        "empty": b"",
        "seven bytes": bytes(7),
        "a header of 8 exabytes": struct.pack("<Q", 1 << 63) + good[8:],
        "a header of 50 GB": struct.pack("<Q", 50 << 30) + good[8:],
        "a header longer than the file": struct.pack("<Q", len(good)) + good[8:],
        "a header of nothing": struct.pack("<Q", 0) + data,
        "no JSON": struct.pack("<Q", 5) + b"hello",
        "a list": with_header([], data),
        "deeply nested": struct.pack("<Q", 200_000) + b"[" * 200_000,
        "no text": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
        "no tensors": with_header({}, b""),
        "overlapping": changed(first, data_offsets=header[second]["data_offsets"]),
        "beyond the end": changed(first, data_offsets=[begin + (1 << 40), end + (1 << 40)]),
        "backwards": changed(first, data_offsets=[end, begin]),
        "negative": changed(first, data_offsets=[-8, end]),
        "offsets of text": changed(first, data_offsets=["0", "8"]),
        "three offsets": changed(first, data_offsets=[0, 1, 2]),
        "a huge shape": changed(first, shape=[1 << 40, 1 << 40]),
        "a shape that overflows": changed(first, shape=[1 << 63, 2, 4]),
        "a negative shape": changed(first, shape=[-1, 64]),
        "a shape of fractions": changed(first, shape=[1.5, 64]),
        "an unknown kind": changed(first, dtype="F128"),
        "kinds that do not fit": changed(first, dtype="F64"),
        "bytes that are left over": good + bytes(1000),
        "truncated": good[:-1000],
        "a name twice": _twice(header, first, data),
        "metadata of numbers": with_header({**header, "__metadata__": {"variant": 7}}, data),
        "a hundred thousand tensors": with_header(
            {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(10**5)}, b""
        ),
        "a pickle": saved({"model": Runs(os.system, f"touch {CANARY}")}),
    }


def with_header(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _twice(header: dict[str, Any], name: str, data: bytes) -> bytes:
    text = json.dumps(header)
    again = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    joined = f"{text[:-1]}, {again[1:]}".encode()
    return struct.pack("<Q", len(joined)) + joined + data
