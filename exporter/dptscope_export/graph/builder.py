"""Adding nodes to a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.constants import Array, add_constant

Size = int | ir.SymbolicDim


class Builder:
    """Puts nodes and constants into a graph, before one of its nodes.

    Args:
        graph: where they go.
        before: the node they are put before.
        path: path of the module that they belong to.
    """

    def __init__(self, graph: ir.Graph, before: ir.Node, path: str) -> None:
        self._graph = graph
        self._before = before
        self._path = path

    def node(
        self, name: str, inputs: list[ir.Value | None], shape: Sequence[Size], attributes: Sequence[ir.Attr] = ()
    ) -> ir.Value:
        """The output of a new node ``path/name``. Its operator is the last part of the name, but for a number."""
        operator = name.rpartition("/")[2].partition("_")[0]
        node = ir.Node("", operator, inputs, attributes, name=f"{self._path}/{name}")
        value = node.outputs[0]
        value.shape = ir.Shape(shape)
        value.type = _type_of(operator, inputs[0])
        self._graph.insert_before(self._before, node)
        return value

    def reshape(self, name: str, value: ir.Value, target: list[int], shape: Sequence[Size] | None = None) -> ir.Value:
        """A Reshape; the shape need not be said where the target says it."""
        return self.node(name, [value, self.constant(f"{name}/shape", np.array(target))], shape or target)

    def sizes(self, name: str, first: list[int], map_bchw: ir.Value, sides: list[Size]) -> ir.Value:
        """Some numbers and the sides of a map, one after the other; read off the map where they are not fixed."""
        if all(isinstance(side, int) for side in sides):
            return self.constant(name, np.array([*first, *sides]))
        read = self.node(f"{name}/Shape", [map_bchw], (2,), [ir.AttrInt64("start", 2)])
        if not first:
            return read
        numbers = self.constant(f"{name}/first", np.array(first))
        return self.node(f"{name}/Concat", [numbers, read], (len(first) + 2,), [ir.AttrInt64("axis", 0)])

    def constant(self, name: str, array: Array) -> ir.Value:
        """An initializer ``path/name``."""
        return add_constant(self._graph, f"{self._path}/{name}", array)


def _type_of(operator: str, source: ir.Value | None) -> ir.TypeProtocol | None:
    if operator in ("Shape", "ConstantOfShape"):
        return ir.TensorType(ir.DataType.INT64 if operator == "Shape" else ir.DataType.FLOAT)
    return source.type if source is not None else None
