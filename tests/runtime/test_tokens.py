"""Similarity and principal components of tokens, against scikit-learn on the same tokens."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

import dptscope
from dptscope import tokens
from dptscope.arrays import Float32Array
from dptscope.errors import DptscopeError


def some_tokens(seed: int = 0, height: int = 12, width: int = 17, channels: int = 96, planted: int = 0) -> Float32Array:
    """Five smooth patterns over the grid with falling strength, a common part, and noise; ``planted`` tokens of high norm."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    patterns = np.stack([np.sin(3 * x), np.cos(2 * y), np.sin(5 * x + 4 * y), np.cos(7 * y), x * y], axis=-1)
    made = (patterns - patterns.mean((0, 1))) * [9, 6, 4, 1.5, 1] @ rng.normal(size=(5, channels)) + rng.normal(
        size=channels
    )
    made += 0.3 * rng.normal(size=made.shape)
    for place in rng.choice(height * width, planted, replace=False):
        made.reshape(-1, channels)[place] = 40 * rng.normal(size=channels)
    return made.astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e15])
def test_similarity_is_the_cosine(scale: float) -> None:
    given = some_tokens() * np.float32(scale)
    got = tokens.similarity(given, (4, 9))
    flat = given.reshape(-1, given.shape[2]).astype(np.float64)
    wanted = cosine_similarity(flat, given[4, 9].astype(np.float64)[None]).reshape(12, 17)
    assert got.dtype == np.float32 and got.shape == (12, 17)
    np.testing.assert_allclose(got, wanted, atol=2e-6)
    assert got[4, 9] == pytest.approx(1, abs=1e-6) and np.abs(got).max() <= 1


def test_similarity_to_a_token_from_elsewhere_and_to_zeros() -> None:
    given = some_tokens()
    given[3, 3] = 0
    other = some_tokens(1)[0, 0]
    got = tokens.similarity(given, other)
    wanted = cosine_similarity(given.reshape(-1, 96), other[None]).reshape(12, 17)
    np.testing.assert_allclose(got, wanted, atol=2e-6)
    assert got[3, 3] == 0 and not tokens.similarity(given, (3, 3)).any()


@pytest.mark.parametrize("where", [(12, 0), (0, 17), (-1, 0)])
def test_places_outside_the_grid_are_an_error(where: tuple[int, int]) -> None:
    with pytest.raises(DptscopeError, match=r"grid of 12 × 17, got row"):
        tokens.similarity(some_tokens(), where)


def test_a_token_of_another_length_is_an_error() -> None:
    with pytest.raises(DptscopeError, match="96 channels, got 5"):
        tokens.similarity(some_tokens(), np.ones(5, np.float32))


@pytest.mark.parametrize(
    ("shape", "planted"), [((12, 17, 96), 0), ((12, 17, 96), 5), ((20, 20, 384), 3), ((8, 9, 1024), 0)]
)
def test_components_are_those_of_scikit_learn_without_the_outliers(shape: tuple[int, int, int], planted: int) -> None:
    given = some_tokens(2, *shape, planted=planted)
    found = tokens.principal_components(given)
    marked = tokens.outliers(tokens.token_norms(given))
    assert marked.sum() == planted and not (found.inliers_hw & marked).any()
    reference = PCA(3, svd_solver="full").fit(given[~marked].astype(np.float64))
    wanted = reference.transform(given.reshape(-1, shape[2]).astype(np.float64)).reshape(*shape[:2], 3)
    np.testing.assert_allclose(found.explained_k, reference.explained_variance_ratio_, rtol=1e-4)
    for k in range(3):
        # scikit-learn decides signs by rows, we by the directions: the sign is checked apart.
        sign = np.sign((found.scores_hwk[..., k] * wanted[..., k]).sum())
        np.testing.assert_allclose(sign * found.scores_hwk[..., k], wanted[..., k], atol=2e-3 * np.abs(wanted).max())


def test_colours_are_robust() -> None:
    plain, planted = some_tokens(3), some_tokens(3, planted=4)
    colours = tokens.pca(planted)
    assert colours.dtype == np.float32 and colours.shape == (12, 17, 3)
    assert colours.min() == 0 and colours.max() == 1
    inliers = ~tokens.outliers(tokens.token_norms(planted))
    # The four high norms change next to nothing elsewhere: signs apart, as one direction's largest part may have moved.
    for mine, other in zip(colours[inliers].T, tokens.pca(plain)[inliers].T, strict=True):
        assert min(np.abs(mine - other).mean(), np.abs(1 - mine - other).mean()) < 0.05
    assert all(len(np.unique(np.round(channel, 2))) > 40 for channel in colours[inliers].T)


def test_colours_hold_still_from_block_to_block() -> None:
    first = some_tokens(4)
    turned = first @ np.linalg.qr(np.random.default_rng(5).normal(size=(96, 96)))[0].astype(np.float32)
    components = tokens.components_of_blocks([first, -turned, turned * 3])
    for other in components[1:]:
        np.testing.assert_allclose(other.colours(), components[0].colours(), atol=0.02)


def test_colours_hold_still_across_grids() -> None:
    """Swin V2's grids get coarser with the stages."""
    fine = some_tokens(6, 24, 32)
    coarse = -fine.reshape(12, 2, 16, 2, 96).mean((1, 3))
    first, second = tokens.components_of_blocks([fine, coarse])
    for k in range(3):
        finer = first.scores_hwk[::2, ::2, k].ravel()
        assert np.corrcoef(finer, second.scores_hwk[..., k].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("shape", [(1, 1, 8), (1, 2, 8), (2, 2, 2)])
def test_tiny_grids_have_colours(shape: tuple[int, int, int]) -> None:
    given = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    colours = tokens.pca(given)
    assert colours.shape == (*shape[:2], 3) and np.isfinite(colours).all()


def test_the_module_is_part_of_the_package() -> None:
    assert dptscope.tokens is tokens
