"""Holding the torch model and its exported file against an independent implementation of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import dptscope
from dptscope import contract
from dptscope.norms import token_norms
from dptscope_export.models.dpt import DPT

DEPTH_LIMIT = 2e-4  # of the map's standard deviation
NORM_LIMIT = 4e-6  # of the block's mean
SPECIAL_LIMIT = 1e-4  # of what leaves a block, whose deviation is about one

Scales = tuple[float, float, float, float]


def apart(
    depth: Tensor, tokens: Sequence[Tensor], wanted_depth: Tensor, wanted_tokens: Sequence[Tensor]
) -> tuple[float, float]:
    """Largest differences of depth and of norms of tokens, in units of their limits.

    Args:
        depth, wanted_depth: ``[B, H, W]``.
        tokens, wanted_tokens: that leave each block, ``[B, special tokens and patches, C]``.
    """
    of_norms = []
    for got, wanted in zip(tokens, wanted_tokens, strict=True):
        assert got.shape == wanted.shape
        norms = wanted.norm(dim=-1)
        of_norms.append(float((got.norm(dim=-1) - norms).abs().max() / norms.mean()))
    of_depth = float((depth - wanted_depth).abs().max() / wanted_depth.std())
    return of_depth / DEPTH_LIMIT, max(of_norms) / NORM_LIMIT


def model_apart(
    model: DPT, image: Tensor, wanted_depth: Tensor, wanted_tokens: Sequence[Tensor], least: float = 0.05
) -> tuple[float, float]:
    """What the torch model is :func:`apart` from another implementation; its special tokens channel by channel.

    Args:
        model: the model.
        image: ``[B, 3, H, W]``.
        wanted_depth, wanted_tokens: what the other gives.
        least: standard deviation of a depth that proves something.
    """
    with torch.no_grad():
        features = model.features(image)
        depth = model.depth(features.fusion_inputs)
    assert wanted_depth.std() > least, "a dull depth proves nothing"
    assert depth.shape == wanted_depth.shape == (len(image), *image.shape[2:])
    tokens, of_special = [], [0.0]
    for index, (patches, wanted) in enumerate(zip(features.block_tokens, wanted_tokens, strict=True)):
        rows, columns = patches.shape[1:3]
        assert rows * image.shape[3] == columns * image.shape[2], "a grid as wide as the image"
        both = features.block_cls_tokens, features.block_register_tokens
        parts = [part[:, index].reshape(len(image), -1, wanted.shape[-1]) for part in both if part is not None]
        tokens.append(torch.cat([*parts, patches.flatten(1, 2)], dim=1))
        if parts:
            count = sum(part.shape[1] for part in parts)
            difference = (tokens[-1] - wanted)[:, :count].abs().max()
            of_special.append(float(difference / wanted[:, :count].norm(dim=-1).mean()) / NORM_LIMIT)
    of_depth, of_norms = apart(depth, tokens, wanted_depth, wanted_tokens)
    return of_depth, max(of_norms, *of_special)


def hold_file(
    path: Path,
    image: Tensor,
    maps: Mapping[str, Tensor],
    tokens: Sequence[Tensor],
    special: Sequence[str] = (contract.BLOCK_CLS_TOKENS,),
    scales: Scales = (1, 1, 1, 1),
    least: float = 0.05,
) -> None:
    """Run an exported file, and hold maps, norms and special tokens against what another implementation gives.

    Args:
        path: the file.
        image: ``[B, 3, H, W]``.
        maps: what is wanted, ``[B, H, W]`` each, by the contract's name.
        tokens: that are wanted of each block, ``[B, special tokens and patches, C]``.
        special: the outputs of the tokens before the patches, in their order.
        scales: of the fusion.
        least: standard deviation of a map that proves something.
    """
    names = [contract.block_tokens_name(index) for index in range(len(tokens))]
    got = dptscope.load(path).run(image.numpy(), [*maps, *special, *names], scales)
    for name, wanted_map in maps.items():
        wanted = wanted_map.numpy()
        assert wanted.std() > least, "a dull map proves nothing"
        assert got[name].shape == wanted.shape == (len(image), *image.shape[2:])
        assert np.abs(got[name] - wanted).max() <= DEPTH_LIMIT * wanted.std(), name
    for index, (name, wanted_bnc) in enumerate(zip(names, tokens, strict=True)):
        batch, rows, columns, channels = got[name].shape
        assert rows * image.shape[3] == columns * image.shape[2], "a grid as wide as the image"
        parts = [got[each][:, index].reshape(batch, -1, channels) for each in special]
        tokens_bnc = np.concatenate([*parts, got[name].reshape(batch, -1, channels)], axis=1)
        wanted = wanted_bnc.numpy()
        assert tokens_bnc.shape == wanted.shape
        norms = token_norms(wanted)
        assert np.abs(token_norms(tokens_bnc) - norms).max() <= NORM_LIMIT * norms.mean(), f"block {index}"
        count = wanted.shape[1] - rows * columns
        np.testing.assert_allclose(tokens_bnc[:, :count], wanted[:, :count], rtol=0, atol=SPECIAL_LIMIT)
