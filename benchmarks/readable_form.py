"""The flat form of a file against its readable form: ``python benchmarks/readable_form.py NAME.onnx [--size N]``.

Counts nodes, compares all outputs at every optimisation level of onnxruntime, and times loading and running (CPU time,
interleaved, medians).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import typer

from dptscope_export.graph.functions.extract import make_readable

LEVELS = ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL")


def open_file(path: Path, level: str = "ENABLE_ALL") -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cpu_time(call: Any) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main(
    flat: Annotated[Path, typer.Argument(metavar="NAME.onnx")],
    size: Annotated[int, typer.Option(help="Height and width of a dynamic model's input.")] = 266,
    runs: Annotated[int, typer.Option(help="Pairs of runs.")] = 9,
) -> None:
    """Compare a file with its readable form."""
    with tempfile.TemporaryDirectory() as folder:
        readable = Path(folder) / flat.name
        model = ir.load(flat)
        before = len(list(model.graph))
        make_readable(model)
        ir.save(model, readable)
        print(f"nodes on the first page: {before} -> {len(list(model.graph))}, {len(model.functions)} function bodies")

        image = next(node for node in open_file(flat).get_inputs() if node.name == "image")
        height, width = (side if isinstance(side, int) else size for side in image.shape[2:])
        feeds = {"image": np.random.default_rng(0).normal(size=(1, 3, height, width)).astype(np.float32)}
        feeds |= {f"fusion_scale_{k}": np.float32([value]) for k, value in enumerate((1, 0.5, -1, 2), start=1)}
        names = [node.name for node in open_file(flat).get_outputs()]
        for level in LEVELS:
            one, two = (open_file(path, level).run(names, feeds) for path in (flat, readable))
            worst = max(float(np.abs(a - b).max() / max(a.std(), 1e-12)) for a, b in zip(one, two, strict=True))
            print(
                f"{level}: {'equal to the bit' if worst == 0 else f'differs by {worst:.1e} of the standard deviation'}"
            )

        loads = [[cpu_time(lambda p=path: open_file(p)) for path in (flat, readable)] for _ in range(runs)]
        sessions = [open_file(path) for path in (flat, readable)]
        times = [[cpu_time(lambda s=s: s.run(["depth"], feeds)) for s in sessions] for _ in range(runs + 1)][1:]
        for what, pairs in (("load", np.array(loads)), ("run", np.array(times))):
            ratio = np.median(pairs[:, 1] / pairs[:, 0])
            print(
                f"{what}: flat {np.median(pairs[:, 0]):.3f} s, readable {np.median(pairs[:, 1]):.3f} s, ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    typer.run(main)
