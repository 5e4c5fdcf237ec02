"""The objective: inverse depth up to scale and shift, plus its gradients at several scales.

Ranftl et al. 2020, "Towards Robust Monocular Depth Estimation" (MiDaS): both maps are centred on their median and divided
by their mean absolute deviation, and compared by absolute difference (section 5, equations 5 to 7); the gradient term
compares differences at four resolutions (equation 11, after Li & Snavely 2018). Depth Anything V2 trains with the same two.

Differs from both: the first term is also taken inside the cells of a 2×2 and a 4×4 grid, each aligned on its own (Zhang
et al. 2022, "Hierarchical Normalization for Robust Monocular Depth Estimation"). In inverse depth a near object claims the
whole range; the cells make what lies behind it count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from demo_model.constants import constant

_TINY = 1e-6


@dataclass(frozen=True)
class Losses:
    """The terms of the objective, each a scalar mean over the batch."""

    aligned: Tensor
    cells: Tensor
    gradient: Tensor
    anchored: Tensor


_MANY = 2000
"""From so many numbers on, the median of a row is that of every fifth: medians are slow. Five does not divide the width of
most crops, so that all columns are seen."""


def standardised(map_bn: Tensor) -> Tensor:
    """Each row less its median, over its mean absolute deviation: free of scale and shift."""
    some_bn = map_bn[:, ::5] if map_bn.shape[1] > _MANY else map_bn
    centred = map_bn - some_bn.median(dim=1, keepdim=True).values
    return centred / centred.abs().mean(dim=1, keepdim=True).clamp_min(_TINY)


def aligned_loss(predicted_bhw: Tensor, target_bhw: Tensor) -> Tensor:
    """Scale-and-shift-invariant mean absolute difference. A constant prediction scores exactly 1."""
    return residual(predicted_bhw, target_bhw).abs().mean()


def residual(predicted_bhw: Tensor, target_bhw: Tensor) -> Tensor:
    """Difference of the standardised maps ``[B, H, W]``."""
    return (standardised(predicted_bhw.flatten(1)) - standardised(target_bhw.flatten(1))).view_as(predicted_bhw)


def in_cells(map_bhw: Tensor, side: int) -> Tensor:
    """``[B · side², H / side, W / side]``: the cells of a grid as pictures of their own; what does not divide is cut off."""
    cell_h, cell_w = map_bhw.shape[1] // side, map_bhw.shape[2] // side
    cut_bhw = map_bhw[:, : cell_h * side, : cell_w * side]
    return cut_bhw.unflatten(2, (side, cell_w)).unflatten(1, (side, cell_h)).transpose(2, 3).flatten(0, 2)


def cells_loss(predicted_bhw: Tensor, target_bhw: Tensor, side: int) -> Tensor:
    """:func:`aligned_loss` in each cell of a grid; cells whose target is flat (sky) say nothing and are left out."""
    predicted, target = in_cells(predicted_bhw, side), in_cells(target_bhw, side)
    uneven = target.std(dim=(1, 2)) > 0.01 * target.mean(dim=(1, 2)).clamp_min(_TINY)
    difference = residual(predicted, target).abs().mean(dim=(1, 2))
    return (difference * uneven).sum() / uneven.sum().clamp_min(1)


def gradient_loss(residual_bhw: Tensor, scales: int = 4) -> Tensor:
    """Mean absolute difference of neighbouring residuals, summed over ``scales`` resolutions, each half the last."""
    total = residual_bhw.new_zeros(())
    for scale in range(scales):
        step = 2**scale
        part_bhw = residual_bhw[:, ::step, ::step]
        total = total + part_bhw.diff(dim=1).abs().mean() + part_bhw.diff(dim=2).abs().mean()
    return total


def depth_losses(predicted_bhw: Tensor, target_bhw: Tensor) -> Losses:
    """All terms, for float32 inverse depth ``[B, H, W]``: predicted in any units, target in 1/m with 0 for the sky."""
    predicted_bhw, target_bhw = predicted_bhw.float(), target_bhw.float()
    whole_bhw = residual(predicted_bhw, target_bhw)
    cells = torch.stack([cells_loss(predicted_bhw, target_bhw, side) for side in (2, 4)]).mean()
    return Losses(whole_bhw.abs().mean(), cells, gradient_loss(whole_bhw), anchored_loss(predicted_bhw, target_bhw))


def anchored_loss(predicted_bhw: Tensor, target_bhw: Tensor) -> Tensor:
    """Squared difference to the target, stretched so that its 2 % and 98 % quantiles come to 0.2 and 1.2.

    The terms above divide by the prediction's own spread. While the model does not know yet what is near, that spread is
    small and they mostly push noise around: alone, they stood still for a thousand steps on these scenes. This one is plain
    regression, so a model that is unsure may say so; it also holds the output above the final ReLU.
    """
    flat_bn = target_bhw.flatten(1)
    limits_2b = torch.quantile(
        flat_bn[:, ::7], constant((0.02, 0.98), flat_bn.device), dim=1
    )  # every 7th pixel: quantiles are slow
    low_b1, high_b1 = limits_2b[0][:, None], limits_2b[1][:, None]
    wanted_bn = ((flat_bn - low_b1) / (high_b1 - low_b1).clamp_min(_TINY)).clamp(-0.2, 1.3) + 0.2
    return 3 * (predicted_bhw.flatten(1) - wanted_bn).square().mean()
