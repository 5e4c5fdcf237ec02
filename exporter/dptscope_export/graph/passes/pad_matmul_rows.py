"""Pad the rows that a matrix product reads, against 4 KiB aliasing in the first-level cache.

A matrix product reads a dozen rows of its left side at once. Where a row is a whole number of 4096 bytes long, the same
column of all of them falls on the same lines of the first-level cache, which holds fewer, and the product takes half as long
again: measured in onnxruntime on an AMD EPYC, 135 instead of 200 GFLOP/s at 1024, 2048, 3072 and 4096 floats a row. So such
rows get a few zeros at their end, and the weights as many rows of zeros.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.constants import Array, add_constant, set_constant

ALIASING_STRIDE = 1024  # floats: 4096 bytes
PADDING = 16  # floats: one cache line


class PadMatmulRows(ir.passes.InPlacePass):
    """Pad the rows that linear layers read, where their length is a multiple of :data:`ALIASING_STRIDE`.

    Inside an MLP the zeros come from the first layer, which gets as many columns of zeros; elsewhere they are appended.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        padded: dict[ir.Value, ir.Value] = {}  # one padded value serves all that read it
        modified = False
        for node in list(model.graph):
            weight = _weight(node)
            source = node.inputs[0] if node.inputs else None
            if weight is None or source is None or weight.numpy().shape[0] % ALIASING_STRIDE:
                continue
            if source not in padded:
                padded[source] = source if _widen(source) else _append_zeros(model.graph, source, node)
            node.replace_input_with(0, padded[source])
            _set_input(node, 1, np.pad(weight.numpy(), ((0, PADDING), (0, 0))))
            modified = True
        return ir.passes.PassResult(model, modified)


def _weight(node: ir.Node) -> ir.TensorProtocol | None:
    """The weight of a linear layer, ``[in, out]``, that no other node uses, but for rows that are taken out of it."""
    if node.op_type != "MatMul" or node.inputs[1] is None:
        return None
    value = node.inputs[1]
    tensor = value.const_value
    alone = all(user is node or (user.op_type == "Gather" and not _axis(user)) for user, _ in value.uses())
    return tensor if tensor is not None and len(tensor.shape) == 2 and alone else None


def _axis(node: ir.Node) -> int:
    axis = node.attributes.get("axis")
    return 0 if axis is None else axis.as_int()


def _widen(value: ir.Value) -> bool:
    """Let the layer that makes ``value`` make more columns, all zero, where that is GELU of a linear layer with a bias."""
    gelu = value.producer()
    add = _only_source(value, gelu, "Gelu")
    product = _only_source(add.outputs[0], add, "Add") if add is not None else None
    weight = _weight(product) if product is not None else None
    if add is None or product is None or weight is None:
        return False
    bias = add.inputs[1]
    if bias is None or bias.const_value is None or bias.const_value.numpy().shape != (weight.numpy().shape[1],):
        return False
    _set_input(product, 1, np.pad(weight.numpy(), ((0, 0), (0, PADDING))))
    _set_input(add, 1, np.pad(bias.const_value.numpy(), (0, PADDING)))
    for wider in (product.outputs[0], add.outputs[0], value):
        wider.shape = _padded(wider.shape)
    return True


def _only_source(value: ir.Value, node: ir.Node | None, operator: str) -> ir.Node | None:
    """What feeds ``node``, if that is such an operator and ``value`` has no other use than one."""
    if node is None or node.op_type != operator or len(list(value.uses())) != 1 or node.inputs[0] is None:
        return None
    return node.inputs[0].producer()


def _append_zeros(graph: ir.Graph, value: ir.Value, user: ir.Node) -> ir.Value:
    path = user.name or ""
    pads, axes = (
        add_constant(graph, f"{path}/{name}", np.array(numbers, dtype=np.int64))
        for name, numbers in (("pads", [0, PADDING]), ("axes", [-1]))
    )
    pad = ir.node("Pad", [value, pads, None, axes], name=f"{path.rpartition('/')[0]}/Pad")
    pad.outputs[0].name = f"{path}/Pad"
    pad.outputs[0].type = value.type
    pad.outputs[0].shape = _padded(value.shape)
    graph.insert_before(user, pad)
    return pad.outputs[0]


def _padded(shape: ir.Shape | None) -> ir.Shape | None:
    if shape is None or not isinstance(shape[-1], int):
        return None
    return ir.Shape([*shape[:-1], shape[-1] + PADDING])


def _set_input(node: ir.Node, index: int, array: Array) -> None:
    value = node.inputs[index]
    assert value is not None
    set_constant(value, array)
