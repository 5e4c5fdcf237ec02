"""From the tokens that a block reads and the weights of its file to its attention, for each family of models."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.maps import BlockAttention, FullAttention
from dptscope.attention.relative_bias import WithAddedTokens, relative_bias
from dptscope.attention.rotary import attends_everywhere, turned
from dptscope.attention.weights import Weights, layer_norm
from dptscope.attention.windows import merged, window_attention
from dptscope.card import ModelCard
from dptscope.errors import ModelFileError, one_line

HEAD_CHANNELS = 64
"""Of a query or key, where a file does not note its heads: so it is in every size of Depth Anything."""

LAYER_NORM_EPS = 1e-6

_PLAIN = ("depth_anything", "depth_anything_3", "midas_vit", "tipsv2", "dpt_dinov2")
_ROTARY = "depth_anything_3_any_view"
_BEIT = "midas_beit"
_SWIN = "midas_swinv2"
_CAMERA_TOKEN = "encoder/camera_token/token"


def block_attention(
    card: ModelCard,
    weights: Weights,
    block: int,
    tokens_hwc: Float32Array,
    special_sc: Float32Array | None,
) -> BlockAttention:
    """The attention of one block.

    Args:
        card: of the model.
        weights: of its file.
        block: index of the block.
        tokens_hwc: the tokens that go into the block, float32 ``[grid_height, grid_width, channels]``.
        special_sc: the class token that goes into it and the model's own registers, where it has some, float32
            ``[tokens, channels]``; None where the encoder has no class token.

    Raises:
        ModelFileError: the file does not have the weights by their names, or holds a family that is not known here.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _of_family(card, weights, block, tokens_hwc, special_sc)
    except ValueError as error:  # shapes that do not go together
        raise ModelFileError(
            f"{weights.path}: expected weights of attention that fit its tokens, got others ({one_line(error)})"
        ) from error


def _of_family(
    card: ModelCard, weights: Weights, block: int, tokens_hwc: Float32Array, special_sc: Float32Array | None
) -> BlockAttention:
    if card.family == _SWIN:
        return _in_windows(card, weights, block, tokens_hwc)
    if card.family not in (*_PLAIN, _ROTARY, _BEIT):
        known = f"{', '.join(_PLAIN)}, {_ROTARY}, {_BEIT} or {_SWIN}"
        raise ModelFileError(
            f"{weights.path}: expected a model of {known}, whose attention can be computed, got {card.family}"
        )
    grid_hw = tokens_hwc.shape[0], tokens_hwc.shape[1]
    patches_nc = tokens_hwc.reshape(-1, tokens_hwc.shape[2])
    tokens_nc = patches_nc if special_sc is None else np.concatenate([special_sc, patches_nc])
    path = f"encoder/block_{block:02d}"
    if card.family == _BEIT:
        bias = relative_bias(weights, f"{path}/attention", grid_hw)
        if special_sc is not None and len(special_sc) > 1:
            bias = WithAddedTokens(bias, len(special_sc) - 1, len(tokens_nc))
        query_hnd, key_hnd = projected(weights, path, tokens_nc, bias.heads)
        return FullAttention(scaled(query_hnd), key_hnd, grid_hw, bias)
    heads = card.heads or tokens_nc.shape[1] // HEAD_CHANNELS
    query_hnd, key_hnd = projected(weights, path, tokens_nc, heads)
    first = card.camera_token_from
    if card.family == _ROTARY and first is not None and block >= first:
        everywhere = attends_everywhere(block, first)
        query_hnd, key_hnd = turned(weights, path, (query_hnd, key_hnd), grid_hw, everywhere)
    return FullAttention(scaled(query_hnd), key_hnd, grid_hw)


def special_tokens(
    card: ModelCard,
    weights: Weights,
    block: int,
    cls_bc: Float32Array | None,
    registers_brc: Float32Array | None,
) -> Float32Array | None:
    """The tokens before the grid's that go into a block, ``[tokens, channels]``; None where there are none.

    Most often they are those that left the block before. Where a camera token takes the class token's place between two
    blocks, it is that one.

    Args:
        card: of the model.
        weights: of its file.
        block: index of the block.
        cls_bc: the class token that leaves each block, or None.
        registers_brc: the register tokens that leave each block, or None.
    """
    if cls_bc is None:
        return None
    if block == 0:
        return first_special_tokens(weights)
    first_1c = cls_bc[block - 1 : block]
    if block == card.camera_token_from:
        first_1c = weights.get(_CAMERA_TOKEN).reshape(1, -1)
    return first_1c if registers_brc is None else np.concatenate([first_1c, registers_brc[block - 1]])


def _in_windows(card: ModelCard, weights: Weights, block: int, tokens_hwc: Float32Array) -> BlockAttention:
    stage = card.blocks[block].stage
    first = next(index for index, spec in enumerate(card.blocks) if spec.stage == stage)
    if block == first and block:
        tokens_hwc = merged(weights, f"encoder/merge_{stage - 1}", tokens_hwc)
    path = f"encoder/stage_{stage}/block_{block:02d}"
    windows = card.windows[stage - 1] if card.windows else None
    return window_attention(weights, path, tokens_hwc, (block - first) % 2 == 1, windows)


def projected(weights: Weights, path: str, tokens_nc: Float32Array, heads: int) -> tuple[Float32Array, Float32Array]:
    """Queries and keys of a block that normalises first, ``[heads, tokens, channels of a head]`` each."""
    channels = tokens_nc.shape[1]
    gain_c, shift_c = (weights.get(f"{path}/norm1/{leaf}") for leaf in ("weight", "bias"))
    # Of the joint projection the first two thirds; rows behind the channels are zeros (the pass "pad-rows").
    weight_ck = weights.get(f"{path}/attention/qkv/weight")[:channels, : 2 * channels]
    bias_k = weights.get(f"{path}/attention/qkv/bias")[: 2 * channels]
    projected_nk = layer_norm(tokens_nc, gain_c, shift_c, LAYER_NORM_EPS) @ weight_ck + bias_k
    query_hnd, key_hnd = projected_nk.reshape(len(tokens_nc), 2, heads, -1).transpose(1, 2, 0, 3)
    return query_hnd, np.ascontiguousarray(key_hnd)


def scaled(query_hnd: Float32Array) -> Float32Array:
    """Queries as their products with keys go into the softmax."""
    return query_hnd * np.float32(query_hnd.shape[-1] ** -0.5)


def first_special_tokens(weights: Weights) -> Float32Array:
    """The class token that goes into the first block, its position added where it has one, and behind it the model's own
    registers, ``[tokens, channels]``.

    A file for one size holds them ready made, and so does one for any size whose table of positions is small.
    """
    ready_made = "encoder/Expand/input"
    if ready_made in weights:
        found_1sc = weights.get(ready_made)
    else:
        found_1sc = weights.get("encoder/cls_token")
        if "encoder/position/table" in weights:
            found_1sc = found_1sc + weights.get("encoder/position/table")[:, :1]
        if "encoder/registers" in weights:  # which have no position
            found_1sc = np.concatenate([found_1sc, weights.get("encoder/registers")], axis=1)
    return found_1sc.reshape(-1, found_1sc.shape[-1])
