"""Convolve first, interpolate the rows afterwards.

The head's first convolution reads a map that has just been doubled in both directions. Bilinear interpolation is one
interpolation along the columns and one along the rows, and the convolution is linear, so the rows can wait: the three rows
of the kernel become three kernels of one row, which run on a map doubled in its columns only, half as large. One matrix
product then interpolates the rows of the three results, moves each to where its row of the kernel stands, and adds them.

That product takes ``2 × rows / (3 × channels)`` of what the convolution still takes, so wide maps gain and narrow ones do
not: with 256 channels and 96 rows the head as a whole needs 0.83 of its time, with 128 and 148 as much as before.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.builder import Builder, Size
from dptscope_export.graph.constants import set_constant
from dptscope_export.graph.passes.convolutions import bias_of, plain_channels

NARROWEST = 256  # channels; fewer gain nothing

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class DeferRowResize(ir.passes.InPlacePass):
    """Replace every doubling that only a wide 3×3 convolution reads."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if _is_wide_convolution(node) and _is_doubling(_before(node))]
        for convolution in found:
            _replace(model.graph, convolution)
        return ir.passes.PassResult(model, bool(found))


def rows_matrix(rows: int) -> Floats:
    """What the matrix product multiplies with, ``[2 × rows, 3 × rows]``, as :func:`_rows_matrix` has a graph compute it.

    Output row i is the sum over a in (-1, 0, 1) of row i + a of the a-th result, doubled by linear interpolation with
    aligned corners; rows beyond the doubled map are zero, as a convolution pads them.
    """
    position = np.arange(2 * rows) * ((rows - 1) / (2 * rows - 1))
    doubled = np.clip(1 - np.abs(position[:, None] - np.arange(rows)), 0, None)
    none = np.zeros((1, rows))
    return np.hstack([np.vstack([none, doubled[:-1]]), doubled, np.vstack([doubled[1:], none])]).astype(np.float32)


def _before(node: ir.Node) -> ir.Node | None:
    value = node.inputs[0]
    return value.producer() if value is not None and _is_read_once(value) else None


def _is_wide_convolution(node: ir.Node) -> bool:
    channels = plain_channels(node)
    if channels is None or channels[1] < NARROWEST or bias_of(node) is None:
        return False
    weight = node.inputs[1]
    return weight is not None and _is_read_once(weight)


def _is_read_once(value: ir.Value) -> bool:
    return len(list(value.uses())) == 1


def _is_doubling(node: ir.Node | None) -> bool:
    if node is None or node.op_type != "Resize" or len(node.inputs) != 3 or node.inputs[0] is None:
        return False
    scales = node.inputs[2]
    if scales is None or scales.const_value is None or scales.const_value.numpy().tolist() != [1, 1, 2, 2]:
        return False
    ways = [node.attributes[name].as_string() for name in ("mode", "coordinate_transformation_mode")]
    return ways == ["linear", "align_corners"] and node.inputs[0].shape is not None


def _replace(graph: ir.Graph, convolution: ir.Node) -> None:
    resize = convolution.inputs[0].producer() if convolution.inputs[0] is not None else None
    assert resize is not None
    source_bchw, result = resize.inputs[0], convolution.outputs[0]
    weight, bias = convolution.inputs[1], bias_of(convolution)
    assert source_bchw is not None and weight is not None and weight.const_value is not None and bias is not None
    assert source_bchw.shape is not None and result.shape is not None
    batch, channels, rows, _ = source_bchw.shape
    _, _, twice_rows, columns = result.shape
    weight_oihw = weight.const_value.numpy()
    made = weight_oihw.shape[0]
    build = Builder(graph, convolution, (convolution.name or "").rpartition("/")[0])

    scales = build.constant("columns/scales", np.array([1, 1, 1, 2], dtype=np.float32))
    way = [*resize.attributes.values()]
    x = build.node("columns/Resize", [source_bchw, None, scales], (batch, channels, rows, columns), way)
    by_rows = np.ascontiguousarray(weight_oihw.transpose(0, 2, 1, 3)).reshape(3 * made, -1, 1, 3)
    set_constant(weight, by_rows)
    x = build.node("Conv", [x, weight], (batch, 3 * made, rows, columns), [ir.AttrInt64s("pads", [0, 1, 0, 1])])
    x = build.reshape("Reshape", x, [0, made, -1, 0], (batch, made, 3 * rows, columns))
    if isinstance(rows, int):
        matrix = build.constant("rows", rows_matrix(rows))
    else:
        matrix = _rows_matrix(build, source_bchw, rows, twice_rows)
    x = build.node("MatMul", [matrix, x], tuple(result.shape))
    # As a convolution, the bias brings the map back into the blocked layout in which onnxruntime runs what follows.
    ones = build.constant("ones", np.ones((made, 1, 1, 1), dtype=np.float32))
    x = build.node("bias/Conv", [x, ones, bias], tuple(result.shape), [ir.AttrInt64("group", made)])
    result.replace_all_uses_with(x, replace_graph_outputs=True)
    graph.remove([convolution, resize], safe=True)


def _rows_matrix(build: Builder, map_bchw: ir.Value, rows: ir.SymbolicDim, twice_rows: Size) -> ir.Value:
    """:func:`rows_matrix` of a height that is only known when the graph runs: the identity, doubled."""
    first_side = [ir.AttrInt64("start", 2), ir.AttrInt64("end", 3)]
    height = build.node("rows/Shape", [map_bchw], (1,), first_side)
    square = build.node("rows/square/Concat", [height, height], (2,), [ir.AttrInt64("axis", 0)])
    zeros = build.node("rows/ConstantOfShape", [square], (rows, rows))
    identity = build.node("rows/EyeLike", [zeros], (rows, rows))
    axes = build.constant("rows/axes", np.array([0, 1]))
    identity = build.node("rows/Unsqueeze", [identity, axes], (1, 1, rows, rows))
    scales = build.constant("rows/scales", np.array([1, 1, 2, 1], dtype=np.float32))
    linear = [ir.AttrString("mode", "linear"), ir.AttrString("coordinate_transformation_mode", "align_corners")]
    doubled = build.node("rows/Resize", [identity, None, scales], (1, 1, twice_rows, rows), linear)
    down, up = (
        build.node(
            f"rows/{name}/Pad", [doubled, build.constant(f"rows/{name}/pads", np.array(pads))], (1, 1, twice_rows, rows)
        )
        for name, pads in (("down", [0, 0, 1, 0, 0, 0, -1, 0]), ("up", [0, 0, -1, 0, 0, 0, 1, 0]))
    )
    return build.node("rows/Concat", [down, doubled, up], (1, 1, twice_rows, 3 * rows), [ir.AttrInt64("axis", 3)])
