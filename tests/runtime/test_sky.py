"""A far distance in place of the sky's."""

from __future__ import annotations

import numpy as np
import pytest

from dptscope.sky import fill_sky


def test_the_quantile_of_the_rest() -> None:
    depth = np.arange(1000, dtype=np.float32).reshape(20, 50)
    sky = np.zeros_like(depth)
    sky[:5] = 0.3  # from here on it is sky
    sky[5] = 0.29
    filled = fill_sky(depth, sky)
    np.testing.assert_array_equal(filled[5:], depth[5:])
    assert np.unique(filled[:5]).tolist() == [pytest.approx(250 + 0.99 * 749)]
    assert filled.dtype == np.float32


def test_the_same_on_many_pixels_every_time() -> None:
    """The original draws 100,000 of more, and gives another number at every call."""
    generator = np.random.default_rng(4)
    depth = generator.exponential(size=(400, 500)).astype(np.float32)
    sky = (generator.random((400, 500)) < 0.2).astype(np.float32)
    first, second = fill_sky(depth, sky), fill_sky(depth, sky)
    np.testing.assert_array_equal(first, second)
    assert first[sky > 0][0] == pytest.approx(np.sort(depth[sky == 0])[round(0.99 * (np.sum(sky == 0) - 1))], rel=1e-4)


@pytest.mark.parametrize("pixels", [0, 10, 990, 1000])
def test_too_few_on_either_side(pixels: int) -> None:
    depth = np.arange(1000, dtype=np.float32).reshape(20, 50)
    sky = (np.arange(1000) < pixels).astype(np.float32).reshape(20, 50)
    np.testing.assert_array_equal(fill_sky(depth, sky), depth)
    more = (np.arange(1000) < 11).astype(np.float32).reshape(20, 50)
    assert not np.array_equal(fill_sky(depth, more), depth)
