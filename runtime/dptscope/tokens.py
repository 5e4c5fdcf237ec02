"""Questions asked of the tokens of one block: which are like this one, what they vary in, which stand out.

Arrays in, arrays out: tokens are float32 ``[grid_height, grid_width, channels]``, as in :attr:`dptscope.Scene.block_tokens`.

The pictures of DINO's features follow Oquab et al. 2023, "DINOv2", figure 1: three principal components as red, green and
blue. A handful of tokens of high norm ("Vision Transformers Need Registers") would take all three for themselves, so they
have no say in where the components lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.errors import DptscopeError
from dptscope.norms import outlier_threshold, token_norms

COMPONENTS = 3
EXTREME_SHARE = 0.01
"""Of the values of a component at either end, which all get the same shade."""

_EXTRA = 13  # directions iterated beside the wanted three: they make these converge
_MOST_STEPS = 30
_STILL = 1e-6  # of the captured variance: less change a step than this is none


def outliers(norms_hw: Float32Array) -> NDArray[np.bool_]:
    """Mark the tokens whose norm stands out: bool ``[grid_height, grid_width]``; see :data:`dptscope.norms.RULE`."""
    return norms_hw > np.float32(outlier_threshold(norms_hw))


def similarity(
    tokens_hwc: Float32Array,
    to: tuple[int, int] | Sequence[int] | NDArray[Any],
    norms_hw: Float32Array | None = None,
) -> Float32Array:
    """Cosine similarity of every token to one.

    Args:
        tokens_hwc: of a block.
        to: row and column of one of them, or a token ``[channels]`` from elsewhere: the class token, another photo's.
        norms_hw: their norms, where they are known: most of the work.

    Returns:
        float32 ``[grid_height, grid_width]`` from -1 to 1; 0 for tokens that are zero.

    Raises:
        DptscopeError: a place outside the grid, or a token of another length.
    """
    height, width, channels = tokens_hwc.shape
    if isinstance(to, np.ndarray) and to.ndim == 1 and np.issubdtype(to.dtype, np.floating):
        if to.shape != (channels,):
            raise DptscopeError(f"expected a token of {channels} channels, got {to.shape[0]}")
        token_c = np.asarray(to, np.float32)
    else:
        row, column = (int(index) for index in to)
        if not (0 <= row < height and 0 <= column < width):
            raise DptscopeError(f"expected a token of the grid of {height} × {width}, got row {row}, column {column}")
        token_c = tokens_hwc[row, column]
    # Divided before they are multiplied, by the largest number too: the squares of long tokens are beyond float32.
    unit_c = _unit(token_c)
    norms_hw = token_norms(tokens_hwc) if norms_hw is None else norms_hw
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine_hw = (tokens_hwc @ unit_c) / norms_hw
    return np.clip(np.where(norms_hw > 0, cosine_hw, 0), -1, 1).astype(np.float32)


def _unit(token_c: Float32Array) -> Float32Array:
    largest = np.abs(token_c).max()
    if largest == 0:
        return token_c
    scaled_c = token_c / largest
    return np.asarray(scaled_c / np.sqrt((scaled_c * scaled_c).sum()), np.float32)


@dataclass(frozen=True)
class PrincipalComponents:
    """What the tokens of a block vary in.

    Attributes:
        scores_hwk: float32 ``[grid_height, grid_width, 3]``: each token, less the mean, along each component.
        explained_k: float64 ``[3]``: share of the variance that each component accounts for, outliers left out.
        inliers_hw: bool ``[grid_height, grid_width]``: the tokens that had a say.
    """

    scores_hwk: Float32Array
    explained_k: NDArray[np.float64]
    inliers_hw: NDArray[np.bool_]

    def colours(self) -> Float32Array:
        """Red, green and blue from 0 to 1, float32 ``[grid_height, grid_width, 3]``."""
        low_k, high_k = np.quantile(
            self.scores_hwk[self.inliers_hw], (EXTREME_SHARE, 1 - EXTREME_SHARE), axis=0
        ).astype(np.float32)
        shades_hwk = np.clip((self.scores_hwk - low_k) / np.maximum(high_k - low_k, 1e-12), 0, 1)
        return np.asarray(shades_hwk, np.float32)


def pca(tokens_hwc: Float32Array) -> Float32Array:
    """A block's first three principal components as colours from 0 to 1, float32 ``[grid_height, grid_width, 3]``."""
    return principal_components(tokens_hwc).colours()


