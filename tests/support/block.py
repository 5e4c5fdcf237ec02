"""The rest of a transformer block in numpy: what attention weights, made by the code under test, do to tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dptscope
from dptscope.files.onnx_file import mapped_weights
from dptscope.registers import AddedRegisters

Array = NDArray[Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Weights:
    """Weights by name, as the runtime asks a file for them."""

    def __init__(self, arrays: Mapping[str, Array], path: str = "") -> None:
        self._arrays, self.path = arrays, path

    def get(self, name: str) -> Array:
        return self._arrays[name]


def softmax_of_all(scene: dptscope.Scene, block: int) -> Array:
    """``[heads, tokens, tokens]``, the class token first, behind it the registers: the row of every token."""
    rows, columns = scene.block_norms[block].shape
    tokens: list[Any] = ["class"] if scene.cls_tokens is not None else []
    tokens += [("register", index) for index in range(len(registers_of(scene, block)))]
    tokens += [(row, column) for row in range(rows) for column in range(columns)]
    found = [scene.attention(block, token) for token in tokens]
    flat = [np.concatenate([each.row_special, each.row.reshape(len(each.row), -1)], axis=1) for each in found]
    return np.stack(flat, axis=1)


def tokens_of(scene: dptscope.Scene, block: int) -> Array:
    """What leaves a block, ``[tokens, channels]``, the class token first, behind it the registers."""
    patches_hwc = scene.block_tokens[block]
    patches_nc = patches_hwc.reshape(-1, patches_hwc.shape[-1])
    if scene.cls_tokens is None:
        return patches_nc
    return np.concatenate([scene.cls_tokens[block][None], registers_of(scene, block), patches_nc])


def registers_of(scene: dptscope.Scene, block: int) -> Array:
    """What leaves a block of the registers, the model's own and those that were added, ``[registers, channels]``."""
    found = scene.register_tokens
    return np.zeros((0, scene.block_tokens[block].shape[-1]), np.float32) if found is None else found[block]


def tokens_into(scene: dptscope.Scene, block: int) -> Array:
    """What goes into a block, as in :func:`tokens_of`."""
    patches_hwc, special_sc = scene._tokens_into(block)
    patches_nc = patches_hwc.reshape(-1, patches_hwc.shape[-1])
    return patches_nc if special_sc is None else np.concatenate([special_sc, patches_nc])


def check_blocks(path: Path, size: tuple[int, int], limit: float, added: AddedRegisters | None = None) -> None:
    """Every block, computed from what goes into it with the file's weights and its attention, gives the tokens that leave it.

    Args:
        path: an exported model whose blocks have one grid.
        size: height and width of its input.
        limit: of the relative error.
        added: registers that are appended.
    """
    weights = mapped_weights(path)
    image = np.random.default_rng(sum(size)).normal(size=(1, 3, *size)).astype(np.float32)
    scene = dptscope.Scene(dptscope.load(path).graphs, image, size, keep_tokens=True, added=added)
    for block in range(len(scene.block_norms)):
        before = tokens_into(scene, block)
        got = Block(weights, f"encoder/block_{block:02d}").next_tokens(before, softmax_of_all(scene, block))
        assert np.abs(got - before).mean() > 0.01 * before.std(), "a block that does nothing proves nothing"
        assert relative_error(got, tokens_of(scene, block)) <= limit, block


def relative_error(got: Array, wanted: Array) -> float:
    """Root of the mean square of the difference, divided by the standard deviation of what is wanted."""
    return float(np.sqrt(((got - wanted) ** 2).mean()) / wanted.std())


class Block:
    """The weights of one block.

    Args:
        weights: of the file.
        path: of the block's module.
        post_norm: whether the normalisations stand behind attention and MLP, as in Swin V2.
    """

    def __init__(self, weights: Mapping[str, Array], path: str, post_norm: bool = False) -> None:
        self._weights, self._path, self._post_norm = weights, path, post_norm

    def next_tokens(self, before_nc: Array, weights_hnn: Array) -> Array:
        """What leaves the block ``[tokens, channels]``, from what goes in and its attention."""
        if self._post_norm:
            middle_nc = before_nc + self._norm("norm1", self._mixed(before_nc, weights_hnn))
            return middle_nc + self._norm("norm2", self._mlp(middle_nc))
        mixed_nc = self._mixed(self._norm("norm1", before_nc), weights_hnn)
        middle_nc = before_nc + self._scaled("scale1", mixed_nc)
        return middle_nc + self._scaled("scale2", self._mlp(self._norm("norm2", middle_nc)))

    def _named(self, name: str) -> Array:
        return self._weights[f"{self._path}/{name}"].astype(np.float32)

    def _has(self, name: str) -> bool:
        return f"{self._path}/{name}" in self._weights

    def _norm(self, which: str, tokens_nc: Array) -> Array:
        centred_nc = tokens_nc - tokens_nc.mean(1, keepdims=True)
        epsilon = 1e-5 if self._post_norm else 1e-6
        deviation_n1 = np.sqrt((centred_nc**2).mean(1, keepdims=True) + epsilon)
        return np.asarray(centred_nc / deviation_n1 * self._named(f"{which}/weight") + self._named(f"{which}/bias"))

    def _linear(self, which: str, tokens_nc: Array) -> Array:
        return np.asarray(tokens_nc @ self._named(f"{which}/weight") + self._named(f"{which}/bias"))

    def _scaled(self, which: str, tokens_nc: Array) -> Array:
        return tokens_nc * self._named(f"{which}/gamma") if self._has(f"{which}/gamma") else tokens_nc

    def _mixed(self, tokens_nc: Array, weights_hnn: Array) -> Array:
        channels = tokens_nc.shape[1]
        value_nc = self._linear("attention/qkv", tokens_nc)[:, 2 * channels :]
        value_hnd = value_nc.reshape(len(tokens_nc), len(weights_hnn), -1).transpose(1, 0, 2)
        # What a row lacks to one went to the padding of a window: tokens of zeros, whose value is the bias.
        padding_hnn = 1 - weights_hnn.sum(-1, keepdims=True)
        bias_h1d = self._named("attention/qkv/bias")[2 * channels :].reshape(len(weights_hnn), 1, -1)
        mixed_hnd = weights_hnn @ value_hnd + (padding_hnn * bias_h1d if self._post_norm else 0)
        return self._linear("attention/proj", mixed_hnd.transpose(1, 0, 2).reshape(tokens_nc.shape))

    def _mlp(self, tokens_nc: Array) -> Array:
        if self._has("mlp/w12/weight"):
            gate_nm, value_nm = np.split(self._linear("mlp/w12", tokens_nc), 2, axis=1)
            return self._linear("mlp/w3", gate_nm / (1 + np.exp(-gate_nm)) * value_nm)
        hidden_nm = self._linear("mlp/fc1", tokens_nc)
        return self._linear("mlp/fc2", hidden_nm * ((1 + _erf(hidden_nm / math.sqrt(2))) / 2).astype(np.float32))
