"""What is timed: our files, and the same weights in torch, in a plain ONNX export and in OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import openvino
import torch
from numpy.typing import NDArray

import dptscope
from benchmarks.compare.files import Files, load_torch
from dptscope import contract

Float32Array = NDArray[np.float32]
Run = Callable[[], Float32Array]

OURS, TORCH, PLAIN, OPENVINO = "dptscope", "torch eager", "plain ONNX", "OpenVINO"
PREVIEW = "dptscope, preview"
MOVED = (1.0, 0.5, 1.0, 1.0)
"""The scales of a slider move; which slider it is makes no difference to a whole run of the companion."""


def lively_image(size: int, batch: int = 1) -> Float32Array:
    """Normalised noise with structure at several scales, ``[batch, 3, size, size]``."""
    generator = np.random.default_rng(5)
    image = np.zeros((batch, 3, size, size), dtype=np.float32)
    for cells in (2, 7, 23):
        noise = torch.from_numpy(generator.normal(size=(batch, 3, cells, cells)).astype(np.float32))
        image += torch.nn.functional.interpolate(noise, size=(size, size), mode="bilinear").numpy()
    return image / np.float32(1.5)


def whole_runs(files: Files, model: dptscope.DepthModel, image: Float32Array, threads: int) -> dict[str, Run]:
    """Image to depth, by name."""
    torch_model = load_torch(files)
    pixels = torch.from_numpy(image)
    plain = _plain_session(files.plain, threads)
    runs: dict[str, Run] = {
        OURS: lambda: model.run(image, [contract.DEPTH])[contract.DEPTH],
        TORCH: lambda: np.asarray(torch_model(pixels).predicted_depth),
        PLAIN: lambda: np.asarray(plain.run(None, {"image": image})[0]),
    }
    compiled = openvino_model(files.plain, threads)
    runs[OPENVINO] = lambda: np.asarray(compiled([image])[0])
    return runs


def move_runs(files: Files, model: dptscope.DepthModel, image: Float32Array) -> dict[str, Run]:
    """Another fusion scaling of a photo that has been through the encoder, by name."""
    names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    found = model.run(image, names)
    fusion_inputs = [found[name] for name in names]
    runs: dict[str, Run] = {
        OURS: lambda: model.fuse(fusion_inputs, MOVED),
        TORCH: torch_fusion(load_torch(files), torch.from_numpy(image)),
    }
    if model.has_preview:
        runs[PREVIEW] = lambda: model.preview(fusion_inputs, MOVED)
    return runs


def torch_fusion(model: Any, image: torch.Tensor) -> Run:
    """Fusion and head of the model of transformers, on the maps of ``image``."""
    seen: dict[str, tuple[Any, ...]] = {}
    is_tips = hasattr(model, "decoder")  # whose head is two modules, of which the first reads the finest map alone
    head = model.decoder if is_tips else model.head
    hooks = [
        module.register_forward_pre_hook(lambda _module, inputs, name=name: seen.__setitem__(name, inputs))
        for name, module in (("fusion", model.neck.fusion_stage), ("head", head))
    ]
    model(image)
    for hook in hooks:
        hook.remove()
    rest = seen["head"][1:]

    def run() -> Float32Array:
        maps = model.neck.fusion_stage(*seen["fusion"])
        return np.asarray(model.bin_regressor(head(maps[-1])) if is_tips else head(maps, *rest))

    return run


def openvino_model(path: Path, threads: int) -> Any:
    """The plain file in OpenVINO, for one request at a time, in float32."""
    core = openvino.Core()
    return core.compile_model(
        path,
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"},
    )


def _plain_session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
