"""The last convolutions, of what is rounded to 8 bits already.

What they give is a map that people look at, in which each of 256 steps would be seen, so the quantiser leaves them in
float32. Then their input, the largest map of all, is widened to float32 and brought into another order, for a product with a
handful of numbers. The same sums can be had from the 8-bit numbers as they lie, channels last: a weight is three 8-bit
numbers, each for what those before it leave over, together as fine as float32; sums of 32 bits are exact, and they alone are
widened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dptscope_export.graph.builder import Builder, Size

_MOST_MAPS = 4  # more channels than that are no maps to look at, and several numbers a weight would cost time
_PARTS = 3
_LARGEST = 127

Floats = NDArray[np.float32]


def sum_maps_in_integers(model: ir.Model) -> None:
    """Replace every 1×1 convolution to a few channels that reads 8-bit numbers and has weights in float32."""
    for node in [node for node in model.graph if _gives_maps(node)]:
        _replace(model.graph, node)
    RemoveUnusedNodesPass()(model)


def in_parts(weight_oi: Floats) -> tuple[NDArray[np.int8], Floats]:
    """8-bit numbers that make up a weight.

    Args:
        weight_oi: ``[maps, channels]``.

    Returns:
        Whole numbers, ``[channels, parts × maps]``, the coarsest part first, and what brings sums with them together,
        ``[parts × maps, maps]``: their product is the weight but for 6e-8 of the map's largest.
    """
    parts, steps, left = [], [], weight_oi.astype(np.float64)
    for _ in range(_PARTS):
        step = np.maximum(np.abs(left).max(axis=1), np.finfo(np.float32).tiny) / _LARGEST
        part = np.rint(left / step[:, None])
        left = left - part * step[:, None]
        parts.append(part)
        steps.append(np.diag(step))
    return np.concatenate(parts).T.astype(np.int8), np.concatenate(steps).astype(np.float32)


def _gives_maps(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.inputs[0] is None or node.inputs[1] is None:
        return False
    widened = node.inputs[0].producer()
    weight = node.inputs[1].const_value
    if widened is None or widened.op_type != "DequantizeLinear" or weight is None:
        return False
    maps, _, *kernel = weight.shape.numpy()
    return kernel == [1, 1] and maps <= _MOST_MAPS


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    widened = node.inputs[0].producer() if node.inputs[0] is not None else None
    weight, result = node.inputs[1], node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    assert widened is not None and weight is not None and weight.const_value is not None
    rounded_bchw, step, zero = widened.inputs
    assert rounded_bchw is not None and step is not None and step.const_value is not None and result.shape is not None
    batch, _, height, width = result.shape
    weight_oi = weight.const_value.numpy()[:, :, 0, 0]
    maps, channels = weight_oi.shape
    path = f"{(node.name or '').rpartition('/')[0]}/sums"  # others may be named after the convolution, too
    build = Builder(graph, node, path)
    whole, together = in_parts(weight_oi)
    parts = build.constant("weight_parts", whole)
    steps = build.constant("steps", together * step.const_value.numpy())

    def add(
        name: str, inputs: list[ir.Value | None], shape: Sequence[Size], data: ir.DataType, *said: ir.Attr
    ) -> ir.Value:
        value = build.node(name, inputs, shape, said)
        value.name, value.type = f"{path}/{name}", ir.TensorType(data)
        return value

    pixels = (batch, height, width)
    x = add("Transpose", [rounded_bchw], (*pixels, channels), ir.DataType.UINT8, ir.AttrInt64s("perm", [0, 2, 3, 1]))
    x = add("MatMulInteger", [x, parts, zero], (*pixels, _PARTS * maps), ir.DataType.INT32)
    x = add("Cast", [x], (*pixels, _PARTS * maps), ir.DataType.FLOAT, ir.AttrInt64("to", ir.DataType.FLOAT))
    x = add("MatMul", [x, steps], (*pixels, maps), ir.DataType.FLOAT)
    x = add("Transpose_2", [x], tuple(result.shape), ir.DataType.FLOAT, ir.AttrInt64s("perm", [0, 3, 1, 2]))
    if bias is not None and bias.const_value is not None:
        # Of three axes: where the last axis is one, onnxruntime takes thirty times as long to add one number to all.
        added = build.constant("bias_bchw", bias.const_value.numpy()[:, None, None])
        x = add("Add", [x, added], tuple(result.shape), ir.DataType.FLOAT)
    result.replace_all_uses_with(x, replace_graph_outputs=True)
    graph.remove([node], safe=True)
