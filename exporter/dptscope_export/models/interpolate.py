"""Bilinear interpolation that a trace takes for one step.

PyTorch has no rule for the size of what ``upsample_bilinear2d`` gives where sizes are symbols: it goes through all of its
arithmetic, twice for each graph, which takes a tenth of the tracing. An operator of our own says its size by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def interpolate(
    x_bchw: Tensor, size: Sequence[int] | None = None, scale_factor: float | None = None, *, align_corners: bool
) -> Tensor:
    """Resize maps bilinearly, as :func:`torch.nn.functional.interpolate` does.

    Args:
        x_bchw: maps.
        size: rows and columns of the result; or
        scale_factor: how many times as many of both.
        align_corners: whether the outermost samples stay where they are, or the edges of the map.

    Returns:
        ``[batch, channels, *size]``; with a factor, sizes are rounded down.
    """
    if torch.compiler.is_exporting():
        return one_step(x_bchw, size, scale_factor, align_corners)
    return F.interpolate(x_bchw, size, scale_factor, mode="bilinear", align_corners=align_corners)


@torch.library.custom_op("dptscope::interpolate", mutates_args=())
def one_step(x_bchw: Tensor, size: Sequence[int] | None, scale_factor: float | None, align_corners: bool) -> Tensor:
    """The operator in a trace; :mod:`dptscope_export.graph.trace` has its counterpart in ONNX."""
    return F.interpolate(x_bchw, size, scale_factor, mode="bilinear", align_corners=align_corners)


@one_step.register_fake
def _sized(x_bchw: Tensor, size: Sequence[int] | None, scale_factor: float | None, align_corners: bool) -> Tensor:
    """Nothing, in the result's size."""
    if size is None:
        assert scale_factor is not None
        factor = int(scale_factor) if scale_factor == int(scale_factor) else scale_factor
        size = [torch.sym_int(axis * factor) for axis in x_bchw.shape[-2:]]
    return x_bchw.new_empty((*x_bchw.shape[:2], *size))
