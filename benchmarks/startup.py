"""What starting costs: importing the package, and the norms of one photo from the shell to a PNG.

    python benchmarks/startup.py MODEL.onnx PHOTO [--rounds 5]

Every round starts new processes, one after the other: an empty interpreter, the import, the same photo through
onnxruntime alone (load, prepare, one run), and ``dptscope norms``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

BARE = """
import sys, dptscope.files.photos, numpy, onnxruntime
from dptscope.card import ModelCard
from dptscope.prepare import prepare_image
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
card = ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map, sys.argv[1])
from pathlib import Path
session.run(["depth"], {"image": prepare_image(card, dptscope.files.photos.read_image(Path(sys.argv[2])))})
"""


def seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("photo")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "from dptscope import load": [sys.executable, "-c", "from dptscope import load"],
            "import numpy, onnxruntime, cv2": [sys.executable, "-c", "import numpy, onnxruntime, cv2"],
            "onnxruntime alone, one run": [sys.executable, "-c", BARE, options.model, options.photo],
            "dptscope norms": [sys.executable, "-m", "dptscope", "norms", options.model, options.photo, "-o", folder],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                taken[name].append(seconds(command))
    for name, values in taken.items():
        print(f"{name:<34}{statistics.median(values):7.3f} s   {min(values):7.3f} s at best")
    pairs = zip(taken["dptscope norms"], taken["onnxruntime alone, one run"], strict=True)
    print(f"dptscope norms ÷ onnxruntime alone: {statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()
