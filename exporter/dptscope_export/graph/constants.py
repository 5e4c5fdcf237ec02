"""Initializers: new ones, and new numbers for those that are there."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

SHARED = "constants"
"""First part of the names of initializers that belong to no module alone."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new initializer of the graph."""
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
    graph.initializers[name] = value
    return value


def set_constant(value: ir.Value, array: Array) -> None:
    """Give an initializer other numbers, of any shape. Only for one that a single node reads."""
    value.const_value = ir.tensor(array, name=value.name)
    value.shape = ir.Shape(array.shape)
