"""Checkpoints that are fine in unusual ways, checkpoints that are not, and seeded damage to them.

The commands go as far as tracing: by then a checkpoint has been read, recognised and loaded.
"""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import save
from support.checkpoints import every_family, seeded_tensors

from fuzz.cases import Case, Expected, Groups
from fuzz.containers import hostile_pickles, hostile_safetensors, hostile_zips
from fuzz.formats import mutate_archive, mutate_json, mutate_legacy, mutate_safetensors
from fuzz.mutate import damage, pick
from fuzz.tensors import CHANGED, RANDOM_CHANGES, Tensors

NO_FILES, ENDINGS = ("empty", "pipe", "zero", "sparse"), ("pth", "safetensors")
V2 = ("--variant", "depth-anything-v2")
VARIANTS = {
    "depth_anything": V2,
    "depth_anything_3": ("--variant", "depth-anything-3-mono"),
    "dpt_hybrid": ("--variant", "midas-dpt-hybrid"),
    "dinov2": ("--variant", "dpt-dinov2-nyu"),
    "dinov2_hub": ("--variant", "dpt-dinov2-nyu"),
}  # of families whose tensors do not tell


def export(name: str, *options: str) -> tuple[str, ...]:
    return ("export", name, "-o", "m.onnx", *options)


PTH = export("c.pth", *V2)


def saved(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


@cache
def tiny() -> Tensors:
    return seeded_tensors()


def one(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    """Makes a folder's only file."""
    return lambda folder: (folder / name).write_bytes(data if isinstance(data, bytes) else data())


def load(
    name: str, make: Callable[[Path], object], arguments: tuple[str, ...], expected: Expected, message: str = ""
) -> Case:
    return Case(name, make, arguments, expected, message, until_trace=True)


def _tensors() -> Iterator[Case]:
    for name, change in CHANGED.items():
        tensors = dict(tiny())
        with warnings.catch_warnings(action="ignore"):  # of kinds of tensors that are on their way out
            change(tensors)
        expected: Expected = "works" if name.startswith("fine") else "refused"
        yield load(f"checkpoint: {name}", one("c.pth", saved(tensors)), PTH, expected)


def _pickles() -> Iterator[Case]:
    for name, (data, working) in hostile_pickles(tiny()).items():
        yield load(f"pickle: {name}", one("c.pth", data), PTH, "works" if working else "refused")


def _archives() -> Iterator[Case]:
    for name, data in hostile_zips(saved(tiny())).items():
        yield load(f"archive: {name}", one("c.pth", data), PTH, "refused", "c.pth")


def _safetensors() -> Iterator[Case]:
    arguments = export("c.safetensors", *V2)
    for name, data in hostile_safetensors(save(tiny())).items():
        yield load(f"safetensors: {name}", one("c.safetensors", data), arguments, "refused", "c.safetensors")


def _good() -> Iterator[Case]:
    types = {"half": torch.float16, "brain": torch.bfloat16, "double": torch.float64}
    cast = {kind: {name: tensor.to(dtype) for name, tensor in tiny().items()} for kind, dtype in types.items()}
    for name, data in {
        "c.pth": saved(tiny()),
        "c.pt": saved({"model": {f"module.{name}": tensor for name, tensor in tiny().items()}, "epoch": 3}),
        "c.bin": saved(tiny(), _use_new_zipfile_serialization=False),
        "c.safetensors": save(tiny()),
        **{f"{kind}.pth": saved(tensors) for kind, tensors in cast.items()},
        **{f"{kind}.safetensors": save(tensors) for kind, tensors in cast.items()},
        "name with spaces и буквы 🌊.pth": saved(tiny()),
    }.items():
        yield load(f"good checkpoint: {name}", one(name, data), export(name, *V2), "works")
    yield from good()


def good() -> list[Case]:
    """A checkpoint of every family in both layouts."""
    found = []
    for family, (tensors, config) in every_family().items():
        name = f"good family: {family}"
        if config is None:
            found.append(load(name, one("c.pt", saved(tensors)), export("c.pt", *VARIANTS.get(family, ())), "works"))
        else:
            found.append(load(name, _folder(tensors, config), export("hub", *VARIANTS.get(family, ())), "works"))
    return found


def _folder(tensors: Tensors, config: object) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / "hub").mkdir()
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "hub/config.json").write_text(text)
        (folder / "hub/model.safetensors").write_bytes(save(tensors))

    return make