def principal_components(tokens_hwc: Float32Array, like: PrincipalComponents | None = None) -> PrincipalComponents:
    """Find the directions in which the tokens of a block vary most, outliers left out.

    Args:
        tokens_hwc: of a block.
        like: of another block of the same photo: order and signs are chosen so that the pictures agree. Without it the
            largest part of each direction is positive, as scikit-learn has it.
    """
    channels = tokens_hwc.shape[2]
    inliers_hw = ~outliers(token_norms(tokens_hwc))
    kept_nc = tokens_hwc[inliers_hw].astype(np.float32)
    mean_c = kept_nc.mean(axis=0)
    kept_nc = kept_nc - mean_c
    axes_ck = _leading_axes(kept_nc)
    variance_k = ((kept_nc @ axes_ck) ** 2).sum(axis=0, dtype=np.float64)
    order = np.argsort(-variance_k, kind="stable")
    total = max(float((kept_nc.astype(np.float64) ** 2).sum()), 1e-30)
    axes_ck, explained_k = axes_ck[:, order], variance_k[order] / total
    largest = np.abs(axes_ck).argmax(axis=0)
    signs = np.sign(axes_ck[largest, np.arange(axes_ck.shape[1])])
    axes_ck = axes_ck * np.where(signs == 0, 1, signs)
    scores_nk = (tokens_hwc.reshape(-1, channels) - mean_c) @ axes_ck
    missing = COMPONENTS - scores_nk.shape[1]
    if missing > 0:  # fewer tokens than components
        scores_nk = np.pad(scores_nk, ((0, 0), (0, missing)))
        explained_k = np.pad(explained_k, (0, missing))
    scores_hwk = scores_nk.reshape(*tokens_hwc.shape[:2], COMPONENTS).astype(np.float32)
    found = PrincipalComponents(scores_hwk, explained_k, inliers_hw)
    return found if like is None else _arranged(found, like)


def _leading_axes(centred_nc: Float32Array) -> Float32Array:
    """The first principal directions ``[channels, 3]`` by orthogonal iteration (Golub and Van Loan, "Matrix Computations",
    8.2.4) on the covariance: a full decomposition of 1024 channels takes ten times as long."""
    count, channels = centred_nc.shape
    if count < channels:  # the same directions from the smaller of the two products
        return _unit_columns(centred_nc.T @ _leading_vectors(centred_nc @ centred_nc.T))
    return _leading_vectors(centred_nc.T @ centred_nc)


def _leading_vectors(product_dd: Float32Array) -> Float32Array:
    """Eigenvectors ``[d, 3]`` of the largest eigenvalues of a symmetric matrix without negative ones."""
    side = len(product_dd)
    width = min(COMPONENTS + _EXTRA, side)
    found_dw = np.random.default_rng(0).normal(size=(side, width)).astype(np.float32)
    captured, before = 0.0, -1.0
    for _ in range(_MOST_STEPS):
        found_dw = np.linalg.qr(product_dd @ found_dw)[0]
        found_dw, weight_ww = np.linalg.qr(product_dd @ found_dw)
        captured = float(np.abs(np.diag(weight_ww))[:COMPONENTS].sum())
        if abs(captured - before) <= _STILL * captured:
            break
        before = captured
    # Within what was found, the exact answer (Rayleigh-Ritz).
    _, turn_ww = np.linalg.eigh((found_dw.T @ (product_dd @ found_dw)).astype(np.float64))
    return np.asarray(found_dw @ turn_ww[:, ::-1][:, :COMPONENTS], np.float32)


def _unit_columns(axes_ck: Float32Array) -> Float32Array:
    return np.asarray(axes_ck / np.maximum(np.sqrt((axes_ck**2).sum(axis=0)), 1e-30), np.float32)


def _arranged(found: PrincipalComponents, like: PrincipalComponents) -> PrincipalComponents:
    """In the order and with the signs that agree best with another block's, which may have another grid."""
    wanted_kn = _at_grid(like.scores_hwk, found.scores_hwk.shape[:2])[found.inliers_hw].T
    own_kn = found.scores_hwk[found.inliers_hw].T
    correlation_kk = _correlations(wanted_kn, own_kn)
    best = max(
        permutations(range(COMPONENTS)),
        key=lambda order: sum(abs(correlation_kk[k, order[k]]) for k in range(COMPONENTS)),
    )
    signs_k = np.array([-1.0 if correlation_kk[k, best[k]] < 0 else 1.0 for k in range(COMPONENTS)], np.float32)
    return PrincipalComponents(found.scores_hwk[..., best] * signs_k, found.explained_k[list(best)], found.inliers_hw)


def _at_grid(scores_hwk: Float32Array, size_hw: tuple[int, ...]) -> Float32Array:
    """The nearest of another grid's tokens for each of a grid's."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size_hw, scores_hwk.shape, strict=False)
    )
    return np.asarray(scores_hwk[rows][:, columns])


def _correlations(first_kn: Float32Array, second_kn: Float32Array) -> NDArray[np.float64]:
    standard = []
    for values_kn in (first_kn, second_kn):
        centred_kn = values_kn.astype(np.float64) - values_kn.mean(axis=1, keepdims=True)
        standard.append(centred_kn / np.maximum(np.sqrt((centred_kn**2).sum(axis=1, keepdims=True)), 1e-30))
    return np.asarray(standard[0] @ standard[1].T)


def components_of_blocks(block_tokens: Sequence[Float32Array]) -> list[PrincipalComponents]:
    """The components of every block, each arranged like the block before it: colours do not jump from tile to tile."""
    found: list[PrincipalComponents] = []
    for tokens_hwc in block_tokens:
        found.append(principal_components(tokens_hwc, found[-1] if found else None))
    return found
