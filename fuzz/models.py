"""ONNX files that lie, break or belong to something else, and seeded damage to an exported model."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.random import Generator
from onnx import ModelProto

from dptscope.card import ModelCard
from fuzz.cases import DATA, Case, Groups
from fuzz.formats import mutate_message, mutate_metadata
from fuzz.graphs import edited_graphs, endless_loop, mutate_graph, zero_over_zero
from fuzz.mutate import damage, pick
from fuzz.photos import encoded

SIZE = ("--size", "28")
FUSED = ("--scales", "1", "0.5", "1", "1")
DEPTH = ("depth", "m.onnx", "photo.png", "-o", "out", "--format", "npy,png,png16", *SIZE, *FUSED)
NORMS = ("norms", "m.onnx", "photo.png", "-o", "out", "--format", "npy,png,json", *SIZE)
INFO = ("info", "m.onnx")
VIEW = ("view", "m.onnx", "photo.png", "--render", "view.png", "--view", "fusion", *SIZE, *FUSED)

# For every kind of value in the metadata, values that are not it.
WRONG_VALUES: dict[str, tuple[str, ...]] = {
    "contract": ("0", "3", "", "1.0", "one"),
    "depth_kind": ("", "metres", "RELATIVE", "metric"),  # the last because no max_depth goes with it
    "max_depth": ("-1", "NaN", "Infinity", '"80"', "[80]", "1e999", "80"),
    "patch_size": ("0", "-14", "14.5", '"14"', "null", "1e99"),
    "size_multiple": ("0", "-14", "14.5", "null", "13", "100000000000"),
    "native_size": ("[0, 0]", "[70]", "[70, 70, 70]", "70", "[-70, 70]", "[71, 71]", '["a", "b"]', "[1e9, 1e9]", "{}"),
    "dynamic": ("null", "7", '"yes"', "[]"),
    "preparation": ("null", "{}", "[]", "7", '{"mean": [0, 0, 0]}'),
    "blocks": (
        "[]",
        "null",
        "{}",
        "[[64, 14]]",
        '[{"channels": 64}]',
        '[{"channels": 64, "stride": 14, "stage": 1, "x": 1}]',
        '[{"channels": 0, "stride": 0, "stage": 1}]',
        '[{"channels": 64, "stride": "14", "stage": 1}]',
        '[{"channels": 64, "stride": 14, "stage": 1}]',
        "[" * 100_000,
    ),
    "taps": ("null", "7", '"abc"', "[99]", "[-1, -2, -3, -4]", "[null]"),
    "has_cls": ("null", '"no"', "3"),
    "fusion_channels": ("0", "-1", "9", "null", "1e9", "[]"),
    "opset": ("null", '"twenty"', "[]", "1" * 5000),
    "form": ("", "fast", '"default"'),
    "without": ("null", "7", '"winograd"', "[7]", "{}"),
    "attention_matrices": ("0", "-1", "0.5", '"1"', "1e9", "[]"),
    "heads": ("0", "-1", "7", '"1"', "1e9", "[]"),
    "windows": ("null", "7", "[7]", "[[0, 0]]", "[[8, -1]]", "[[8]]"),
    "parity": (
        "{}",
        "7",
        "[]",
        '{"depth": "low"}',
        '{"depth": 0, "depth_range": 0, "norms": 0, "companion": 0, "sizes": [[1]]}',
    ),
}
NEEDED = {field.name for field in dataclasses.fields(ModelCard) if field.default is dataclasses.MISSING} | {"contract"}
"""What a card cannot do without; the rest came later."""
WRONG_PREPARATIONS: tuple[dict[str, object], ...] = (
    {"mean": [0, 0]},
    {"mean": [0, 0, float("nan")]},
    {"mean": ["0", "0", "0"]},
    {"std": [1, 0, 1]},
    {"std": [1, 1, 1e-320]},
    {"resize_rule": "never"},
    {"output_resize": "nearest"},
    {"multiple": 0},
    {"multiple": 13},
    {"multiple": 1e300},
    {"colour_order": "BGR"},
    {"interpolation": "magic"},
)


@cache
def tiny() -> ModelProto:
    return onnx.load(DATA / "tiny.onnx")


def model_copy() -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(tiny())
    return copy


def writes(
    data: bytes | ModelProto, beside: bytes | None = None, preview: bytes | None = None
) -> Callable[[Path], object]:
    """Makes a folder with a model, its companion (the good one by default), a preview if there is one, and a photo."""

    def make(folder: Path) -> None:
        (folder / "m.onnx").write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
        (folder / "photo.png").write_bytes(encoded("PNG"))
        (folder / "m.fusion.onnx").write_bytes(companion() if beside is None else beside)
        if preview is not None:
            (folder / "m.preview.onnx").write_bytes(preview)

    return make


def whole() -> bytes:
    return (DATA / "tiny.onnx").read_bytes()


def companion() -> bytes:
    return (DATA / "tiny.fusion.onnx").read_bytes()


def good() -> list[Case]:
    """Every command on the model as it is."""
    return [
        Case(f"good model: {arguments[0]}", writes(whole()), arguments, "works") for arguments in (DEPTH, NORMS, INFO)
    ]


def _edited_graphs() -> Iterator[Case]:
    for name, (edit, expected, message) in edited_graphs().items():
        yield Case(f"edited graph: {name}", writes(edit(model_copy())), DEPTH, expected, message)
    yield Case("edited graph: endless loop in norms", writes(endless_loop(model_copy())), NORMS, "refused")


def _something_else() -> Iterator[Case]:
    other = Path(onnxruntime.__file__).parent / "datasets"
    files = {
        "empty": b"",
        "text": b"hello\n" * 100,
        "zeros": bytes(10_000),
        "ones": b"\xff" * 10_000,
        "a photo": encoded("PNG"),
        **{path.name: path.read_bytes() for path in sorted(other.glob("*.onnx"))},
        "nested groups": b"\x0b" * 100_000,
        "nested graphs": _nested(20_000),
        "a length of 2 GiB": b"\x3a\xff\xff\xff\xff\x07" + bytes(100),
        "a length of 2 to the 63": b"\x3a" + b"\xff" * 8 + b"\x7f" + bytes(100),
        "the companion": companion(),
        "the model twice": whole() + whole(),
        "metadata alone": _metadata_alone(),
    }
    for name, data in files.items():
        yield Case(f"not a model: {name}", writes(data), DEPTH, "refused", "m.onnx")
    yield Case("not a model: a folder", lambda folder: (folder / "m.onnx").mkdir(), INFO, "refused", "m.onnx")
    yield Case("not a model: a pipe", lambda folder: os.mkfifo(folder / "m.onnx"), INFO, "refused", "m.onnx")
    yield Case("not a model: missing", lambda folder: None, INFO, "refused", "no such file")


def _nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph in an attribute …"""
    inner = b""
    for _ in range(depth):
        if len(inner) > 1_000_000:
            break
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # attribute.g, node.attribute, graph.node
            inner = tag + _varint(len(inner)) + inner
    return b"\x3a" + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _metadata_alone() -> bytes:
    model = model_copy()
    model.ClearField("graph")
    return bytes(model.SerializeToString())


def _wrong_metadata() -> Iterator[Case]:
    for field, values in WRONG_VALUES.items():
        for number, value in enumerate(values):
            make = writes(_with_metadata(field, value))
            yield Case(f"metadata: {field} {number} {value[:40]}", make, DEPTH, "refused", "m.onnx")
    for field in (entry.name for entry in dataclasses.fields(ModelCard)):
        missing = writes(_with_metadata(field, None))
        if field in NEEDED:
            yield Case(f"metadata: no {field}", missing, DEPTH, "refused", "m.onnx")
        else:
            yield Case(f"metadata: no {field}", missing, DEPTH, "works")
    preparation = next(entry.value for entry in tiny().metadata_props if entry.key == "dptscope.preparation")
    for change in WRONG_PREPARATIONS:
        make = writes(_with_metadata("preparation", json.dumps(json.loads(preparation) | change)))
        yield Case(f"metadata: preparation {change}", make, DEPTH, "refused", "m.onnx")
    unknown = writes(_with_metadata("preparation", json.dumps(json.loads(preparation) | {"more": 1})))
    yield Case("metadata: a part of a later version", unknown, DEPTH, "works")
    strange = "a\x1b[31m\n\tb" * 50
    for field in ("source_file", "variant", "evidence", "architecture"):
        yield Case(f"metadata: strange {field}", writes(_with_metadata(field, strange)), NORMS, "works")


