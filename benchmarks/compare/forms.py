"""The forms of one model in onnxruntime and OpenVINO, side by side.

``python -m benchmarks.compare.forms SIZE ROUNDS DEFAULT.onnx PORTABLE.onnx PLAIN.onnx``: the first two from ``dptscope
export`` without and with ``--portable``, the third from :func:`benchmarks.compare.files.export_plain`. Needs onnxruntime,
openvino and numpy alone. CPU time of one thread and wall time of two, interleaved, as in ``benchmarks.passes``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import openvino

from benchmarks.compare.timing import interleave

Run = Callable[[], np.ndarray[Any, Any]]


def in_onnxruntime(path: str, image: np.ndarray[Any, Any], threads: int) -> Run:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: np.asarray(session.run(["depth"], {"image": image})[0])


def in_openvino(path: str, image: np.ndarray[Any, Any], threads: int) -> Run:
    """With all outputs that the file has, as onnxruntime computes them, too."""
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    request = compiled.create_infer_request()

    def run() -> np.ndarray[Any, Any]:
        request.infer({"image": image}, share_inputs=True)
        return np.asarray(request.get_tensor("depth").data)

    return run


def main(size: int, rounds: int, default: str, portable: str, plain: str) -> None:
    (processor,) = {line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")}
    print(processor.partition(": ")[2], "onnxruntime", ort.__version__, "openvino", openvino.__version__)
    image = np.random.default_rng(5).normal(size=(1, 3, size, size)).astype(np.float32)
    for threads, clock in ((1, time.process_time), (2, time.perf_counter)):
        contenders = {
            "default, onnxruntime": in_onnxruntime(default, image, threads),
            "portable, onnxruntime": in_onnxruntime(portable, image, threads),
            "plain export, onnxruntime": in_onnxruntime(plain, image, threads),
            "default, OpenVINO": in_openvino(default, image, threads),
            "portable, OpenVINO": in_openvino(portable, image, threads),
            "plain export, OpenVINO": in_openvino(plain, image, threads),
        }
        first, *_ = depths = {name: run().copy() for name, run in contenders.items()}
        times = interleave(contenders, rounds, clock=clock)
        print(f"{threads} threads, {clock.__name__}: {times[first].median:.0f} ms for the first")
        for name, taken in times.items():
            difference = np.abs(depths[name] - depths[first]).max() / np.ptp(depths[first])
            print(f"  {name:26} {taken.ratio_to(times[first]):.3f}  differs by {difference:.1e} of the range")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
