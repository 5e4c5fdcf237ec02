"""The depth of the sky, in models that say where it is: it has none, and what the network gives there is no distance.

Depth Anything 3's own interface puts one number there, the 0.99 quantile of the rest; above 100,000 pixels that of 100,000
of them, drawn at random, so that its results differ from call to call. Here it is always the quantile of all: the same as
there up to 100,000 pixels, and above by as much as the draw differs from its mean.
"""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.card import ModelCard
from dptscope.errors import DptscopeError

SKY_FROM = 0.3  # of the sky output. The original calls it sky from 0.5 on in the mask that it hands out
_QUANTILE = 0.99
_FEWEST = 10  # pixels; where no more are sky, or no more are not, everything stays


def check_has_sky(card: ModelCard) -> None:
    """Hold a model to saying where the sky is.

    Raises:
        DptscopeError: it does not.
    """
    if not card.has_sky:
        raise DptscopeError(f"expected a model that says where the sky is, got {card.variant}")


def fill_sky(depth_hw: Float32Array, sky_hw: Float32Array) -> Float32Array:
    """Put the 0.99 quantile of all other depths in place of the sky's.

    Args:
        depth_hw: a depth that grows with distance, float32 ``[height, width]``, as the model gives it.
        sky_hw: the sky output of the same run, float32 ``[height, width]``.
    """
    is_sky_hw = sky_hw >= SKY_FROM
    count = int(is_sky_hw.sum())
    if min(count, is_sky_hw.size - count) <= _FEWEST:
        return depth_hw
    far = np.quantile(depth_hw[~is_sky_hw], _QUANTILE)
    return np.where(is_sky_hw, np.float32(far), depth_hw)
