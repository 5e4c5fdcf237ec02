"""Fusion scales: factors on what comes into each of the four fusion blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.errors import DptscopeError

FusionScales = tuple[float, float, float, float]
"""Of fusion blocks 1 (finest) to 4 (coarsest)."""

UNSCALED: FusionScales = (1.0, 1.0, 1.0, 1.0)


def one_scale(fusion_block: int, scale: float) -> FusionScales:
    """Of fusion block 1 … 4, the others at one."""
    a, b, c, d = (scale if k == fusion_block else 1.0 for k in contract.FUSION_BLOCKS)
    return a, b, c, d


def four_scales(fusion_scales: Sequence[float]) -> FusionScales:
    """The same as plain numbers.

    Raises:
        DptscopeError: not four, or NaN or infinite.
    """
    scales = tuple(float(scale) for scale in fusion_scales)
    if len(scales) != len(contract.FUSION_BLOCKS) or not np.isfinite(scales).all():
        raise DptscopeError(f"expected four finite fusion scales, got {scales}")
    return scales[0], scales[1], scales[2], scales[3]


def scale_feeds(fusion_scales: FusionScales | NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Make the arrays that a graph is fed with, by input name.

    Args:
        fusion_scales: four numbers, or an array ``[n, 4]`` for n scalings at once.

    Raises:
        DptscopeError: not four, or NaN or infinite.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused a line below
        scales_n4 = np.atleast_2d(np.asarray(fusion_scales, dtype=np.float32))
    if scales_n4.ndim != 2 or scales_n4.shape[1] != len(contract.FUSION_BLOCKS) or not np.isfinite(scales_n4).all():
        raise DptscopeError(f"expected four finite fusion scales, got {fusion_scales}")
    return {contract.fusion_scale_name(k): np.ascontiguousarray(scales_n4[:, k - 1]) for k in contract.FUSION_BLOCKS}
