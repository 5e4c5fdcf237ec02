"""Rotary positions in two dimensions: half of a head's channels turn with a token's row, half with its column, as in the
any-view networks of Depth Anything 3, whose queries and keys are normalised within each head before that."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.weights import Weights, layer_norm

QK_NORM_EPS = 1e-5
BASE = 100.0


def attends_everywhere(block: int, rotary_from: int) -> bool:
    """Whether a block attends to all photos at once, of which here there is one: every odd one does."""
    return block >= rotary_from and block % 2 == 1


def turned(
    weights: Weights,
    path: str,
    vectors_hnd: tuple[Float32Array, Float32Array],
    grid_hw: tuple[int, int],
    everywhere: bool,
) -> tuple[Float32Array, Float32Array]:
    """Queries and keys of a block ``[heads, tokens, channels]``, normalised and turned by their places.

    Args:
        weights: of the file.
        path: of the block.
        vectors_hnd: as they come out of the projection: queries, then keys; those of the grid behind the others.
        grid_hw: rows and columns of the grid.
        everywhere: whether all patches are at one place, as in blocks that attend to all photos.
    """
    normed = []
    for name, vectors in zip(("q_norm", "k_norm"), vectors_hnd, strict=True):
        gain_d, shift_d = (weights.get(f"{path}/attention/{name}/{leaf}") for leaf in ("weight", "bias"))
        normed.append(layer_norm(vectors, gain_d, shift_d, QK_NORM_EPS))
    query_hnd, key_hnd = normed
    special = query_hnd.shape[1] - grid_hw[0] * grid_hw[1]
    angles_n2f = _angles(special, grid_hw, query_hnd.shape[-1] // 4, everywhere)
    cos_n2f, sin_n2f = np.cos(angles_n2f), np.sin(angles_n2f)
    return _turn(query_hnd, cos_n2f, sin_n2f), _turn(key_hnd, cos_n2f, sin_n2f)


def _angles(special: int, grid_hw: tuple[int, int], pairs: int, everywhere: bool) -> Float32Array:
    """``[tokens, row and column, pairs]``. The special tokens are at 0, 0, the grid's first at 1, 1."""
    places_n2 = np.indices(grid_hw).reshape(2, -1).T + 1
    if everywhere:
        places_n2 = np.ones_like(places_n2)
    frequencies_f = BASE ** (-np.arange(pairs) / pairs)
    return np.asarray(np.concatenate([np.zeros((special, 2)), places_n2])[..., None] * frequencies_f, np.float32)


def _turn(vectors_hnd: Float32Array, cos_n2f: Float32Array, sin_n2f: Float32Array) -> Float32Array:
    """Channel i of a half and channel i + pairs turn together."""
    heads, tokens, channels = vectors_hnd.shape
    first, second = np.moveaxis(vectors_hnd.reshape(heads, tokens, 2, 2, -1), 3, 0)
    found = np.stack([first * cos_n2f - second * sin_n2f, second * cos_n2f + first * sin_n2f], axis=3)
    return np.asarray(found.reshape(heads, tokens, channels), np.float32)
