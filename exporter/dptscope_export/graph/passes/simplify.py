"""onnxsim, on the structure of the graph alone."""

from __future__ import annotations

from typing import Literal

import onnx
import onnx_ir as ir

from dptscope_export.errors import ExportError


class Simplify(ir.passes.PassBase):
    """Run onnxsim over the graph with its weights set aside.

    It reads structure and shapes; copying gigabytes through it would cost minutes and memory, and knowing the weights it
    would turn every linear layer into Reshape, Gemm and Reshape.

    Sizes of values that survive stay as the exporter traced them: the shape inference inside onnxsim loses named axes.

    Raises:
        ExportError: inputs or outputs changed.
    """

    @property
    def in_place(self) -> Literal[False]:
        return False

    @property
    def changes_input(self) -> Literal[True]:
        """The old model loses its weights to the new one."""
        return True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        import onnxsim  # imports onnxruntime, which dptscope.ort has to do first

        interface = _interface(model)
        shapes = {value.name: value.shape for value in _values(model.graph)}
        weights = _set_aside(model.graph)
        proto = ir.to_proto(model)
        simplified_proto, _ = onnxsim.simplify(proto)
        simplified = ir.from_proto(simplified_proto)
        _put_back(simplified.graph, weights)
        if _interface(simplified) != interface:
            raise ExportError(f"expected {interface} after simplification, got {_interface(simplified)}")
        for value in _values(simplified.graph):
            if shapes.get(value.name) is not None:
                value.shape = shapes[value.name]
        return ir.passes.PassResult(simplified, _structure(proto.graph) != _structure(simplified_proto.graph))


def _structure(graph: onnx.GraphProto) -> list[bytes]:
    """Nodes and constants, but not the order that onnxsim writes the constants in."""
    return [
        *(node.SerializeToString(deterministic=True) for node in graph.node),
        *sorted(constant.name.encode() for constant in graph.initializer),
    ]


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
