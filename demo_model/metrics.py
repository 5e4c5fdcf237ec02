"""Figures of merit for inverse depth, after alignment; and the two baselines."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def align(predicted_n: Array, target_n: Array) -> Array:
    """``scale · predicted + shift`` with the least squared difference to the target (Ranftl et al. 2020, equation 4)."""
    design_n2 = np.stack([predicted_n, np.ones_like(predicted_n)], axis=1).astype(np.float64)
    return design_n2 @ np.linalg.lstsq(design_n2, target_n.astype(np.float64), rcond=None)[0]


def ramp(shape_hw: tuple[int, int]) -> Array:
    """(H, W) 0 at the top to 1 at the bottom: what "lower is nearer" says before it is fitted."""
    return np.broadcast_to(np.linspace(0, 1, shape_hw[0])[:, None], shape_hw)


def scores(predicted_hw: Array, target_hw: Array, valid_hw: Array) -> dict[str, float]:
    """AbsRel and δ1 of depth, and R² of inverse depth, over the valid pixels, after :func:`align`.

    Args:
        predicted_hw: inverse depth in any scale and shift.
        target_hw: inverse depth, positive where valid.
        valid_hw: bool; the sky has no depth and is left out.

    Aligned inverse depth is kept at or above a hundredth of the target's largest, as a depth must be positive and finite:
    the usual cap on depth.
    """
    predicted_n, target_n = predicted_hw[valid_hw], target_hw[valid_hw].astype(np.float64)
    aligned_n = align(predicted_n, target_n)
    residual = float(((aligned_n - target_n) ** 2).sum())
    r2 = 1 - residual / max(float(((target_n - target_n.mean()) ** 2).sum()), 1e-12)
    floor = target_n.max() / 100
    ratio_n = np.maximum(target_n, floor) / np.maximum(aligned_n, floor)  # predicted depth over true depth
    return {
        "abs_rel": float(np.abs(ratio_n - 1).mean()),
        "delta1": float((np.maximum(ratio_n, 1 / ratio_n) < 1.25).mean()),
        "r2": r2,
    }


def mean_scores(all_scores: list[dict[str, float]]) -> dict[str, float]:
    """Plain means over pictures."""
    return {name: float(np.mean([one[name] for one in all_scores])) for name in all_scores[0]}
