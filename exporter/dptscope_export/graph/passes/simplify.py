"""Smaller graphs: onnxsim on the structure, and reshapes that say their sizes instead of computing them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dptscope_export.errors import ExportError
from dptscope_export.graph.constants import add_constant


def simplify(model: ir.Model) -> ir.Model:
    """Run onnxsim over the graph with its weights set aside.

    It reads structure and shapes; copying gigabytes through it would cost minutes and memory, and knowing the weights it
    would turn every linear layer into Reshape, Gemm and Reshape. The exporter has already folded what can be folded.

    Sizes of values that survive stay as the exporter traced them: the shape inference inside onnxsim loses named axes.

    Raises:
        ExportError: inputs or outputs changed.
    """
    import onnxsim  # imports onnxruntime, which dptscope.session has to do first

    interface = _interface(model)
    shapes = {value.name: value.shape for value in _values(model.graph)}
    weights = _set_aside(model.graph)
    proto, _ = onnxsim.simplify(ir.to_proto(model))
    simplified = ir.from_proto(proto)
    _put_back(simplified.graph, weights)
    if _interface(simplified) != interface:
        raise ExportError(f"expected {interface} after simplification, got {_interface(simplified)}")
    for value in _values(simplified.graph):
        if shapes.get(value.name) is not None:
            value.shape = shapes[value.name]
    return simplified


def _interface(model: ir.Model) -> list[str | None]:
    return [value.name for value in (*model.graph.inputs, *model.graph.outputs)]


def _values(graph: ir.Graph) -> list[ir.Value]:
    return [*graph.inputs, *(value for node in graph for value in node.outputs)]


def _set_aside(graph: ir.Graph) -> dict[str, ir.TensorProtocol]:
    """Turn weights (initializers of more than one float) into inputs and return their values."""
    weights: dict[str, ir.TensorProtocol] = {}
    for name, value in list(graph.initializers.items()):
        tensor = value.const_value
        if tensor is not None and tensor.dtype.is_floating_point() and tensor.size > 1:
            weights[name] = tensor
            value.const_value = None
            del graph.initializers[name]
            graph.inputs.append(value)
    return weights


def _put_back(graph: ir.Graph, weights: dict[str, ir.TensorProtocol]) -> None:
    for value in [value for value in graph.inputs if value.name in weights]:
        graph.inputs.remove(value)
        if value.uses():
            value.const_value = weights[value.name or ""]
            graph.initializers[value.name or ""] = value


def say_reshapes(model: ir.Model) -> bool:
    """Replace computed targets of Reshape by constants where 0 ("as in the input") and one -1 can say them.

    Returns:
        whether anything changed.
    """
    changed = False
    for node in model.graph:
        if node.op_type != "Reshape" or node.inputs[1] is None or node.inputs[1].const_value is not None:
            continue
        target = _target(node.inputs[0], node.outputs[0])
        if target is None:
            continue
        constant = add_constant(model.graph, f"{node.name}/shape", np.array(target, dtype=np.int64))
        node.replace_input_with(1, constant)
        node.attributes.pop("allowzero", None)  # the exporter sets it, and 0 would mean an empty axis then
        changed = True
    if changed:
        RemoveUnusedNodesPass()(model)
    return changed


def _target(source: ir.Value | None, result: ir.Value) -> list[int] | None:
    if source is None or source.shape is None or result.shape is None:
        return None
    target: list[int] = []
    for axis, dim in enumerate(result.shape):
        if isinstance(dim, int):
            target.append(dim)
        elif axis < len(source.shape) and str(source.shape[axis]) == str(dim):
            target.append(0)
        else:
            target.append(-1)
    return target if target.count(-1) <= 1 and 0 not in result.shape else None
