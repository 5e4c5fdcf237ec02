"""Weights stored in float16: half the download, and float32 again as soon as the file is loaded.

Every matrix, kernel and table goes through a Cast to float32, which runtimes fold when they load the file, so that a run
costs what it did. That comes in two steps, with a verification after each. With the Casts alone the numbers are still
float32, and the graph is held to PyTorch as closely as any. Then they are rounded, and what that does is measured by itself.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

LEAST_NUMBERS = 512
"""Of a weight that is rounded. Biases, norms and scales are a hundredth of a file and stay as they are."""

_CLOSE = 1e-3  # of a weight's length; float16 itself is within 5e-4, but for numbers above 65504 or below 6e-5


def cast_weights(model: ir.Model) -> None:
    """Let the weights that can be rounded go through a Cast to float32, which does nothing as yet."""
    graph = model.graph
    first = graph[0]
    for value in weights_to_round(graph):
        users = list(value.uses())
        cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT}, name=f"{value.name}/Cast")
        wide = cast.outputs[0]
        wide.name, wide.type, wide.shape = cast.name, value.type, value.shape
        for node, index in users:
            node.replace_input_with(index, wide)
        graph.insert_before(first, cast)


def round_weights(model: ir.Model) -> None:
    """Store these weights in float16, each rounded to the nearest."""
    for value in weights_to_round(model.graph):
        assert value.const_value is not None
        tensor = ir.tensor(value.const_value.numpy().astype(np.float16), name=value.name)
        value.const_value, value.type = tensor, ir.TensorType(tensor.dtype)


def weights_to_round(graph: ir.Graph) -> list[ir.Value]:
    """Those of two axes or more, large, and close to their float16."""
    return [value for value in graph.initializers.values() if not value.is_graph_input() and _can_be_rounded(value)]


def _can_be_rounded(value: ir.Value) -> bool:
    tensor = value.const_value
    if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < 2 or tensor.size < LEAST_NUMBERS:
        return False
    numbers = tensor.numpy()
    with np.errstate(over="ignore"):
        off = numbers.astype(np.float16).astype(np.float32) - numbers
    return bool(np.linalg.norm(off) <= _CLOSE * np.linalg.norm(numbers))