def _folders() -> Iterator[Case]:
    tensors, config = every_family()["beit_hub"]
    assert config is not None
    texts = {
        "no JSON": "hello",
        "a list": "[1, 2]",
        "deeply nested": "[" * 200_000,
        "deeply nested objects": '{"a":' * 200_000,
        "a huge number": '{"model_type": "dpt", "n": ' + "9" * 5000 + "}",
        "empty": "",
        "another model": '{"model_type": "bert"}',
        "backbone of text": json.dumps(config | {"backbone_config": "beit"}),
    }
    for name, text in texts.items():
        yield load(f"config.json: {name}", _folder(tensors, text), export("hub"), "refused")
    for name, location in {
        "the folder above": "../secret.safetensors",
        "an absolute path": "/etc/passwd",
        "a device": "/dev/zero",
        "a number": 7,
        "a list": ["model.safetensors"],
        "nothing": "",
        "itself": "model.safetensors.index.json",
    }.items():

        def make(folder: Path, location: object = location) -> None:
            _folder(tensors, config)(folder)
            weights = (folder / "hub/model.safetensors").rename(folder / "secret.safetensors")
            assert weights.is_file()
            index = {"weight_map": dict.fromkeys(tensors, location)}
            (folder / "hub/model.safetensors.index.json").write_text(json.dumps(index))

        yield load(f"index: {name}", make, export("hub"), "refused")
    for name, again, expected in (("one tensor in two files", True, "refused"), ("two files", False, "works")):
        yield load(f"index: {name}", _two_files(tensors, config, again), export("hub"), expected)
    for name, place in {
        "a pipe": "pipe.pth",
        "a device": "zero.pth",
        "an empty file": "empty.pth",
        "a hub": "hub.pt",
    }.items():
        yield load(f"no file: {name}", _no_files, export(place, *V2), "refused", place)
    for name in ("empty.safetensors", "pipe.safetensors", "sparse.safetensors", "sparse.pth", "zero.safetensors"):
        yield load(f"no file: {name}", _no_files, export(name, *V2), "refused", name)
    unreadable = load("unreadable: a checkpoint", _unreadable, export("c.pth", *V2), "refused", "c.pth")
    yield replace(unreadable, bound=True)
    yield load("index: an empty folder", lambda folder: (folder / "hub").mkdir(), export("hub"), "refused", "hub")


def _two_files(tensors: Tensors, config: object, again: bool) -> Callable[[Path], object]:
    """A model in two files, which have one tensor in common or none."""

    def make(folder: Path) -> None:
        _folder(tensors, config)(folder)
        (folder / "hub/model.safetensors").unlink()
        names = list(tensors)
        parts = {"a.safetensors": names[: 20 + again], "b.safetensors": names[20:]}
        for file, part in parts.items():
            (folder / "hub" / file).write_bytes(save({name: tensors[name] for name in part}))
        index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
        (folder / "hub/model.safetensors.index.json").write_text(json.dumps(index))

    return make


def _no_files(folder: Path) -> None:
    for ending in ENDINGS:
        (folder / f"empty.{ending}").touch()
        os.mkfifo(folder / f"pipe.{ending}")
        (folder / f"zero.{ending}").symlink_to("/dev/zero")
        with (folder / f"sparse.{ending}").open("wb") as file:
            file.truncate(1 << 40)
    (folder / "hub.pt").mkdir()


def _unreadable(folder: Path) -> None:
    (folder / "c.pth").write_bytes(saved(tiny()))
    (folder / "c.pth").chmod(0)


def _options() -> Iterator[Case]:
    metric = ("--variant", "depth-anything-v2-metric-indoor")
    wrong = [(*metric, "--max-depth", text) for text in ("0", "-1", "nan", "inf", "1e999", "x", "1e-300")]
    for sides in (("0", "0"), ("-14", "14"), ("13", "14"), ("14000000", "14000000"), ("1e3", "14")):
        wrong.append((*V2, "--fixed", *sides))
    for text in ("0", "-1", "99", "1000000000000000000000", "x"):
        wrong.append((*V2, "--opset", text))
    for options in wrong:
        yield load(f"option: {options[2:]}", one("c.pth", saved(tiny())), export("c.pth", *options), "refused")


GROUPS: Groups = {
    "good checkpoints": _good,
    "tensors": _tensors,
    "pickles": _pickles,
    "archives": _archives,
    "safetensors": _safetensors,
    "folders": _folders,
    "options": _options,
}


def mutated(count: int, seed: int = 0) -> Iterator[Case]:
    """Seeded damage to bytes, to tensors, and to config.json."""
    legacy = saved(tiny(), _use_new_zipfile_serialization=False)
    good = [("c.safetensors", save(tiny())), ("c.pth", saved(tiny())), ("c.bin", legacy)]
    names = list(every_family())
    for number in range(count):
        random = np.random.default_rng((seed, 3, number))
        if number % 2:
            name, data = good[number // 2 % len(good)]
            knows, mutate = pick((("bytes", _damaged), ("parts", _damaged_parts)), random)
            make, arguments = one(name, mutate(name, data, random)), export(name, *V2)
            yield load(f"damaged checkpoint {number}: {knows} of {name}", make, arguments, "either")
            continue
        family = names[number // 2 % len(names)]
        tensors, config = dict(every_family()[family][0]), every_family()[family][1]
        for _ in range(1 + int(random.integers(0, 3))):
            pick(RANDOM_CHANGES, random)(tensors, random)
        if config is None:
            make = one("c.pt", saved(tensors))
            arguments = export("c.pt", *VARIANTS.get(family, ()))
        else:
            contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
            kept = every_family()[family][0] if random.random() < 0.5 else contiguous
            make, arguments = _folder(kept, _changed(config, random)), export("hub", *VARIANTS.get(family, ()))
        yield load(f"damaged checkpoint {number}: {family}", make, arguments, "either")


def _changed(config: dict[str, Any], random: Generator) -> object:
    if random.random() < 0.6:
        return config | {"backbone_config": mutate_json(config.get("backbone_config"), random)}
    return mutate_json(config, random)


def _damaged(name: str, data: bytes, random: Generator) -> bytes:
    """A safetensors file has its header at the start, an archive its directory at the end."""
    if name == "c.pth" and random.random() < 0.7:
        return damage(data[::-1], random, 8000)[::-1]
    return damage(data, random, 4000 if name == "c.safetensors" else None)


def _damaged_parts(name: str, data: bytes, random: Generator) -> bytes:
    if name == "c.safetensors":
        return mutate_safetensors(data, random)
    if name == "c.pth":
        return mutate_archive(data, random)
    return mutate_legacy(data, random)