def _with_metadata(field: str, value: str | None) -> ModelProto:
    """The model with another value in its card, or without that field."""
    model = model_copy()
    kept = [entry for entry in model.metadata_props if entry.key != f"dptscope.{field}"]
    model.ClearField("metadata_props")
    model.metadata_props.extend(kept)
    if value is not None:
        model.metadata_props.add(key=f"dptscope.{field}", value=value)
    return model


def _external(location: str, offset: int | None = 0, length: int | None = None) -> ModelProto:
    """The model with its largest weight in another file."""
    model = model_copy()
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    size = len(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset, "length": size if length is None else length}
    for key, value in entries.items():
        if value is not None:
            weight.external_data.add(key=key, value=str(value))
    return model


def _external_data() -> Iterator[Case]:
    big = bytes(4 << 20)

    def make(model: ModelProto, *files: tuple[str, bytes], link: str = "", pipe: str = "") -> Callable[[Path], object]:
        def into(folder: Path) -> None:
            writes(model)(folder)
            for name, data in files:
                (folder / name).write_bytes(data)
            if link:
                (folder / "m.onnx.data").symlink_to(link)
            if pipe:
                os.mkfifo(folder / pipe)

        return into

    yield Case("external data: beside the model", make(_external("m.onnx.data"), ("m.onnx.data", big)), DEPTH, "works")
    bad = {
        "missing": make(_external("m.onnx.data")),
        "too short": make(_external("m.onnx.data"), ("m.onnx.data", b"short")),
        "beyond the end": make(_external("m.onnx.data", 1 << 40), ("m.onnx.data", big)),
        "negative offset": make(_external("m.onnx.data", -8), ("m.onnx.data", big)),
        "negative length": make(_external("m.onnx.data", 0, -8), ("m.onnx.data", big)),
        "wrong length": make(_external("m.onnx.data", 0, 12), ("m.onnx.data", big)),
        "in the folder above": make(_external("../m.onnx.data")),
        "above and back": make(_external("../../../../../../../../dev/zero")),
        "an absolute path": make(_external("/dev/zero")),
        "the process's own memory": make(_external("/proc/self/mem", 4096)),
        "a link to a device": make(_external("m.onnx.data"), link="/dev/zero"),
        "a link to a file elsewhere": make(_external("m.onnx.data"), link=str(DATA / "tiny.onnx")),
        "a link to itself": make(_external("m.onnx.data"), link="m.onnx.data"),
        "a pipe": make(_external("m.onnx.data"), pipe="m.onnx.data"),
        "no location": make(_external("")),
        "the model itself": make(_external("m.onnx")),
        "another file of the folder": make(_external("photo.png")),
        "a name with a nul byte": make(_external("m.onnx\0.data")),
    }
    for name, into in bad.items():
        yield Case(f"external data: {name}", into, DEPTH, "refused", "m.onnx")


