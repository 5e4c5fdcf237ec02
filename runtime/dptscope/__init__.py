"""Depth models (DPT) in onnxruntime: depth, token norms and fusion scaling, without PyTorch.

>>> model = dptscope.load("depth_anything_v2_vits.onnx")          # doctest: +SKIP
>>> result = model.predict(image_bgr)                             # doctest: +SKIP
>>> scene = model.prepare(image_bgr)                              # doctest: +SKIP
>>> depth = scene.depth(fusion_scales=(1.0, 0.5, 1.0, 1.0))       # doctest: +SKIP
"""

from dptscope.card import ModelCard, Parity, Preparation
from dptscope.contract import BlockSpec
from dptscope.errors import DptscopeError, ImageError, ModelFileError, ProviderError, SizeError
from dptscope.model import DepthModel, Prediction, Scene, load
from dptscope.norms import NormStatistics

__version__ = "0.1.0"

__all__ = [
    "BlockSpec",
    "DepthModel",
    "DptscopeError",
    "ImageError",
    "ModelCard",
    "ModelFileError",
    "NormStatistics",
    "Parity",
    "Prediction",
    "Preparation",
    "ProviderError",
    "Scene",
    "SizeError",
    "load",
]
