"""One 3 × 3 convolution: onnxruntime's own against Winograd's algorithm as the exporter writes it.

    python benchmarks/winograd.py 256:256:96 128:128:148 96:96:148 128:32:384

Each argument: channels in, channels out, and pixels a side. In turn, nine rounds, two threads; the ratio is the median over
the rounds. The error is the largest difference from the same convolution in float64, over the standard deviation of that.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import torch
from rich.console import Console
from rich.table import Table

from dptscope_export.graph.passes import winograd

ROUNDS = 9
THREADS = 2
OPSET = 20


def convolution(weight_oihw: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> ir.Model:
    """A graph of nothing else, for maps of any size."""
    made, taken = weight_oihw.shape[:2]
    floats = ir.TensorType(ir.DataType.FLOAT)
    x = ir.Value(name="x", type=floats, shape=ir.Shape(["batch", taken, "4*height", "4*width"]))
    weights = [
        ir.Value(name=name, type=floats, shape=ir.Shape(array.shape), const_value=ir.tensor(array, name=name))
        for name, array in (("weight", weight_oihw), ("bias", np.zeros(made, dtype=np.float32)))
    ]
    node = ir.node("Conv", [x, *weights], attributes={"pads": [1, 1, 1, 1]}, name="convolution/Conv")
    y = node.outputs[0]
    y.name, y.type, y.shape = "y", floats, ir.Shape(["batch", made, "4*height", "4*width"])
    graph = ir.Graph([x], [y], nodes=[node], initializers=weights, opset_imports={"": OPSET}, name="convolution")
    return ir.Model(graph, ir_version=10)


def session(model: ir.Model) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would cost the other its time
    options.log_severity_level = 3
    return ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])


def main() -> None:
    winograd.LEAST_WIDTH = 0.0  # here it is to be seen what would be lost
    table = Table("channels", "map", "onnxruntime's", "Winograd", "ratio", "errors")
    for argument in sys.argv[1:]:
        taken, made, side = map(int, argument.split(":"))
        generator = np.random.default_rng(0)
        x = generator.normal(size=(1, taken, side, side)).astype(np.float32)
        weight = (generator.normal(size=(made, taken, 3, 3)) / (3 * taken**0.5)).astype(np.float32)
        exact = torch.conv2d(torch.from_numpy(x).double(), torch.from_numpy(weight).double(), padding=1).numpy()
        models = [convolution(weight), convolution(weight)]
        assert winograd.Winograd()(models[1]).modified
        sessions = [session(model) for model in models]
        errors = [float(np.abs(run.run(None, {"x": x})[0] - exact).max() / exact.std()) for run in sessions]
        rounds: list[list[float]] = []
        for _ in range(ROUNDS):
            rounds.append([])
            for run in sessions:
                start = time.perf_counter()
                run.run(None, {"x": x})
                rounds[-1].append(1e3 * (time.perf_counter() - start))
        ratio = statistics.median(ours / theirs for theirs, ours in rounds)
        times = [f"{statistics.median(column):.1f} ms" for column in zip(*rounds, strict=True)]
        table.add_row(f"{taken} to {made}", f"{side}²", *times, f"{ratio:.2f}", "{:.1e}, {:.1e}".format(*errors))
    Console().print(table)


if __name__ == "__main__":
    main()
