"""Scales as ordinary inputs: ``python examples/required_scales.py NAME.onnx OUT.onnx`` (needs the ``onnx`` package).

onnxruntime's JavaScript interface refuses to feed inputs that have a default. Without the default they are inputs like any
other and must be fed. Works on a model and on its companion; the weights of a model above 2 GB stay in their own file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx


def main(source: Path, target: Path) -> None:
    model = onnx.load(source, load_external_data=False)
    inputs = {value.name for value in model.graph.input}
    kept = [weight for weight in model.graph.initializer if weight.name not in inputs]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
