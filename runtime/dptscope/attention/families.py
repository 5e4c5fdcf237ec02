"""From the tokens that a block reads and the weights of its file to its attention, for each family of models."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.maps import BlockAttention
from dptscope.attention.weights import Weights
from dptscope.card import ModelCard
from dptscope.errors import ModelFileError

HEAD_CHANNELS = 64
"""Of a query or key in the DINOv2 families, whatever their width."""

LAYER_NORM_EPS = 1e-6

_DINOV2 = ("depth_anything", "depth_anything_3")


def block_attention(
    card: ModelCard, weights: Weights, block: int, tokens_hwc: Float32Array, cls_c: Float32Array | None
) -> BlockAttention:
    """The attention of one block.

    Args:
        card: of the model.
        weights: of its file.
        block: index of the block.
        tokens_hwc: the tokens that go into the block, float32 ``[grid_height, grid_width, channels]``.
        cls_c: the class token that goes into it, float32 ``[channels]``; None where the encoder has none.

    Raises:
        ModelFileError: the file does not have the weights by their names, or holds a family that is not known here.
    """
    if card.family not in _DINOV2:
        raise ModelFileError(
            f"{weights.path}: expected a model of {' or '.join(_DINOV2)}, whose attention can be computed, got {card.family}"
        )
    grid_hw = tokens_hwc.shape[0], tokens_hwc.shape[1]
    channels = tokens_hwc.shape[2]
    patches_nc = tokens_hwc.reshape(-1, channels)
    tokens_nc = patches_nc if cls_c is None else np.concatenate([cls_c[None], patches_nc])
    query_hnd, key_hnd = queries_and_keys(weights, f"encoder/block_{block:02d}", tokens_nc, channels // HEAD_CHANNELS)
    return BlockAttention(query_hnd, key_hnd, grid_hw)


def queries_and_keys(
    weights: Weights, path: str, tokens_nc: Float32Array, heads: int
) -> tuple[Float32Array, Float32Array]:
    """Queries, scaled, and keys of a block that normalises first, ``[heads, tokens, channels of a head]`` each."""
    channels = tokens_nc.shape[1]
    gain_c, shift_c = (weights.get(f"{path}/norm1/{leaf}") for leaf in ("weight", "bias"))
    # Of the joint projection the first two thirds; rows behind the channels are zeros (the pass "pad-rows").
    weight_ck = weights.get(f"{path}/attention/qkv/weight")[:channels, : 2 * channels]
    bias_k = weights.get(f"{path}/attention/qkv/bias")[: 2 * channels]
    projected_nk = layer_norm(tokens_nc, gain_c, shift_c) @ weight_ck + bias_k
    query_hnd, key_hnd = projected_nk.reshape(len(tokens_nc), 2, heads, -1).transpose(1, 2, 0, 3)
    scale = np.float32((channels // heads) ** -0.5)
    return query_hnd * scale, np.ascontiguousarray(key_hnd)


def layer_norm(tokens_nc: Float32Array, gain_c: Float32Array, shift_c: Float32Array) -> Float32Array:
    """Each token less its mean, divided by its standard deviation."""
    centred_nc = tokens_nc - tokens_nc.mean(axis=1, keepdims=True)
    variance_n1 = np.square(centred_nc).mean(axis=1, keepdims=True)
    return np.asarray(centred_nc / np.sqrt(variance_n1 + np.float32(LAYER_NORM_EPS)) * gain_c + shift_c, np.float32)


def first_class_token(weights: Weights) -> Float32Array:
    """The class token that goes into the first block, its position added, ``[channels]``."""
    return weights.get("encoder/Expand/input").reshape(-1)
