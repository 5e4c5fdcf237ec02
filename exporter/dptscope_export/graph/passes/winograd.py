"""3×3 convolutions of wide maps by Winograd's minimal filtering, which onnxruntime's CPU kernels do not know.

The map is cut into windows of 6 × 6 values that overlap by two. Window and kernel are each turned into 36 numbers, whose
products, added up over the channels, turn into the 4 × 4 results of the window: 36 multiplications in place of 144. The
products are one matrix product for each of the 36 numbers, so the operators are those that run at the processor's peak.

Turning takes work for each channel that goes in or out, and saves work for each pair of them. So narrow maps lose.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). How near the results come to those of exact
arithmetic depends on the points behind the matrices (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd
Convolution for Deep Neural Networks", 2020); those below give half the error of the usual 0, ±1 and ±2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from dptscope_export.graph.builder import Builder
from dptscope_export.graph.constants import SHARED, add_constant
from dptscope_export.graph.passes.convolutions import bias_of, plain_channels

TILE = 4
"""Results a side that are computed together."""

WINDOW = TILE + 2
"""Values a side that they are computed from."""

POINTS = (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2)
"""Where the polynomials behind the algorithm are evaluated; the sixth point is infinity."""

LEAST_WIDTH = 60.0
"""Of in × out / (in + out) channels. From 256 to 256 takes 0.5 to 0.7 of the time, from 128 to 128 0.8, from 96 to 96 1.1,
from 128 to 32 1.6 (``benchmarks/winograd.py``)."""

Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def matrices() -> tuple[Matrix, Matrix, Matrix]:
    """The algorithm in one dimension: four results are ``results @ ((values @ window) * (kernel @ weights))``.

    Returns:
        results ``[4, 6]``, values ``[6, 6]`` and kernel ``[6, 3]``.
    """
    points = np.array(POINTS)
    others = [np.delete(points, index) for index in range(len(points))]
    results = np.vander(points, TILE, increasing=True).T
    kernel = np.vander(points, 3, increasing=True) / [
        [np.prod(point - rest)] for point, rest in zip(points, others, strict=True)
    ]
    values = [[*np.poly(rest)[::-1], 0.0] for rest in others]
    return (
        np.column_stack([results, np.eye(TILE)[-1]]),
        np.array([*values, np.poly(points)[::-1]]),
        np.vstack([kernel, np.eye(3)[-1]]),
    )


class Winograd(ir.passes.InPlacePass):
    """Replace every 3×3 convolution that is wide enough."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if _is_wide_convolution(node)]
        if found:
            turned = _add_matrices(model.graph)
            for convolution in found:
                _replace(model.graph, convolution, turned)
        return ir.passes.PassResult(model, bool(found))


class _Turned(NamedTuple):
    """The matrices in two dimensions, which all convolutions share."""

    values: ir.Value
    kernel: ir.Value
    results: ir.Value


def _add_matrices(graph: ir.Graph) -> _Turned:
    results, values, kernel = (matrix.astype(np.float32) for matrix in matrices())
    squared = WINDOW**2
    turned = {
        "values": np.einsum("ia,jb->ijab", values, values).reshape(squared, 1, WINDOW, WINDOW),
        "kernel": np.einsum("ia,jb->ijab", kernel, kernel).reshape(squared, 3, 3),
        "results": np.einsum("oi,pj->opij", results, results).reshape(TILE**2, squared),
    }
    return _Turned(*(add_constant(graph, f"{SHARED}/winograd_{name}", array) for name, array in turned.items()))


def _is_wide_convolution(node: ir.Node) -> bool:
    channels = plain_channels(node)
    if channels is None or node.inputs[0] is None or node.inputs[0].shape is None:
        return False
    out_channels, in_channels = channels
    return out_channels * in_channels / (out_channels + in_channels) >= LEAST_WIDTH


def _replace(graph: ir.Graph, convolution: ir.Node, turned: _Turned) -> None:
    (source_bchw, weight_oihw), bias = convolution.inputs[:2], bias_of(convolution)
    result = convolution.outputs[0]
    assert source_bchw is not None and weight_oihw is not None
    assert source_bchw.shape is not None and weight_oihw.const_value is not None and result.shape is not None
    out_channels, in_channels = weight_oihw.const_value.shape.numpy()[:2]
    batch, _, *sides = source_bchw.shape
    whole = all(str(side % TILE) == "0" for side in sides)  # whatever the photo's size
    tiles = [side // TILE if whole else (side + TILE - 1) // TILE for side in sides]
    squared = WINDOW**2
    build = Builder(graph, convolution, (convolution.name or "").rpartition("/")[0])

    # onnxruntime does this once, when it loads the file, which so keeps the kernel as the checkpoint has it.
    equation = [ir.AttrString("equation", "tij,ocij->toc")]
    kernel = build.node("kernel/Einsum", [turned.kernel, weight_oihw], (squared, out_channels, in_channels), equation)

    x = build.reshape("windows/Reshape", source_bchw, [-1, 1, 0, 0], (batch * in_channels, 1, *sides))
    # Beyond the map's end there may be up to three values that a tile still takes, and one of the padding.
    steps = [ir.AttrInt64s("strides", [TILE, TILE]), ir.AttrInt64s("pads", [1, 1, TILE, TILE])]
    windows = build.node("windows/Conv", [x, turned.values], (batch * in_channels, squared, *tiles), steps)
    x = build.reshape(
        "windows/Reshape_2", windows, [-1, in_channels * squared, 0, 0], (batch, in_channels * squared, *tiles)
    )
    area = tiles[0] * tiles[1]
    x = build.reshape("windows/Reshape_3", x, [0, in_channels, squared, -1], (batch, in_channels, squared, area))
    order = [ir.AttrInt64s("perm", [0, 2, 1, 3])]
    x = build.node("windows/Transpose", [x], (batch, squared, in_channels, area), order)

    x = build.node("MatMul", [kernel, x], (batch, squared, out_channels, area))
    x = build.reshape("results/Reshape", x, [0, squared, -1], (batch, squared, area * out_channels))
    x = build.node("results/MatMul", [turned.results, x], (batch, TILE**2, area * out_channels))
    target = build.sizes("results/sizes", [0, TILE**2 * out_channels], windows, tiles)
    x = build.node("results/Reshape_2", [x, target], (batch, TILE**2 * out_channels, *tiles))
    depth = [ir.AttrInt64("blocksize", TILE)]
    x = build.node("results/DepthToSpace", [x], (batch, out_channels, *(side * TILE for side in tiles)), depth)
    if not whole:
        starts, axes = build.constant("Slice/starts", np.array([0, 0])), build.constant("Slice/axes", np.array([2, 3]))
        ends = build.sizes("sizes", [], source_bchw, sides)
        x = build.node("Slice", [x, starts, ends, axes], tuple(result.shape))
    if bias is not None:
        x = build.node("bias/Add", [x, build.reshape("bias/Reshape", bias, [out_channels, 1, 1])], tuple(result.shape))
    name, shape, is_output = result.name, result.shape, result.is_graph_output()
    result.replace_all_uses_with(x, replace_graph_outputs=True)
    graph.remove(convolution, safe=True)
    if is_output:  # by which it is fetched
        x.name, x.shape = name, shape
