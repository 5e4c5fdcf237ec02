"""Changes to a checkpoint's tensors, by hand and by chance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.random import Generator

from fuzz.mutate import pick

Tensors = dict[str, torch.Tensor]
ByHand = Callable[[Tensors], object]
Change = Callable[[Tensors, Generator], None]
WEIGHT = "pretrained.blocks.1.attn.qkv.weight"


def _set(place: int, value: float) -> ByHand:
    def change(tensors: Tensors) -> None:
        tensors[WEIGHT] = tensors[WEIGHT].double()
        tensors[WEIGHT].view(-1)[place] = value

    return change


def _set_in(name: str, value: float) -> ByHand:
    def change(tensors: Tensors) -> None:
        tensors[name] = tensors[name].clone()
        tensors[name][3] = value

    return change


def _replace(make: Callable[[torch.Tensor], torch.Tensor], name: str = WEIGHT) -> ByHand:
    def change(tensors: Tensors) -> None:
        tensors[name] = make(tensors[name])

    return change


def _everything(make: Callable[[torch.Tensor], torch.Tensor]) -> ByHand:
    def change(tensors: Tensors) -> None:
        tensors.update({name: make(tensor) for name, tensor in tensors.items()})

    return change


def _add(name: str, value: torch.Tensor) -> ByHand:
    return lambda tensors: tensors.update({name: value})


_POSITION, _CLASS = "pretrained.pos_embed", "pretrained.cls_token"
CHANGED: dict[str, ByHand] = {
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
    "huge": _replace(lambda t: t * 1e30),
    "huge where nothing shows it": _set_in("pretrained.blocks.1.mlp.fc1.bias", -3e38),
    "NaN in half precision": _replace(lambda t: torch.full_like(t, torch.nan, dtype=torch.float16)),
    "infinity in bfloat16": _replace(lambda t: torch.full_like(t, torch.inf, dtype=torch.bfloat16)),
    "on no device": _replace(lambda t: t.to("meta")),
    "fine: overlapping rows": _replace(lambda t: t.flatten().clone().as_strided(t.shape, (1, 1))),
    "four-bit floats": _replace(lambda t: torch.zeros(t.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)),
    "nested": _replace(lambda t: torch.nested.nested_tensor([t, t[:3]])),
    "missing": lambda tensors: tensors.pop(WEIGHT),  # type: ignore[dict-item,return-value]
    "one too many": _add("pretrained.blocks.1.attn.qkv.weights", torch.zeros(3)),
    "a block with a huge number": _add("pretrained.blocks.99999999999999.norm1.weight", torch.zeros(64)),
    "a block with a number of 5000 digits": _add(f"pretrained.blocks.{'9' * 5000}.norm1.weight", torch.zeros(64)),
    "a block with an odd digit": _add("pretrained.blocks.².norm1.weight", torch.zeros(64)),
    "a name that writes to the terminal": _add("pretrained.\x1b[2J\n\r\x07.weight", torch.zeros(64)),
    "a name of a megabyte": _add("x" * (1 << 20), torch.zeros(3)),
    "no names": lambda tensors: tensors.clear(),
    "fine: views of one storage": lambda tensors: tensors.update(_views(tensors)),
    "fine: columns before rows": _everything(lambda t: t.T.contiguous().T if t.ndim == 2 else t),
    "fine: every second number of another": _everything(
        lambda t: torch.stack((t, t), -1).flatten()[::2].view(t.shape) if t.is_contiguous() else t
    ),
    "fine: far into its storage": _everything(lambda t: torch.cat((torch.ones(999), t.flatten()))[999:].view(t.shape)),
    "fine: the same tensor under two names": lambda tensors: tensors.update(
        {WEIGHT.replace(".1.", ".2."): tensors[WEIGHT]}
    ),
    "fine: an unused tensor with NaN": _add("pretrained.mask_token", torch.full((1, 64), float("nan"))),
}


def _views(tensors: Tensors) -> Tensors:
    storage = torch.cat([tensor.flatten() for tensor in tensors.values()])
    parts = storage.split([tensor.numel() for tensor in tensors.values()])
    return {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}


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


RANDOM_CHANGES: tuple[Change, ...] = (_drop, _rename, _reshape, _reshape, _retype, _value, _swap)
