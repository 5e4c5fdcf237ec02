"""From values to shades: how a norm map or a channel fills the colour map.

In DINOv2 models a few tokens are ten times longer than the rest; between minimum and maximum they leave everything else
black. The robust scaling takes those out, marks them in a colour of their own and spreads the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.norms import MAD_TO_SIGMA, outlier_threshold

BoolArray = NDArray[np.bool_]

ROBUST_PERCENTILES = (1.0, 99.0)
_SIGNED_SIGMAS = 6.0


class Scaling(enum.Enum):
    """The choices."""

    PLAIN = "plain"
    SHARED = "shared"
    LOG = "log"
    ROBUST = "robust"


@dataclass(frozen=True)
class Scale:
    """What one map is shown with.

    Attributes:
        low: value of the first shade.
        high: value of the last shade.
        bend: None: shades follow the value; else they follow ``asinh(value / bend)``: linear below the bend, logarithmic
            above, and at home on either side of zero.
        outliers: values below the first or above the second are outliers.
    """

    low: float
    high: float
    bend: float | None = None
    outliers: tuple[float, float] = (-np.inf, np.inf)

    def shares(self, values: Float32Array) -> Float32Array:
        """Map low … high to 0 … 1, clipped."""
        low, high = self.low, self.high
        if self.bend is not None:
            values = np.arcsinh(values / np.float32(self.bend))
            low, high = float(np.arcsinh(low / self.bend)), float(np.arcsinh(high / self.bend))
        span = high - low
        if not span > 0:
            return np.full(values.shape, 0.5, dtype=np.float32)
        return np.asarray(np.clip((values - np.float32(low)) / np.float32(span), 0, 1), dtype=np.float32)

    def levels(self, values: Float32Array) -> NDArray[np.uint8]:
        """Shades 0 … 255."""
        return (self.shares(values) * 255 + 0.5).astype(np.uint8)

    def marks(self, values: Float32Array) -> BoolArray:
        """Mark the outliers."""
        return np.asarray((values < self.outliers[0]) | (values > self.outliers[1]))


def choose_scale(how: Scaling, values_hw: Float32Array, all_values: Sequence[Float32Array], signed: bool) -> Scale:
    """The scale of one block's map.

    Args:
        how: the user's choice.
        values_hw: the map: norms, or one channel.
        all_values: the maps of all blocks, for one scale over all of them.
        signed: the values lie on both sides of zero: a channel, not norms.
    """
    low, high = float(values_hw.min()), float(values_hw.max())
    if how is Scaling.SHARED:
        return Scale(min(float(v.min()) for v in all_values), max(float(v.max()) for v in all_values))
    if how is Scaling.LOG:
        # For norms the bend lies below the least of them, so that everything shown is logarithmic.
        bend = float(np.median(np.abs(values_hw))) / 4 if signed else low / 4
        return Scale(low, high, bend=max(bend, 1e-3 * max(abs(low), abs(high)), 1e-12))
    if how is Scaling.ROBUST:
        limits = _signed_limits(values_hw) if signed else (-np.inf, outlier_threshold(values_hw))
        rest = values_hw[(values_hw >= limits[0]) & (values_hw <= limits[1])]
        if rest.size:
            low, high = (float(v) for v in np.percentile(rest, ROBUST_PERCENTILES))
        return Scale(low, high, outliers=limits)
    return Scale(low, high)


def weights_scale(weights_hw: Float32Array) -> Scale:
    """The scale of attention, from zero to the largest weight: linear up to the median and logarithmic above, for most are
    small, and a few are not."""
    high = max(float(weights_hw.max()), 1e-30)
    inside = weights_hw[weights_hw > 0]
    return Scale(0, high, bend=max(float(np.median(inside)) if inside.size else 0, 1e-3 * high))


def _signed_limits(values: Float32Array) -> tuple[float, float]:
    """A channel has no natural zero for the runtime's rule (twice the median), so only the robust deviations count."""
    median = float(np.median(values))
    reach = _SIGNED_SIGMAS * MAD_TO_SIGMA * float(np.median(np.abs(values - median)))
    return (median - reach, median + reach) if reach > 0 else (-np.inf, np.inf)


def equalised(values_hw: Float32Array) -> Float32Array:
    """High contrast: every value's rank among all, 0 … 1, so that each shade covers the same area."""
    low, high = float(values_hw.min()), float(values_hw.max())
    if not high > low:
        return np.full(values_hw.shape, 0.5, dtype=np.float32)
    bins = 1024
    index = ((values_hw - np.float32(low)) * np.float32((bins - 1) / (high - low))).astype(np.intp)
    below = np.cumsum(np.bincount(index.ravel(), minlength=bins)).astype(np.float32)
    ranks = (below - below[0]) / max(float(below[-1] - below[0]), 1.0)
    return np.asarray(ranks[index], dtype=np.float32)


def unit_range(values_hw: Float32Array) -> Float32Array:
    """Minimum to 0, maximum to 1; 0.5 everywhere where all values are the same."""
    return Scale(float(values_hw.min()), float(values_hw.max())).shares(values_hw)
