"""What the values of a model card may be. A card comes out of a file, and the file may come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LARGEST_SIDE = 1 << 16  # pixels, channels or whatever else is counted: far above what any model has
MOST_BLOCKS = 1000
FUSION_INPUTS = 4


def check_values(values: Mapping[str, Any], kinds: Mapping[str, tuple[str, ...]]) -> None:
    """Check a card's values as they come from JSON, before anything is made of them.

    Args:
        values: by the names of :class:`dptscope.ModelCard`'s fields.
        kinds: the words that ``depth_kind``, ``resize_rule`` and ``output_resize`` may be.

    Raises:
        ValueError: one is not what it must be; the message says which.
    """
    for name in ("patch_size", "size_multiple", "fusion_channels", "opset"):
        _whole(name, values[name])
    _one_of("depth_kind", values["depth_kind"], kinds["depth_kind"])
    if values["depth_kind"] == "metric":
        _number("max_depth", values["max_depth"], above=0.0)
    elif values["max_depth"] is not None:
        raise ValueError(f"max_depth must be null for relative depth, got {_short(values['max_depth'])}")
    for name in ("dynamic", "has_cls"):
        if not isinstance(values[name], bool):
            raise ValueError(f"{name} must be true or false, got {_short(values[name])}")
    _sizes(values)
    _blocks(values)
    _preparation(values["preparation"], values["size_multiple"], kinds)
    if values["parity"] is not None:
        _parity(values["parity"])


def _sizes(values: Mapping[str, Any]) -> None:
    sides = _list("native_size", values["native_size"], 2)
    for side in sides:
        _whole("native_size", side)
        if side % values["size_multiple"]:
            raise ValueError(f"native_size must be multiples of {values['size_multiple']}, got {_short(sides)}")


def _blocks(values: Mapping[str, Any]) -> None:
    blocks = values["blocks"]
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= MOST_BLOCKS:
        raise ValueError(f"blocks must be a list of 1 to {MOST_BLOCKS}, got {_short(blocks)}")
    for block in blocks:
        if not isinstance(block, dict) or set(block) != {"channels", "stride", "stage"}:
            raise ValueError(f"blocks must have channels, stride and stage, got {_short(block)}")
        for name, value in block.items():
            _whole(f"blocks' {name}", value)
        if values["size_multiple"] % block["stride"]:
            raise ValueError(f"blocks' stride must divide {values['size_multiple']}, got {block['stride']}")
    for tap in _list("taps", values["taps"], FUSION_INPUTS):
        _whole("taps", tap, 0, len(blocks) - 1)


def _preparation(value: object, size_multiple: int, kinds: Mapping[str, tuple[str, ...]]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"preparation must be an object, got {_short(value)}")
    for mean in _list("mean", value["mean"], 3):
        _number("mean", mean)
    for deviation in _list("std", value["std"], 3):
        _number("std", deviation, above=1e-6)
    _one_of("resize_rule", value["resize_rule"], kinds["resize_rule"])
    _one_of("output_resize", value["output_resize"], kinds["output_resize"])
    _one_of("colour_order", value["colour_order"], ("RGB",))
    _one_of("interpolation", value["interpolation"], ("cubic",))
    _whole("multiple", value["multiple"])
    if value["multiple"] % size_multiple:
        raise ValueError(f"multiple must be one of {size_multiple}, got {value['multiple']}")


def _parity(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"parity must be an object, got {_short(value)}")
    for name in ("depth", "depth_range", "norms", "companion"):
        _number(name, value[name])
    if not isinstance(value["sizes"], list):
        raise ValueError(f"parity's sizes must be a list, got {_short(value['sizes'])}")
    for size in value["sizes"]:
        for side in _list("parity's sizes", size, 2):
            _whole("parity's sizes", side)


def _whole(name: str, value: object, low: int = 1, high: int = LARGEST_SIDE) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {_short(value)}")


def _number(name: str, value: object, above: float = -math.inf) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not (math.isfinite(value) and value > above):
        raise ValueError(
            f"{name} must be a finite number{f' above {above:g}' * (above > -math.inf)}, got {_short(value)}"
        )


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {_short(value)}")


def _list(name: str, value: object, length: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise ValueError(f"{name} must be a list of {length}, got {_short(value)}")
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
