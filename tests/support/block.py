"""The rest of a transformer block in numpy: what attention weights, made by the code under test, do to tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dptscope

Array = NDArray[Any]
LAYER_NORM_EPS = 1e-6
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Weights:
    """Weights by name, as the runtime asks a file for them."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def get(self, name: str) -> Array:
        return self._arrays[name]


def softmax_of_all(scene: dptscope.Scene, block: int) -> Array:
    """``[heads, tokens, tokens]``, the class token first: the row of every token."""
    rows, columns = scene.block_norms[block].shape
    tokens: list[Any] = ["class"] if scene.cls_tokens is not None else []
    tokens += [(row, column) for row in range(rows) for column in range(columns)]
    found = [scene.attention(block, token) for token in tokens]
    flat = [np.concatenate([each.row_special, each.row.reshape(len(each.row), -1)], axis=1) for each in found]
    return np.stack(flat, axis=1)


def next_tokens(weights: Mapping[str, Array], path: str, before_nc: Array, weights_hnn: Array) -> Array:
    """What leaves a pre-norm block ``[tokens, channels]``, from what goes in and its attention."""
    channels = before_nc.shape[1]

    def named(name: str) -> Array:
        return weights[f"{path}/{name}"].astype(np.float32)

    def norm(which: str, tokens_nc: Array) -> Array:
        centred_nc = tokens_nc - tokens_nc.mean(1, keepdims=True)
        deviation_n1 = np.sqrt((centred_nc**2).mean(1, keepdims=True) + LAYER_NORM_EPS)
        return np.asarray(centred_nc / deviation_n1 * named(f"{which}/weight") + named(f"{which}/bias"))

    def linear(which: str, tokens_nc: Array) -> Array:
        return np.asarray(tokens_nc @ named(f"{which}/weight") + named(f"{which}/bias"))

    def scaled(which: str, tokens_nc: Array) -> Array:
        name = f"{path}/{which}/gamma"
        return tokens_nc * weights[name].astype(np.float32) if name in weights else tokens_nc

    value_nc = linear("attention/qkv", norm("norm1", before_nc))[:, 2 * channels :]
    value_hnd = value_nc.reshape(len(before_nc), len(weights_hnn), -1).transpose(1, 0, 2)
    mixed_nc = (weights_hnn @ value_hnd).transpose(1, 0, 2).reshape(before_nc.shape)
    tokens_nc = before_nc + scaled("scale1", linear("attention/proj", mixed_nc))
    normal_nc = norm("norm2", tokens_nc)
    if f"{path}/mlp/w12/weight" in weights:
        gate_nm, value_nm = np.split(linear("mlp/w12", normal_nc), 2, axis=1)
        return tokens_nc + scaled("scale2", linear("mlp/w3", gate_nm / (1 + np.exp(-gate_nm)) * value_nm))
    hidden_nm = linear("mlp/fc1", normal_nc)
    hidden_nm = hidden_nm * ((1 + _erf(hidden_nm / math.sqrt(2))) / 2).astype(np.float32)
    return tokens_nc + scaled("scale2", linear("mlp/fc2", hidden_nm))
