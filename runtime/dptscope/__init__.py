"""Depth models (DPT) in onnxruntime: depth, token norms and fusion scaling, without PyTorch.

>>> model = dptscope.load("depth_anything_v2_vits.onnx")          # doctest: +SKIP
>>> result = model.predict(image_bgr)                             # doctest: +SKIP
>>> scene = model.prepare(image_bgr)                              # doctest: +SKIP
>>> depth = scene.depth(fusion_scales=(1.0, 0.5, 1.0, 1.0))       # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # what type checkers take for true; typing would be half of what is imported here

if TYPE_CHECKING:
    from dptscope import tokens as tokens
    from dptscope.attention.maps import Attention
    from dptscope.cancel import Cancellation, CancelledError
    from dptscope.card import ModelCard, Parity, Preparation
    from dptscope.comparison import Comparison, compare
    from dptscope.contract import BlockSpec
    from dptscope.errors import DptscopeError, ImageError, ModelFileError, ProviderError, SizeError
    from dptscope.model import DepthModel, Prediction, load
    from dptscope.norms import NormStatistics
    from dptscope.scene import Scene

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "BlockSpec",
    "Cancellation",
    "CancelledError",
    "Comparison",
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
    "compare",
    "load",
]

# Where each name lives. They are fetched when they are first used: the command has to handle signals before onnxruntime is
# loaded, which takes most of its start.
_HOMES = {
    "attention.maps": ("Attention",),
    "cancel": ("Cancellation", "CancelledError"),
    "card": ("ModelCard", "Parity", "Preparation"),
    "comparison": ("Comparison", "compare"),
    "contract": ("BlockSpec",),
    "errors": ("DptscopeError", "ImageError", "ModelFileError", "ProviderError", "SizeError"),
    "model": ("DepthModel", "Prediction", "load"),
    "norms": ("NormStatistics",),
    "scene": ("Scene",),
}


def __getattr__(name: str) -> object:
    if name == "tokens":
        return import_module(f"{__name__}.tokens")
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
