"""What transformers has no model of: an export, and its file against the exporter's own torch model, eager and in torch's
plain ONNX export.

``python benchmarks/without_transformers.py NAME FOLDER ROUNDS``, with ``da3_small`` or ``da3mono_large`` for NAME, makes a
checkpoint of that model's shapes with random weights in FOLDER, where there is none yet, and exports it. The torch model
has our order of operations (1×1 convolutions before enlargements), and is nothing slower than the original.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from support import any_view_oracle, da3_oracle

import dptscope
from benchmarks.compare.timing import interleave
from dptscope import contract
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.graph.trace import OPERATORS
from dptscope_export.pipeline import build

OURS = "dptscope"
MOVED = (1.0, 0.5, 1.0, 1.0)
SIZE = 504
THREADS = 1  # whose CPU time is measured, so that other work on the machine matters little


_SMALL: dict[str, Any] = {"blocks": 12, "first": 4, "width": 384, "neck": (48, 96, 192, 384), "fusion": 64}
_LARGE: dict[str, Any] = {"blocks": 24, "width": 1024, "neck": (256, 512, 1024, 1024), "fusion": 256}
_ALIKE: dict[str, Any] = {"mlp": 4, "grid": 37, "hidden": 32}

# Random tensors in the published names, and the variant, which no tensor tells.
SUBJECTS: dict[str, tuple[Callable[[], dict[str, torch.Tensor]], str]] = {
    "da3_small": (lambda: any_view_oracle.tensors(**_SMALL, **_ALIKE), "depth-anything-3"),
    "da3mono_large": (lambda: da3_oracle.tensors(**_LARGE, **_ALIKE), "depth-anything-3-mono"),
}


class OnlyDepth(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        depth: torch.Tensor = self.model(image)
        return depth


def main(name: str, folder: Path, rounds: int) -> None:
    tensors, variant = SUBJECTS[name]
    torch.set_num_threads(THREADS)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, ours, plain = folder / f"{name}.safetensors", folder / f"{name}.onnx", folder / f"{name}_plain.onnx"
    if not ours.is_file():
        save_file(tensors(), checkpoint)
        start = time.perf_counter()
        subprocess.run(["dptscope", "export", str(checkpoint), "--variant", variant, "-o", str(ours)], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"export: {time.perf_counter() - start:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU time, "
            f"{used.ru_maxrss / (1 << 20):.2f} GiB at most"
        )
    read = read_checkpoint(checkpoint)
    model = OnlyDepth(build(read, recognise(read, ExportOptions(variant=variant)))).eval()
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    if not plain.is_file():
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(
                model,
                (image,),
                plain,
                input_names=["image"],
                output_names=["depth"],
                dynamo=True,
                verbose=False,
                custom_translation_table=OPERATORS,
            )
    if rounds:
        compare(ours, plain, model, image, rounds)


def compare(ours: Path, plain: Path, model: torch.nn.Module, image: torch.Tensor, rounds: int) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
    loaded, pixels = dptscope.load(ours, threads=THREADS), image.numpy()
    inputs = list(loaded.run(pixels, [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]).values())
    whole: dict[str, Callable[[], Any]] = {
        OURS: lambda: loaded.run(pixels, [contract.DEPTH])[contract.DEPTH],
        "torch eager": lambda: model(image).numpy(),
        "plain ONNX": lambda: session.run(None, {"image": pixels})[0],
    }
    moves = {"a move": lambda: loaded.fuse(inputs, MOVED), "its preview": lambda: loaded.preview(inputs, MOVED)}
    with torch.no_grad():
        depths = {name: run() for name, run in whole.items()}
        times = interleave({**whole, **moves}, rounds, clock=time.process_time)
    for name, taken in times.items():
        print(f"{name:12} {taken.median:7.1f} ms, {taken.ratio_to(times[OURS]):.2f} of dptscope's whole run")
    unit = float(np.ptp(depths["torch eager"]))
    worst = max(float(np.abs(depth - depths["torch eager"]).max()) for depth in depths.values())
    print(f"depths within {worst / unit:.1e} of the range")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
