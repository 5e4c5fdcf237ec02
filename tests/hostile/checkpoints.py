"""Checkpoints that are fine in unusual ways, checkpoints that are not, and seeded damage to them.

The commands go as far as tracing: by then a checkpoint has been read, recognised and loaded.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exporter import midas_oracle
from exporter.oracle import save_hugging_face
from exporter.seeded import seeded_tensors
from hostile.cases import Case, Expected
from hostile.containers import hostile_pickles, hostile_safetensors, hostile_zips
from hostile.mutate import damage, pick
from numpy.random import Generator
from safetensors.torch import load_file, save

Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, Generator], None]
V2 = ("--variant", "depth-anything-v2")


def export(name: str, *options: str) -> tuple[str, ...]:
    return ("export", name, "-o", "m.onnx", *options)


def saved(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


@cache
def tiny() -> Tensors:
    return seeded_tensors()


@cache
def families() -> dict[str, tuple[Tensors, dict[str, Any] | None]]:
    """Tensors, and config.json where the layout has one, of every family in both layouts."""
    import tempfile

    found: dict[str, tuple[Tensors, dict[str, Any] | None]] = {"depth_anything": (tiny(), None)}
    for family, model in {"beit": midas_oracle.beit(), "swinv2": midas_oracle.swinv2()}.items():
        with tempfile.TemporaryDirectory() as name:
            folder = save_hugging_face(model, Path(name) / "hub")
            tensors = {key: value.clone() for key, value in load_file(folder / "model.safetensors").items()}
            found[f"{family}_hub"] = (tensors, json.loads((folder / "config.json").read_text()))
            found[family] = (
                {k: v.contiguous() for k, v in midas_oracle.to_original(tensors, model.config).items()},
                None,
            )
    return found


def one(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    """Makes a folder's only file."""
    return lambda folder: (folder / name).write_bytes(data if isinstance(data, bytes) else data())


def load(
    name: str, make: Callable[[Path], object], arguments: tuple[str, ...], expected: Expected, message: str = ""
) -> Case:
    return Case(name, make, arguments, expected, message, until_trace=True)


def by_hand() -> Iterator[Case]:
    """Every good and bad file as it is."""
    yield from _good()
    pth, safe = export("c.pth", *V2), export("c.safetensors", *V2)
    for name, change in _CHANGED.items():
        tensors = dict(tiny())
        change(tensors)
        expected: Expected = "works" if name.startswith("fine") else "refused"
        yield load(f"checkpoint: {name}", one("c.pth", saved(tensors)), pth, expected)
    for name, (data, working) in hostile_pickles(tiny()).items():
        yield load(f"pickle: {name}", one("c.pth", data), pth, "works" if working else "refused")
    for name, data in hostile_zips(saved(tiny())).items():
        yield load(f"archive: {name}", one("c.pth", data), pth, "refused", "c.pth")
    for name, data in hostile_safetensors(save(tiny())).items():
        yield load(f"safetensors: {name}", one("c.safetensors", data), safe, "refused", "c.safetensors")
    yield from _folders()
    yield from _wishes()


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
    for family, (tensors, config) in families().items():
        name = f"good family: {family}"
        if config is None:
            options = V2 if family == "depth_anything" else ()
            found.append(load(name, one("c.pt", saved(tensors)), export("c.pt", *options), "works"))
        else:
            found.append(load(name, _folder(tensors, config), export("hub"), "works"))
    return found


def _folder(tensors: Tensors, config: object) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / "hub").mkdir()
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "hub/config.json").write_text(text)
        (folder / "hub/model.safetensors").write_bytes(save(tensors))

    return make


WEIGHT = "pretrained.blocks.1.attn.qkv.weight"


def _set(place: int, value: float) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors[WEIGHT] = tensors[WEIGHT].double()
        tensors[WEIGHT].view(-1)[place] = value

    return change


def _replace(make: Callable[[torch.Tensor], torch.Tensor], name: str = WEIGHT) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors[name] = make(tensors[name])

    return change


def _everything(make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors.update({name: make(tensor) for name, tensor in tensors.items()})

    return change


def _add(name: str, value: torch.Tensor) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: value})


