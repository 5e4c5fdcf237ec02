"""Resize with the channels last.

Where a map grows by a factor that is no whole number, as Depth Anything's does in the head (8 pixels to 14), onnxruntime
resizes channel after channel, number by number. With the channels last it computes a pixel's place and weights once for all
of them, and the order costs next to nothing: a map leaves the convolutions' blocked layout before a Resize and comes back
behind it anyway, in either order. Whole factors have a kernel in the blocked layout itself, which is faster still.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.builder import Builder

_CHANNELS_LAST, _CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


class ChannelsLastResize(ir.passes.InPlacePass):
    """Put Transposes around every linear Resize by a broken factor that stands between two convolutions."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if _is_between_convolutions(node) and _is_broken(node)]
        for node in found:
            _reorder(model.graph, node)
        return ir.passes.PassResult(model, bool(found))


def _is_between_convolutions(node: ir.Node) -> bool:
    if node.op_type != "Resize" or node.inputs[0] is None or node.outputs[0].is_graph_output():
        return False
    before = node.inputs[0].producer()
    after = [user for user, _ in node.outputs[0].uses()]
    return before is not None and {user.op_type for user in (before, *after)} == {"Conv"}


def _is_broken(node: ir.Node) -> bool:
    scales = node.inputs[2] if len(node.inputs) == 3 else None
    if scales is None or scales.const_value is None or node.attributes["mode"].as_string() != "linear":
        return False
    factors = scales.const_value.numpy()
    return factors.shape == (4,) and bool((factors[:2] == 1).all()) and not bool((factors == np.rint(factors)).all())


def _reorder(graph: ir.Graph, node: ir.Node) -> None:
    map_bchw, scales, result = node.inputs[0], node.inputs[2], node.outputs[0]
    assert map_bchw is not None and map_bchw.shape is not None and result.shape is not None
    assert scales is not None and scales.const_value is not None
    path = (node.name or "").rpartition("/")[0]
    build = Builder(graph, node, path)
    shape = [map_bchw.shape[axis] for axis in _CHANNELS_LAST]
    x = build.node("channels_last/Transpose", [map_bchw], shape, [ir.AttrInt64s("perm", _CHANNELS_LAST)])
    # It changes nothing, but for that onnxruntime does not see two Transposes that cancel each other, and takes them away.
    x = build.reshape("channels_last/Reshape", x, [0, 0, 0, 0], shape)
    factors = build.constant("channels_last/scales", scales.const_value.numpy()[_CHANNELS_LAST])
    shape = [result.shape[axis] for axis in _CHANNELS_LAST]
    x = build.node("channels_last/Resize", [x, None, factors], shape, [*node.attributes.values()])
    first = build.node("channels_first/Transpose", [x], tuple(result.shape), [ir.AttrInt64s("perm", _CHANNELS_FIRST)])
    result.replace_all_uses_with(first)
    graph.remove([node], safe=True)