def _companions() -> Iterator[Case]:
    other = onnx.load_from_string(companion())
    next(entry for entry in other.metadata_props if entry.key == "dptscope.model_id").value = "0" * 16
    files = {
        "empty": b"",
        "text": b"hello",
        "half": companion()[: len(companion()) // 2],
        "of another model": other.SerializeToString(),
        "the model": whole(),
        "with another depth": zero_over_zero(onnx.load_from_string(companion())).SerializeToString(),
    }
    for name, data in files.items():
        yield Case(f"companion: {name}", writes(whole(), data), VIEW, "refused", "m.fusion.onnx")
    preview = (DATA / "tiny.preview.onnx").read_bytes()
    stranger = onnx.load_from_string(preview)
    next(entry for entry in stranger.metadata_props if entry.key == "dptscope.model_id").value = "0" * 16
    files |= {
        "the companion": companion(),
        "half": preview[: len(preview) // 2],
        "of another model": stranger.SerializeToString(),
    }
    del files["with another depth"]  # nobody asks a preview without a slider that moves
    yield Case("preview: as it should be", writes(whole(), preview=preview), DEPTH, "works")
    for name, data in files.items():
        yield Case(f"preview: {name}", writes(whole(), preview=data), DEPTH, "refused", "m.preview.onnx")
    yield Case("companion: the preview", writes(whole(), preview), DEPTH, "refused", "m.fusion.onnx")
    yield Case("preview: named as the model", _misnamed, ("info", "a.preview.onnx"), "refused", "got a preview")


def _misnamed(folder: Path) -> None:
    (folder / "a.preview.onnx").write_bytes((DATA / "tiny.preview.onnx").read_bytes())


GROUPS: Groups = {
    "good models": good,
    "not a model": _something_else,
    "metadata": _wrong_metadata,
    "external data": _external_data,
    "companions and previews": _companions,
    "edited graphs": _edited_graphs,
}


def mutated(count: int, seed: int = 0) -> Iterator[Case]:
    """Seeded damage: to the bytes outside the weights, and to the graph itself."""
    skeleton, heavy = _without_weights()
    for number in range(count):
        random = np.random.default_rng((seed, 2, number))
        arguments = pick((DEPTH, DEPTH, NORMS, INFO), random)
        kind = number % 7
        if kind == 0:  # parts of a message merge when concatenated, so the weights come after the damaged rest
            make = writes(damage(skeleton, random) + heavy)
            name = "bytes of the graph"
        elif kind == 1:
            make = writes(damage(whole(), random))
            name = "any bytes"
        elif kind == 2:
            make = writes(whole(), damage(companion(), random))
            name = "bytes of the companion"
        elif kind == 3:
            make = writes(mutate_graph(model_copy(), random))
            name = "the graph's structure"
        elif kind == 6:
            model = model_copy()
            mutate_metadata(model, random)
            make, name = writes(model), "the card"
        else:
            make, name = (
                writes(*_changed_fields(random, kind == 5)),
                "fields of " + ("the model", "the companion")[kind - 4],
            )
        yield Case(f"damaged model {number}: {name}", make, arguments)


def _changed_fields(random: Generator, beside: bool) -> tuple[bytes, bytes]:
    """The model and its companion, one of them with one to three fields changed."""
    model = onnx.load_from_string(companion() if beside else whole())
    for _ in range(1 + int(random.integers(0, 3))):
        mutate_message(model, random)
    data = bytes(model.SerializeToString())
    return (whole(), data) if beside else (data, companion())


@cache
def _without_weights() -> tuple[bytes, bytes]:
    """The model without its large weights, and a message that holds nothing but them."""
    skeleton, heavy = model_copy(), ModelProto()
    large = [tensor for tensor in skeleton.graph.initializer if len(tensor.raw_data) > 64]
    small = [tensor for tensor in skeleton.graph.initializer if len(tensor.raw_data) <= 64]
    heavy.graph.initializer.extend(large)
    del skeleton.graph.initializer[:]
    skeleton.graph.initializer.extend(small)
    return skeleton.SerializeToString(), heavy.SerializeToString()
