"""Norms and the rule for outliers."""

from __future__ import annotations

import numpy as np
import pytest

from dptscope.errors import DptscopeError
from dptscope.norms import norm_statistics, outlier_threshold, token_norms


def test_token_norms() -> None:
    tokens = np.zeros((2, 3, 4), np.float32)
    tokens[1, 2] = [1, 2, 2, 4]
    norms = token_norms(tokens)
    assert (norms.shape, norms.dtype) == ((2, 3), np.float32)
    assert norms[1, 2] == 5
    assert norms.sum() == 5


def test_norms_of_long_tokens_are_accurate() -> None:
    tokens = np.random.default_rng(0).normal(size=(5, 5, 1024)).astype(np.float32)
    wanted = np.linalg.norm(tokens.astype(np.float64), axis=-1)
    assert np.abs(token_norms(tokens) - wanted).max() <= 5e-7 * wanted.mean()


def test_planted_outliers_are_found() -> None:
    norms = np.random.default_rng(1).normal(30, 3, size=(20, 30)).astype(np.float32)
    norms[4, 7], norms[15, 2] = 200, 300
    statistics = norm_statistics(3, norms, stride=14, channels=384)
    assert [(row, column) for row, column, _ in statistics.outliers] == [(15, 2), (4, 7)]
    assert statistics.to_json()["outliers"]["count"] == 2
    assert statistics.grid == (20, 30)


def test_no_outliers_where_nothing_stands_out() -> None:
    """Neither in a narrow distribution, where many robust deviations are little, nor in a broad one."""
    flat = np.full((10, 10), 5.0, np.float32)
    flat[0, 0] = 5.5
    assert norm_statistics(0, flat, 14, 8).outliers == ()
    broad = np.random.default_rng(2).uniform(10, 60, size=(30, 30)).astype(np.float32)
    assert norm_statistics(0, broad, 14, 8).outliers == ()


def test_threshold_is_the_larger_of_both_rules() -> None:
    narrow = np.array([[9, 10, 11]], np.float32)
    assert outlier_threshold(narrow) == 20.0  # twice the median
    wide = np.array([[2, 10, 18]], np.float32)
    np.testing.assert_allclose(outlier_threshold(wide), 10 + 6 * 1.4826 * 8)


def test_tokens_beyond_float32_are_refused() -> None:
    tokens = np.full((2, 2, 4), 1e30, np.float32)
    with pytest.raises(DptscopeError, match=r"norms are finite in float32, got values up to 1\.0e\+30"):
        token_norms(tokens)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 3), (4, 5), (18, 18), (37, 49)])
def test_the_median_is_numpys(shape: tuple[int, int]) -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).lognormal(3, 1, shape).astype(np.float32)
        statistics = norm_statistics(0, values, 14, 8)
        median = float(np.median(values))
        sigma = 1.4826 * float(np.median(np.abs(values - median)))
        assert statistics.median == median
        assert statistics.threshold == outlier_threshold(values) == max(2 * median, median + 6 * sigma)
