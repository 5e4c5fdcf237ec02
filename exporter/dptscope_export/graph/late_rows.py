"""Convolve first, interpolate the rows afterwards.

The head's first convolution reads a map that has just been doubled in both directions. Bilinear interpolation is one
interpolation along the columns and one along the rows, and the convolution is linear, so the rows can wait: the three rows
of the kernel become three kernels of one row, which run on a map doubled in its columns only, half as large. One matrix
product then interpolates the rows of the three results, moves each to where its row of the kernel stands, and adds them.

That product takes ``2 × rows / (3 × channels)`` of what the convolution still takes, so wide maps gain and narrow ones do
not: with 256 channels and 96 rows the head as a whole needs 0.83 of its time, with 128 and 148 as much as before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.constants import Array, add_constant, set_constant

NARROWEST = 256  # channels; fewer gain nothing

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Size = int | ir.SymbolicDim


def interpolate_rows_late(model: ir.Model) -> bool:
    """Replace every doubling that only a wide 3×3 convolution reads.

    Returns:
        whether anything changed.
    """
    found = [node for node in model.graph if _is_wide_convolution(node) and _is_doubling(_before(node))]
    for convolution in found:
        _replace(model.graph, convolution)
    return bool(found)


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
    return value.producer() if value is not None and len(list(value.uses())) == 1 else None


def _is_wide_convolution(node: ir.Node) -> bool:
    if node.op_type != "Conv" or len(node.inputs) != 3:
        return False
    weight = node.inputs[1]
    if weight is None or weight.const_value is None or len(list(weight.uses())) != 1:
        return False
    _, channels, *kernel = weight.const_value.numpy().shape
    steps = [_numbers(node, name, [1, 1]) for name in ("strides", "dilations")]
    padded = _numbers(node, "pads", [0] * 4)
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    plain = kernel == [3, 3] and steps == [[1, 1]] * 2 and padded == [1] * 4 and group == 1
    return channels >= NARROWEST and plain


def _is_doubling(node: ir.Node | None) -> bool:
    if node is None or node.op_type != "Resize" or len(node.inputs) != 3 or node.inputs[0] is None:
        return False
    scales = node.inputs[2]
    if scales is None or scales.const_value is None or scales.const_value.numpy().tolist() != [1, 1, 2, 2]:
        return False
    ways = [node.attributes[name].as_string() for name in ("mode", "coordinate_transformation_mode")]
    return ways == ["linear", "align_corners"] and node.inputs[0].shape is not None


def _numbers(node: ir.Node, name: str, default: list[int]) -> list[int]:
    return list(node.attributes[name].as_ints()) if name in node.attributes else default


def _replace(graph: ir.Graph, convolution: ir.Node) -> None:
    resize = convolution.inputs[0].producer() if convolution.inputs[0] is not None else None
    assert resize is not None
    source_bchw, result = resize.inputs[0], convolution.outputs[0]
    weight, bias = convolution.inputs[1:3]
    assert source_bchw is not None and weight is not None and weight.const_value is not None and bias is not None
    assert source_bchw.shape is not None and result.shape is not None
    batch, channels, rows, _ = source_bchw.shape
    _, _, twice_rows, columns = result.shape
    thrice_rows = 3 * rows if isinstance(rows, int) else ir.SymbolicDim(f"3*{_in_brackets(str(rows))}")
    weight_oihw = weight.const_value.numpy()
    made = weight_oihw.shape[0]
    path = (convolution.name or "").rpartition("/")[0]
    build = _Builder(graph, convolution, path)

    resize_name = f"{path.rpartition('/')[0]}/columns/Resize"  # it serves the convolution alone
    scales = build.constant("columns/scales", np.array([1, 1, 1, 2], dtype=np.float32))
    x = build.node(
        "Resize",
        [source_bchw, None, scales],
        (batch, channels, rows, columns),
        [*resize.attributes.values()],
        resize_name,
    )
    by_rows = np.ascontiguousarray(weight_oihw.transpose(0, 2, 1, 3)).reshape(3 * made, -1, 1, 3)
    set_constant(weight, by_rows)
    x = build.node("Conv", [x, weight], (batch, 3 * made, rows, columns), [ir.AttrInt64s("pads", [0, 1, 0, 1])])
    target = build.constant("shape", np.array([0, made, -1, 0]))
    x = build.node("Reshape", [x, target], (batch, made, thrice_rows, columns))
    if isinstance(rows, int):
        matrix = build.constant("rows", rows_matrix(rows))
    else:
        matrix = _rows_matrix(build, source_bchw, rows, twice_rows, thrice_rows)
    x = build.node("MatMul", [matrix, x], tuple(result.shape))
    # As a convolution, the bias brings the map back into the blocked layout in which onnxruntime runs what follows.
    ones = build.constant("ones", np.ones((made, 1, 1, 1), dtype=np.float32))
    x = build.node("Conv", [x, ones, bias], tuple(result.shape), [ir.AttrInt64("group", made)], f"{path}/bias/Conv")
    result.replace_all_uses_with(x, replace_graph_outputs=True)
    graph.remove([convolution, resize], safe=True)


def _rows_matrix(build: _Builder, map_bchw: ir.Value, rows: ir.SymbolicDim, twice: Size, thrice: Size) -> ir.Value:
    """:func:`rows_matrix` of a height that is only known when the graph runs: the identity, doubled."""

    def step(name: str, inputs: list[ir.Value | None], shape: Sequence[Size], *attributes: ir.Attr) -> ir.Value:
        operator = name.rpartition("/")[2]
        return build.node(operator, inputs, shape, attributes, f"{build.path}/rows/{name}")

    height = step("Shape", [map_bchw], (1,), ir.AttrInt64("start", 2), ir.AttrInt64("end", 3))
    square = step("square/Concat", [height, height], (2,), ir.AttrInt64("axis", 0))
    identity = step("EyeLike", [step("ConstantOfShape", [square], (rows, rows))], (rows, rows))
    axes = build.constant("rows/axes", np.array([0, 1]))
    scales = build.constant("rows/scales", np.array([1, 1, 2, 1], dtype=np.float32))
    doubled = step(
        "Resize",
        [step("Unsqueeze", [identity, axes], (1, 1, rows, rows)), None, scales],
        (1, 1, twice, rows),
        ir.AttrString("mode", "linear"),
        ir.AttrString("coordinate_transformation_mode", "align_corners"),
    )
    down, up = (
        step(f"{name}/Pad", [doubled, build.constant(f"rows/{name}/pads", np.array(pads))], (1, 1, twice, rows))
        for name, pads in (("down", [0, 0, 1, 0, 0, 0, -1, 0]), ("up", [0, 0, -1, 0, 0, 0, 1, 0]))
    )
    return step("Concat", [down, doubled, up], (1, 1, twice, thrice), ir.AttrInt64("axis", 3))


class _Builder:
    """Puts nodes and constants into a graph, before one of its nodes.

    Args:
        graph: where they go.
        before: the node they are put before.
        path: path of the module that they belong to.
    """

    def __init__(self, graph: ir.Graph, before: ir.Node, path: str) -> None:
        self.graph = graph
        self.before = before
        self.path = path

    def node(
        self,
        operator: str,
        inputs: list[ir.Value | None],
        shape: Sequence[Size],
        attributes: Sequence[ir.Attr] = (),
        name: str | None = None,
    ) -> ir.Value:
        """The first output of a new node."""
        node = ir.Node("", operator, inputs, attributes, name=name or f"{self.path}/{operator}")
        value = node.outputs[0]
        value.shape = ir.Shape(shape)
        value.type = _type_of(operator, inputs[0])
        self.graph.insert_before(self.before, node)
        return value

    def constant(self, name: str, array: Array) -> ir.Value:
        """An initializer ``path/name``."""
        return add_constant(self.graph, f"{self.path}/{name}", array)


def _type_of(operator: str, source: ir.Value | None) -> ir.TypeProtocol | None:
    if operator in ("Shape", "ConstantOfShape"):
        return ir.TensorType(ir.DataType.INT64 if operator == "Shape" else ir.DataType.FLOAT)
    return source.type if source is not None else None


def _in_brackets(size: str) -> str:
    return size if size.replace("*", "").replace("_", "").isalnum() else f"({size})"