_POSITION, _CLASS = "pretrained.pos_embed", "pretrained.cls_token"
_CHANGED: dict[str, Callable[[Tensors], None]] = {
    "NaN": _set(5, float("nan")),
    "infinity": _set(5, float("inf")),
    "minus infinity at the end": _set(-1, float("-inf")),
    "a double that float32 cannot hold": _set(7, 1e300),
    "whole numbers": _replace(lambda t: t.long()),
    "bytes": _replace(lambda t: t.byte()),
    "booleans": _replace(lambda t: t > 0),
    "complex": _replace(lambda t: t.to(torch.complex64)),
    "eight-bit floats": _replace(lambda t: t.to(torch.float8_e4m3fn)),
    "everything whole numbers": _everything(lambda t: t.long()),
    "sparse": _replace(lambda t: t.to_sparse()),
    "quantised": _replace(lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
    "another shape": _replace(lambda t: t[:-1].clone()),
    "a scalar": _replace(lambda t: t[0, 0].clone()),
    "empty": _replace(lambda t: t[:0].clone()),
    "one number for all": _replace(lambda t: t[:1, :1].clone().expand(t.shape)),
    "a petabyte from one number": _replace(lambda t: torch.zeros(1).expand(1 << 40, 1 << 10)),
    "positions: a petabyte": _replace(lambda t: torch.zeros(1).expand(1, 1 + (1 << 40), 64), _POSITION),
    "positions: a scalar": _replace(lambda t: t.flatten()[0].clone(), _POSITION),
    "positions: none": _replace(lambda t: t[:, :0].clone(), _POSITION),
    "positions: no square": _replace(lambda t: t[:, :-1].clone(), _POSITION),
    "class token: a scalar": _replace(lambda t: t.flatten()[0].clone(), _CLASS),
    "class token: no width": _replace(lambda t: t[..., :0].clone(), _CLASS),
    "patches: a scalar": _replace(lambda t: t.flatten()[0].clone(), "pretrained.patch_embed.proj.weight"),
    "patches: of no size": _replace(lambda t: t[..., :0].clone(), "pretrained.patch_embed.proj.weight"),
    "fusion: a scalar": _replace(lambda t: t.flatten()[0].clone(), "depth_head.scratch.layer1_rn.weight"),
    "head: none": _replace(lambda t: t[:0].clone(), "depth_head.scratch.output_conv1.weight"),
    "mlp: none": _replace(lambda t: t[:0].clone(), "pretrained.blocks.0.mlp.fc1.weight"),
    "missing": lambda tensors: tensors.pop(WEIGHT),  # type: ignore[dict-item,return-value]
    "one too many": _add("pretrained.blocks.1.attn.qkv.weights", torch.zeros(3)),
    "a block with a huge number": _add("pretrained.blocks.99999999999999.norm1.weight", torch.zeros(64)),
    "a block with a number of 5000 digits": _add(f"pretrained.blocks.{'9' * 5000}.norm1.weight", torch.zeros(64)),
    "a block with an odd digit": _add("pretrained.blocks.².norm1.weight", torch.zeros(64)),
    "a name that writes to the terminal": _add("pretrained.\x1b[2J\n\r\x07.weight", torch.zeros(64)),
    "a name of a megabyte": _add("x" * (1 << 20), torch.zeros(3)),
    "no names": lambda tensors: tensors.clear(),
    "fine: views of one storage": lambda tensors: tensors.update(_views(tensors)),
    "fine: an unused tensor with NaN": _add("pretrained.mask_token", torch.full((1, 64), float("nan"))),
}


def _views(tensors: Tensors) -> Tensors:
    storage = torch.cat([tensor.flatten() for tensor in tensors.values()])
    parts = storage.split([tensor.numel() for tensor in tensors.values()])
    return {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}


def _folders() -> Iterator[Case]:
    tensors, config = families()["beit_hub"]
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
    yield load("index: an empty folder", lambda folder: (folder / "hub").mkdir(), export("hub"), "refused", "hub")


def _wishes() -> Iterator[Case]:
    metric = ("--variant", "depth-anything-v2-metric-indoor")
    wrong = [(*metric, "--max-depth", text) for text in ("0", "-1", "nan", "inf", "1e999", "x", "1e-300")]
    for sides in (("0", "0"), ("-14", "14"), ("13", "14"), ("14000000", "14000000"), ("1e3", "14")):
        wrong.append((*V2, "--fixed", *sides))
    for text in ("0", "-1", "99", "1000000000000000000000", "x"):
        wrong.append((*V2, "--opset", text))
    for options in wrong:
        yield load(f"wish: {options[2:]}", one("c.pth", saved(tiny())), export("c.pth", *options), "refused")


def mutated(count: int, seed: int = 0) -> Iterator[Case]:
    """Seeded damage to bytes, to tensors, and to config.json."""
    legacy = saved(tiny(), _use_new_zipfile_serialization=False)
    good = [("c.safetensors", save(tiny())), ("c.pth", saved(tiny())), ("c.bin", legacy)]
    names = list(families())
    for number in range(count):
        random = np.random.default_rng((seed, 3, number))
        if number % 2:
            name, data = good[number // 2 % len(good)]
            make, arguments = one(name, _damaged(name, data, random)), export(name, *V2)
            yield load(f"damaged checkpoint {number}: bytes of {name}", make, arguments, "either")
            continue
        family = names[number // 2 % len(names)]
        tensors, config = dict(families()[family][0]), families()[family][1]
        for _ in range(1 + int(random.integers(0, 3))):
            pick(_RANDOM_CHANGES, random)(tensors, random)
        if config is None:
            make = one("c.pt", saved(tensors))
            arguments = export("c.pt", *(V2 if family == "depth_anything" else ()))
        else:
            contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
            kept = families()[family][0] if random.random() < 0.5 else contiguous
            make, arguments = _folder(kept, _change_json(config, random)), export("hub")
        yield load(f"damaged checkpoint {number}: {family}", make, arguments, "either")


def _damaged(name: str, data: bytes, random: Generator) -> bytes:
    """A safetensors file has its header at the start, an archive its directory at the end."""
    if name == "c.pth" and random.random() < 0.7:
        return damage(data[::-1], random, 8000)[::-1]
    return damage(data, random, 4000 if name == "c.safetensors" else None)


def _some(tensors: Tensors, random: Generator) -> str:
    return pick(list(tensors), random)


def _drop(tensors: Tensors, random: Generator) -> None:
    del tensors[_some(tensors, random)]


def _rename(tensors: Tensors, random: Generator) -> None:
    name = _some(tensors, random)
    place = int(random.integers(0, len(name)))
    tensors[name[:place] + pick(".0123456789abc", random) + name[place + 1 :]] = tensors.pop(name)


def _reshape(tensors: Tensors, random: Generator) -> None:
    name = _some(tensors, random)
    tensor = tensors[name]
    kind = int(random.integers(0, 6))
    if kind == 0:
        tensors[name] = tensor.flatten()
    elif kind == 1:
        tensors[name] = tensor[None].clone()
    elif kind == 2 and tensor.ndim:
        tensors[name] = tensor[: tensor.shape[0] // 2].clone()
    elif kind == 3:
        tensors[name] = tensor.flatten()[:1].reshape(()).clone() if tensor.numel() else tensor
    elif kind == 4:
        tensors[name] = tensor.flip(0).transpose(0, -1).contiguous() if tensor.ndim else tensor
    else:
        tensors[name] = tensor[..., :0].clone() if tensor.ndim else tensor


def _retype(tensors: Tensors, random: Generator) -> None:
    name = _some(tensors, random)
    tensors[name] = tensors[name].to(
        pick((torch.int64, torch.uint8, torch.bool, torch.float16, torch.bfloat16), random)
    )


def _value(tensors: Tensors, random: Generator) -> None:
    name = _some(tensors, random)
    tensors[name] = tensors[name].clone()
    if tensors[name].numel() and tensors[name].is_floating_point():
        tensors[name].view(-1)[0] = pick((float("nan"), float("inf"), 3e38, -3e38), random)


def _swap(tensors: Tensors, random: Generator) -> None:
    one, other = _some(tensors, random), _some(tensors, random)
    tensors[one], tensors[other] = tensors[other], tensors[one].clone()


_RANDOM_CHANGES: tuple[Change, ...] = (_drop, _rename, _reshape, _reshape, _retype, _value, _swap)


def _change_json(config: dict[str, Any], random: Generator) -> dict[str, Any]:
    """Put something of another kind or range somewhere into a JSON object."""
    changed: dict[str, Any] = json.loads(json.dumps(config))
    part = changed["backbone_config"] if random.random() < 0.7 else changed
    telling = ("out_indices", "image_size", "window_size", "pretrained_window_sizes", "model_type", "readout_type")
    known = [name for name in telling if name in part]
    key = pick(known if known and random.random() < 0.8 else list(part), random)
    value = part[key]
    if isinstance(value, list) and value and random.random() < 0.5:
        value[int(random.integers(0, len(value)))] = pick((None, "a", -1, 0, 1.5, 10**12, [], True), random)
    else:
        part[key] = pick((None, "a", -1, 0, 1.5, 10**12, [], {}, True, [1, 2, 3, "4"], float("nan")), random)
    return changed
