"""What the figures were made on: processor, versions, and how fast it multiplies matrices and convolves."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

PACKAGES = ("onnxruntime", "torch", "transformers", "openvino", "numpy", "opencv-python")
MATRIX = 2064  # a side; at 2048 rows lie 8 KiB apart, fall on the same cache lines and cost a third
MAP, CHANNELS = 192, 128  # of the convolution
ROUNDS = 9


def describe(threads: int) -> dict[str, Any]:
    """Processor, threads and versions."""
    models = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(models),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def rates(threads: int) -> dict[str, float]:
    """Gigaflops a second in float32: the better of onnxruntime and torch for each of the two operations.

    Returns:
        ``matrix``: a product of two square matrices; ``convolution``: 3 × 3, as many channels in as out.
    """
    generator = np.random.default_rng(0)
    a = generator.normal(size=(MATRIX, MATRIX)).astype(np.float32)
    maps = generator.normal(size=(1, CHANNELS, MAP, MAP)).astype(np.float32)
    kernel = generator.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    product = _session("MatMul", a.shape, a, threads)
    convolution = _session("Conv", maps.shape, kernel, threads, pads=[1, 1, 1, 1])
    a_torch, maps_torch, kernel_torch = torch.from_numpy(a), torch.from_numpy(maps), torch.from_numpy(kernel)
    matrix_flops, convolution_flops = 2 * MATRIX**3, 2 * MAP**2 * CHANNELS**2 * 9
    return {
        "matrix": max(
            _rate(lambda: product.run(None, {"x": a}), matrix_flops),
            _rate(lambda: a_torch @ a_torch, matrix_flops),
        ),
        "convolution": max(
            _rate(lambda: convolution.run(None, {"x": maps}), convolution_flops),
            _rate(lambda: torch.nn.functional.conv2d(maps_torch, kernel_torch, padding=1), convolution_flops),
        ),
    }


def _rate(run: Callable[[], object], flops: float) -> float:
    run()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return flops / statistics.median(seconds) / 1e9


def _session(
    operator: str, shape: tuple[int, ...], weight: np.ndarray[Any, Any], threads: int, **attributes: Any
) -> ort.InferenceSession:
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"], **attributes)],
        operator,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []
