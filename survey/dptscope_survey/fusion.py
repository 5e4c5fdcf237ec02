"""How much of the depth hangs on each fusion block: what becomes of it when one is switched off or halved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.contract import FUSION_BLOCKS
from dptscope.opencv import cv2
from dptscope.scales import FusionScales
from dptscope.scene import Scene

FACTORS = (0.0, 0.5)
EDGE_SHARE = 0.05
"""Of a depth's pixels: the steepest are its edges."""

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def fusion_values(scene: Scene) -> list[dict[str, Any]]:
    """One row a fusion block and factor, for the columns of :data:`dptscope_survey.columns.FUSION`."""
    depth_hw = scene.raw_depth()
    return [
        {"fusion_block": block, "factor": factor, **changes(depth_hw, scene.raw_depth(_scaled(block, factor)))}
        for block in FUSION_BLOCKS
        for factor in FACTORS
    ]


def _scaled(block: int, factor: float) -> FusionScales:
    one, two, three, four = (factor if other == block else 1.0 for other in FUSION_BLOCKS)
    return one, two, three, four


def changes(depth_hw: Float32Array, scaled_hw: Float32Array) -> dict[str, float | None]:
    """How a depth differs from another, apart from a scale and a shift, which relative depth does not know.

    Args:
        depth_hw: the depth, float32 ``[height, width]``.
        scaled_hw: another of the same photo.

    Returns:
        ``correlation``: Pearson's; ``change``: mean absolute difference after the least-squares scale and shift of the other,
        in standard deviations of the depth; ``edges_kept``: of the depth's steepest pixels (:data:`EDGE_SHARE`) those where
        the other, so aligned, is at least half as steep as the least of them, there or in a neighbouring pixel. None where
        the depth is flat; a flat one beside it has the correlation 0.
    """
    depth, scaled = depth_hw.astype(np.float64), scaled_hw.astype(np.float64)
    depth -= depth.mean()
    scaled -= scaled.mean()
    spread, scaled_spread = float(depth.std()), float(scaled.std())
    if spread == 0:
        return {"correlation": None, "change": None, "edges_kept": None}
    correlation = float((depth * scaled).mean()) / (spread * scaled_spread) if scaled_spread > 0 else 0.0
    scaled *= correlation * spread / scaled_spread if scaled_spread > 0 else 0.0
    return {
        "correlation": correlation,
        "change": float(np.abs(depth - scaled).mean()) / spread,
        "edges_kept": _edges_kept(_steepness(depth), _steepness(scaled)),
    }


def _steepness(depth_hw: NDArray[np.float64]) -> NDArray[np.float64]:
    down_hw, right_hw = np.diff(depth_hw, axis=0)[:, :-1], np.diff(depth_hw, axis=1)[:-1]
    return np.asarray(np.hypot(down_hw, right_hw))


def _edges_kept(steep_hw: NDArray[np.float64], other_hw: NDArray[np.float64]) -> float | None:
    edges_hw = steep_hw > np.quantile(steep_hw, 1 - EDGE_SHARE)
    if not edges_hw.any():
        return None
    found_hw = (other_hw >= steep_hw[edges_hw].min() / 2).astype(np.uint8)
    return float(cv2.dilate(found_hw, _NEIGHBOURS)[edges_hw].mean())
