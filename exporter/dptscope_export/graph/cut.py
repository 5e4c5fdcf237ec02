"""The companion as the part of the whole graph behind the fusion inputs: the decoder is traced once for both."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import onnx_ir as ir

from dptscope.contract import TensorSpec
from dptscope_export.graph.naming import SIZES_SCOPE


def cut(whole: ir.Model, inputs: Sequence[TensorSpec], output: TensorSpec) -> ir.Model | None:
    """A graph from ``inputs``, which are inputs and outputs of ``whole``, to ``output``.

    What the part knows of the encoder are sizes, such as that of the map to which another is enlarged. They are read off the
    input that has the same.

    Args:
        whole: a traced graph; it stays as it is.
        inputs: fusion inputs and scales.
        output: the depth.

    Returns:
        The graph, or None where it would need more than sizes: then the part has to be traced by itself.
    """
    named = {value.name: value for value in (*whole.graph.inputs, *whole.graph.outputs)}
    given = [named[spec.name] for spec in inputs]
    sizes = _sizes(whole.graph, given, named[output.name])
    try:
        bounds = [*given, *(node.outputs[0] for node in sizes)]
        graph = ir.convenience.extract(whole.graph, bounds, [named[output.name]])
    except ValueError:  # it reaches back to the image
        return None
    maps = [value for value in graph.inputs[: len(given)] if value.shape is not None and value.shape.rank() == 4]
    first = graph[0]
    for lookup, value in zip(sizes, list(graph.inputs[len(given) :]), strict=True):
        node = _size_of_one(maps, lookup)
        if node is None:
            return None
        graph.insert_before(first, node)
        ir.convenience.replace_all_uses_with(value, node.outputs[0])
    del graph.inputs[len(given) :]
    return ir.Model(graph, ir_version=whole.ir_version)


def _sizes(graph: ir.Graph, given: Collection[ir.Value], output: ir.Value) -> list[ir.Node]:
    """The nodes before ``output`` that look up a size of what does not come from ``given``, in the graph's order."""
    behind = set(given)
    for node in graph:
        if any(value in behind for value in node.inputs):
            behind.update(node.outputs)
    found: set[ir.Node] = set()
    seen, waiting = set(given), [output]
    while waiting:
        value = waiting.pop()
        maker = value.producer()
        if value in seen or maker is None:
            continue
        seen.add(value)
        if maker.op_type == "Shape" and maker.inputs[0] not in behind:
            found.add(maker)
        else:
            waiting.extend(before for before in maker.inputs if before is not None)
    return [node for node in graph if node in found]


def _size_of_one(maps: Sequence[ir.Value], shape_node: ir.Node) -> ir.Node | None:
    """A node that looks up the same sizes in one of the maps, past the batch, which scales may change."""
    (looked_at,) = shape_node.inputs
    if looked_at is None or looked_at.shape is None:
        return None
    dims = list(looked_at.shape)
    bounds = {name: attribute.as_int() for name, attribute in shape_node.attributes.items()}
    wanted = dims[bounds.get("start", 0) : bounds.get("end", len(dims))]
    for map_bchw in maps:
        assert map_bchw.shape is not None
        for axis in range(1, 5 - len(wanted)):
            if list(map_bchw.shape)[axis : axis + len(wanted)] == wanted:
                return ir.node(
                    "Shape",
                    [map_bchw],
                    {"end": axis + len(wanted), "start": axis},  # in the exporter's order
                    outputs=[ir.Value(shape=ir.Shape([len(wanted)]), type=ir.TensorType(ir.DataType.INT64))],
                    metadata_props=dict(SIZES_SCOPE),
                )
    return None
