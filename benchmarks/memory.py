"""Peak memory of one run of a graph at a size, each file in a process of its own. Linux and macOS.

python benchmarks/memory.py 1036 OURS.onnx PLAIN.onnx …
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path


def peak_of(path: str, size: int) -> None:
    """Run ``path`` once on noise and print the peak of this process in MiB, before the run and after it."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    session.run(["depth"], {"image": image})
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(loaded // unit, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit)


def main() -> None:
    size, *paths = sys.argv[1:]
    for path in paths:
        command = [sys.executable, __file__, "--one", path, size]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        loaded, peak = done.stdout.split()
        print(f"{Path(path).name:<24}{int(peak):6d} MiB at {size}², {int(loaded)} MiB of it after loading")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        peak_of(sys.argv[2], int(sys.argv[3]))
    else:
        main()
