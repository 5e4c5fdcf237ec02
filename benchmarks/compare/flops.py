"""Floating-point operations of a graph's matrix products and convolutions, from the shapes that a run has."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

_COUNTED = ("MatMul", "Gemm", "Conv", "ConvTranspose")  # Gemm as linear layers have it: the left side as it is


def count_flops(path: Path, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, float]:
    """Run the graph once as it is written, without the runtime's rewriting, and count two operations a multiply-add.

    Args:
        path: the ONNX file.
        feeds: its inputs.

    Returns:
        ``matrix`` and ``convolution``: operations of one run.
    """
    graph = onnx.load(path, load_external_data=False).graph
    nodes = {node.name: node for node in _nodes(graph)}
    weights = {weight.name: list(weight.dims) for weight in graph.initializer}
    counted = {"matrix": 0.0, "convolution": 0.0}
    for event in _profile(path, feeds):
        node = nodes.get(event["name"].removesuffix("_kernel_time"))
        if node is None or node.op_type not in _COUNTED:
            continue
        source = _shape(event["args"]["input_type_shape"][0])
        (output,) = (_shape(entry) for entry in event["args"]["output_type_shape"])
        kind = "convolution" if "Conv" in node.op_type else "matrix"
        counted[kind] += 2 * _multiply_adds(node.op_type, source, weights.get(node.input[1], []), output)
    return counted


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of loop bodies too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _multiply_adds(operator: str, source: list[int], weight: list[int], output: list[int]) -> int:
    """Of one operator; a profile tells the shapes of what flows, not of the weights."""
    if operator == "Conv":
        return math.prod(output) * math.prod(weight[1:])
    if operator == "ConvTranspose":
        return math.prod(source) * math.prod(weight[1:])
    return math.prod(output) * source[-1]


def _shape(entry: Mapping[str, list[int]]) -> list[int]:
    (shape,) = entry.values()
    return shape


def _profile(path: Path, feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
    """The events of every operator of one run."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.log_severity_level = 3
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text())
    return [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
