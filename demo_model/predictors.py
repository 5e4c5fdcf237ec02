"""Anything that turns a photo into inverse depth at the photo's own size: a checkpoint, an ONNX file, a baseline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from demo_model.metrics import ramp

Array = np.ndarray
Predictor = Callable[[Array], Array]
PATCH = 14


def working_size(size_hw: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Height and width to run at: the shorter side at ``shorter`` pixels, the aspect kept, both rounded to patches."""
    scale = shorter / min(size_hw)
    height, width = (max(round(side * scale / PATCH), 1) * PATCH for side in size_hw)
    return height, width


def checkpoint_predictor(path: Path, shorter: int) -> Predictor:
    """Runs a safetensors file of the published layout in torch. Photos are resized as the original does: cubic."""
    import torch

    from demo_model import published
    from demo_model.model import build, to_input

    model = build(0).eval()
    model.load_state_dict(published.from_published(published.load(path), list(model.state_dict())))

    @torch.inference_mode()
    def predict(rgb: Array) -> Array:
        height, width = working_size(rgb.shape[:2], shorter)
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC)
        depth_hw = model(to_input(torch.from_numpy(small[None])))[0].numpy()
        return cv2.resize(depth_hw, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    return predict


def onnx_predictor(path: Path, shorter: int) -> Predictor:
    """Runs an exported file through ``dptscope``."""
    import dptscope

    model = dptscope.load(str(path))

    def predict(rgb: Array) -> Array:
        return model.predict(np.ascontiguousarray(rgb[..., ::-1]), size=shorter).depth

    return predict


def load_predictor(path: Path, shorter: int) -> Predictor:
    """By the file's ending: ``.onnx``, else a checkpoint."""
    return onnx_predictor(path, shorter) if path.suffix == ".onnx" else checkpoint_predictor(path, shorter)


def constant_baseline(rgb: Array) -> Array:
    """The same everywhere: what knowing nothing scores."""
    return np.ones(rgb.shape[:2])


def ramp_baseline(rgb: Array) -> Array:
    """Lower is nearer; alignment fits its slope, per picture, to the truth."""
    return ramp(rgb.shape[:2])
