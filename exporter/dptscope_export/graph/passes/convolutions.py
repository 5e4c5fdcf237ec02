"""What the passes need to know of a convolution."""

from __future__ import annotations

import onnx_ir as ir


def plain_channels(node: ir.Node) -> tuple[int, int] | None:
    """Channels out and in of a 3×3 convolution with a constant kernel, steps of one, and one row and column of padding on
    each side; None for anything else."""
    if node.op_type != "Conv":
        return None
    weight = node.inputs[1]
    if weight is None or weight.const_value is None:
        return None
    out_channels, in_channels, *kernel = weight.const_value.shape.numpy()
    steps = [_numbers(node, name, [1, 1]) for name in ("strides", "dilations")]
    padded = _numbers(node, "pads", [0] * 4)
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    plain = kernel == [3, 3] and steps == [[1, 1]] * 2 and padded == [1] * 4 and group == 1
    return (out_channels, in_channels) if plain else None


def bias_of(node: ir.Node) -> ir.Value | None:
    """The bias of a convolution, where it has one."""
    return node.inputs[2] if len(node.inputs) > 2 else None


def _numbers(node: ir.Node, name: str, default: list[int]) -> list[int]:
    return list(node.attributes[name].as_ints()) if name in node.attributes else default
