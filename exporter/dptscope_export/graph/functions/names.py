"""Names inside the body of a function: what stands below the group's own path, so that groups of one make share a body."""

from __future__ import annotations

import re
from collections import Counter

import onnx_ir as ir
from onnx_ir.traversal import RecursiveGraphIterator

_NUMBER = re.compile(r"_\d+$")


def rename_body(body: ir.Graph, group: str, weights: int, interface: set[str | None]) -> None:
    """Give everything in a body names that are local to it.

    Args:
        body: a copy of the group's nodes, still with the graph's names.
        group: name of the group.
        weights: how many of the body's inputs, the last ones, are weights.
        interface: names of the graph's own inputs and outputs, whose numbers are the group's.
    """
    names = _LocalNames(group, interface)
    flows = body.inputs[: len(body.inputs) - weights]
    for value in flows:
        kind = "sizes" if value.dtype == ir.DataType.INT64 else "x"
        value.name = names.unique(_word(value.name or "") if value.name in interface else kind)
    for value in body.inputs[len(flows) :]:
        value.name = names.below(value.name)
    for node in RecursiveGraphIterator(body, enter_graph=names.of_graph):
        node.name = names.below(node.name)
        for index, value in enumerate(node.outputs):
            plain = node.name if index == 0 else f"{node.name}.{index}"
            value.name = names.unique(_word(value.name or "")) if value.name in interface else plain


class _LocalNames:
    def __init__(self, group: str, interface: set[str | None]) -> None:
        self._group = group.removesuffix("/embedding")
        self._taken: Counter[str] = Counter()
        self._root = True

    def unique(self, name: str) -> str:
        name = _NUMBER.sub("", name)
        self._taken[name] += 1
        return name if self._taken[name] == 1 else f"{name}_{self._taken[name]}"

    def below(self, name: str | None) -> str:
        """What follows the group's path; of something from elsewhere in the model, what follows its block's."""
        name = name or ""
        if name.startswith(f"{self._group}/"):
            return self.unique(name.removeprefix(f"{self._group}/"))
        return self.unique(re.sub(r"^\w+/(?:(?:stage|readout)_\d+/)?", "", name))

    def of_graph(self, graph: object) -> None:
        """Name a graph within a node, and its inputs; the body itself has none of its own."""
        if self._root:
            self._root = False
        elif isinstance(graph, ir.Graph):
            graph.name = self.unique(graph.name or "body")
            for value in graph.inputs:
                value.name = self.below(value.name)


def _word(name: str) -> str:
    """``tokens`` for ``block_03_tokens``, ``fusion_scale`` for ``fusion_scale_2``."""
    return re.sub(r"^block_\d+_", "", _NUMBER.sub("", name))
