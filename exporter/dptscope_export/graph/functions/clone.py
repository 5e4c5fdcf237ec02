"""Copies of nodes for the body of a function, with names that are local to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import onnx_ir as ir

_NUMBER = re.compile(r"_\d+$")
_LARGEST_CONSTANT = 16  # values; larger initializers are weights, and stay where they are


def is_small_constant(value: ir.Value) -> bool:
    """Axes, shapes, indices and the like: what belongs into a body rather than to the weights."""
    tensor = value.const_value
    return (
        tensor is not None
        and value.is_initializer()
        and not value.is_graph_input()
        and tensor.size <= _LARGEST_CONSTANT
        and not (value.name or "").endswith(("/weight", "/bias"))
    )


class LocalNames:
    """Names inside a function: the path below the group's own, the same in every group of one make."""

    def __init__(self, group: str) -> None:
        self.group = group.removesuffix("/embedding")
        self.taken: Counter[str] = Counter()

    def unique(self, name: str) -> str:
        name = _NUMBER.sub("", name)
        self.taken[name] += 1
        return name if self.taken[name] == 1 else f"{name}_{self.taken[name]}"

    def of_input(self, value: ir.Value) -> str:
        if value.is_initializer() and not value.is_graph_input():
            return self.unique(self._below(value.name or ""))
        if value.is_graph_input():
            return self.unique(_word(value.name or ""))
        return self.unique("sizes" if value.dtype == ir.DataType.INT64 else "x")

    def of_inner_input(self, value: ir.Value) -> str:
        return self.unique(self._below(value.name or ""))

    def of_node(self, node: ir.Node) -> str:
        return self.unique(self._below(node.name or ""))

    def of_output(self, value: ir.Value, node: str, index: int) -> str:
        if value.is_graph_output():
            return self.unique(_word(value.name or ""))
        return node if index == 0 else f"{node}.{index}"

    def _below(self, name: str) -> str:
        if name.startswith(f"{self.group}/"):
            return name.removeprefix(f"{self.group}/")
        return re.sub(r"^\w+/(?:(?:stage|readout)_\d+/)?", "", name)


def _word(name: str) -> str:
    """``tokens`` for ``block_03_tokens``, ``fusion_scale`` for ``fusion_scale_2``."""
    return re.sub(r"^block_\d+_", "", _NUMBER.sub("", name))


def copy_constant(value: ir.Value, copies: dict[ir.Value, ir.Value], names: LocalNames) -> ir.Node:
    """An initializer as a node; ``copies`` learns its output."""
    assert value.const_value is not None
    local = names.unique("constants/" + (value.name or "").rpartition("/")[2])
    constant = ir.Node("", "Constant", [], attributes=[ir.AttrTensor("value", value.const_value)], name=local)
    constant.outputs[0].name = local
    constant.outputs[0].shape, constant.outputs[0].type = value.shape, value.type
    copies[value] = constant.outputs[0]
    return constant


def copy_node(node: ir.Node, copies: dict[ir.Value, ir.Value], names: LocalNames) -> ir.Node:
    """A node with all that it holds; ``copies`` gives its inputs and learns its outputs."""
    attributes = [
        ir.AttrGraph(attribute.name, _copy_graph(attribute.as_graph(), copies, names))
        if attribute.type == ir.AttributeType.GRAPH
        else attribute
        for attribute in node.attributes.values()
    ]
    copy = ir.Node(
        node.domain,
        node.op_type,
        [None if value is None else copies[value] for value in node.inputs],
        attributes=attributes,
        num_outputs=len(node.outputs),
        name=names.of_node(node),
    )
    for index, (old, new) in enumerate(zip(node.outputs, copy.outputs, strict=True)):
        new.name = names.of_output(old, copy.name or "", index)
        new.shape, new.type = old.shape, old.type
        copies[old] = new
    return copy


def _copy_graph(graph: ir.Graph, copies: dict[ir.Value, ir.Value], names: LocalNames) -> ir.Graph:
    inner = dict(copies)
    for value in graph.inputs:
        inner[value] = ir.Value(name=names.of_inner_input(value), shape=value.shape, type=value.type)
    constants = [copy_constant(value, inner, names) for value in graph.initializers.values()]
    # Small constants from outside are said again inside: not every tool looks for them there.
    outside = [value for node in graph for value in node.inputs if value is not None and is_small_constant(value)]
    constants += [copy_constant(value, inner, names) for value in dict.fromkeys(outside)]
    nodes = [copy_node(node, inner, names) for node in graph]
    return ir.Graph(
        [inner[value] for value in graph.inputs],
        [inner[value] for value in graph.outputs],
        nodes=[*constants, *nodes],
        opset_imports=dict(graph.opset_imports),
        name=names.unique(graph.name or "body"),
    )


def nodes_within(node: ir.Node) -> Iterator[ir.Node]:
    """All nodes in a node's own graphs (of a loop, a scan), at any depth."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield inner
                yield from nodes_within(inner)


def captured(node: ir.Node) -> list[ir.Value]:
    """What a node's own graphs take from outside, but for small constants, which they get again inside."""
    inner = list(nodes_within(node))
    made = {value for n in inner for value in n.outputs}
    graphs = [a.as_graph() for n in (node, *inner) for a in n.attributes.values() if a.type == ir.AttributeType.GRAPH]
    made |= {value for graph in graphs for value in (*graph.inputs, *graph.initializers.values())}
    used = [value for n in inner for value in n.inputs if value is not None]
    return [value for value in dict.fromkeys(used) if value not in made and not is_small_constant(value)]
