"""What goes through a graph on some photos: ranges, and how far the largest tokens are from the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from dptscope.session import Session, SessionOptions
from dptscope_export.publish import save

_LOW, _HIGH, _PEAKS = "lowest of ", "highest of ", "peaks of "


@dataclass
class Activations:
    """Of one graph, over all runs.

    Attributes:
        ranges: lowest and highest number, by tensor.
        peaks: by node, the largest magnitude in the token that has the largest, divided by that of the median token.
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)

    def widen(self, tensor: str, low: float, high: float) -> None:
        """Take another run's range in."""
        lowest, highest = self.ranges.get(tensor, (low, high))
        self.ranges[tensor] = min(low, lowest), max(high, highest)

    def raise_peak(self, node: str, peak: float) -> None:
        """Take another run's peak in."""
        self.peaks[node] = max(peak, self.peaks.get(node, 0.0))


class Probe:
    """A graph with outputs of its own for what is measured, so that no activation leaves onnxruntime as it is."""

    def __init__(self, path: Path, convolutions: Collection[str], exposed: Collection[str], scratch: Path) -> None:
        """Write the graph and open it.

        Args:
            path: the graph.
            convolutions: nodes whose inputs and outputs have their ranges measured.
            exposed: nodes whose inputs have their tokens' peaks measured.
            scratch: a folder to write to.
        """
        model = ir.load(path)
        graph = model.graph
        self._tensors: list[str] = []
        self._nodes: list[str] = []
        for node in list(graph):
            if node.name in convolutions:
                for value in (node.inputs[0], node.outputs[0]):
                    if value is not None and value.name not in self._tensors:
                        self._tensors.append(value.name or "")
                        _reduce(graph, value, "ReduceMin", f"{_LOW}{value.name}")
                        _reduce(graph, value, "ReduceMax", f"{_HIGH}{value.name}")
            if node.name in exposed and node.inputs[0] is not None:
                self._nodes.append(node.name or "")
                _token_peaks(graph, node.inputs[0], f"{_PEAKS}{node.name}")
        probe = scratch / f"probe {path.name}"
        save(model, probe)
        self._session = Session(probe, SessionOptions(keep_memory=False))
        for file in (probe, probe.with_name(f"{probe.name}.data")):
            file.unlink(missing_ok=True)

    def run(self, feeds: Mapping[str, NDArray[Any]], found: Activations, outputs: Iterable[str] = ()) -> list[Any]:
        """Run it once, note what is measured, and return other outputs."""
        names = [start + tensor for tensor in self._tensors for start in (_LOW, _HIGH)]
        peaks = [f"{_PEAKS}{node}" for node in self._nodes]
        values = dict(
            zip([*outputs, *names, *peaks], self._session.run([*outputs, *names, *peaks], feeds), strict=True)
        )
        for tensor in self._tensors:
            found.widen(tensor, float(values[_LOW + tensor]), float(values[_HIGH + tensor]))
        for node, name in zip(self._nodes, peaks, strict=True):
            found.raise_peak(node, float(values[name].max() / max(float(np.median(values[name])), 1e-30)))
        return [values[name] for name in outputs]


def _reduce(graph: ir.Graph, value: ir.Value, operator: str, name: str) -> None:
    """Every number to one."""
    node = ir.node(operator, [value], {"keepdims": 0}, name=name)
    _add_output(graph, node, name, ir.Shape([]))


def _token_peaks(graph: ir.Graph, value: ir.Value, name: str) -> None:
    """The largest magnitude in each token, of ``[…, tokens, channels]``."""
    assert value.shape is not None
    axes = ir.tensor(np.array([-1], np.int64), name=f"{name} axes")
    constant = ir.Value(name=axes.name, const_value=axes, type=ir.TensorType(axes.dtype), shape=ir.Shape([1]))
    graph.initializers[constant.name or ""] = constant
    magnitude = ir.node("Abs", [value], name=f"{name} magnitude")
    magnitude.outputs[0].name = magnitude.name
    graph.append(magnitude)
    node = ir.node("ReduceMax", [magnitude.outputs[0], constant], {"keepdims": 0}, name=name)
    _add_output(graph, node, name, ir.Shape([None] * (len(value.shape) - 1)))


def _add_output(graph: ir.Graph, node: ir.Node, name: str, shape: ir.Shape) -> None:
    graph.append(node)
    output = node.outputs[0]
    output.name, output.type, output.shape = name, ir.TensorType(ir.DataType.FLOAT), shape
    graph.outputs.append(output)
