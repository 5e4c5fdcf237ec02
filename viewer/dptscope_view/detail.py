"""Fine structure for a coarse depth, taken from the last full one.

While a slider moves there is a full picture for where it was, and a coarse one for where it is. What a coarse picture cannot
show is mostly where it was: edges stay, and what lies beside them rises or falls. So the difference between the last full
picture and its own coarse one is added, multiplied by how the coarse pictures of then and now depend on each other in the
neighbourhood. That slope is the one of the guided filter, computed on the coarse grid (He and Sun 2015, "Fast Guided
Filter").
"""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.opencv import cv2
from dptscope.resize import resize_depth

WINDOW = 5
"""Coarse values a side of the neighbourhood in which a slope is taken."""

CALM = 1e-3
"""As a share of the squared range of the coarse depth. Where its variance in a neighbourhood is small beside that, the slope
tends to one: the fine structure stays as it was."""

STEEPEST = 4.0
"""Slopes are kept within plus and minus this."""


class Detail:
    """What a full depth has and its coarse one has not.

    Args:
        full_hw: float32 ``[height, width]``, not negative.
        coarse_hw: of the same scales, float32 ``[coarse_height, coarse_width]``, its corners at the corners of ``full_hw``.
    """

    def __init__(self, full_hw: Float32Array, coarse_hw: Float32Array) -> None:
        self._coarse_hw = coarse_hw
        self._fine_hw = full_hw - _enlarged(coarse_hw, full_hw.shape)
        self._mean_hw = _mean(coarse_hw)
        self._variance_hw = _mean(coarse_hw * coarse_hw) - self._mean_hw**2
        self._calm = CALM * float(np.ptp(coarse_hw)) ** 2

    def added_to(self, coarse_hw: Float32Array) -> Float32Array:
        """A coarse depth of other scales, float32 ``[coarse_height, coarse_width]``, as a full one ``[height, width]``."""
        enlarged_hw = _enlarged(coarse_hw, self._fine_hw.shape)
        if self._calm == 0:
            return enlarged_hw  # nothing was seen that could be carried over
        covariance_hw = _mean(self._coarse_hw * coarse_hw) - self._mean_hw * _mean(coarse_hw)
        slope_hw = _mean(np.clip((covariance_hw + self._calm) / (self._variance_hw + self._calm), -STEEPEST, STEEPEST))
        full_hw = _enlarged(slope_hw, self._fine_hw.shape)
        full_hw *= self._fine_hw
        full_hw += enlarged_hw
        return np.maximum(full_hw, 0, out=full_hw)


def _enlarged(coarse_hw: Float32Array, size_hw: tuple[int, ...]) -> Float32Array:
    return resize_depth(coarse_hw, (size_hw[0], size_hw[1]), "bilinear_align_corners")


def _mean(values_hw: Float32Array) -> Float32Array:
    return np.asarray(cv2.blur(values_hw, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT), dtype=np.float32)
