"""The model as it is trained: it computes the same, in ways that suit a step in bfloat16 on a GPU."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope.contract import FUSION_BLOCKS
from dptscope_export.models.dinov2 import Attention, Block


def prepare_for_training(model: nn.Module, device: torch.device) -> None:
    """Let the model compute

    - its last layer in float32 under autocast: bfloat16 has steps of 1/128 around 1, which would turn smooth depth into
      stairs;
    - attention without its matrix in memory;
    - positions once for each grid, as they are not trained;
    - resizes as products of matrices, whose gradient is one, too: PyTorch's adds pixel by pixel;
    - blocks, on a GPU, compiled: most of their time is spent on what lies between the products.
    """
    layer = model.head.conv3

    def last(x_bchw: Tensor) -> Tensor:
        with torch.autocast(device.type, enabled=False):
            return F.conv2d(x_bchw.float(), layer.weight, layer.bias)

    layer.forward = last
    for number in FUSION_BLOCKS:
        model.fusion.get_submodule(f"block_{number}").enlarge = _enlarge
    position = model.encoder.position
    position.forward = cache(position.forward)
    model.head.enlarge = lambda x_bchw, head=model.head: _by_factor(head.conv1(x_bchw), head.upsample)
    model.to(device, memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, Attention):
            module.forward = lambda tokens_bnc, attention=module: _attend(attention, tokens_bnc)
        elif isinstance(module, Block) and device.type == "cuda":
            module.forward = torch.compile(module.forward, dynamic=True)  # when it is first called


def _attend(attention: Attention, tokens_bnc: Tensor) -> Tensor:
    query, key, value = (
        part_bnc.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for part_bnc in attention.qkv(tokens_bnc).chunk(3, -1)
    )
    return attention.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


def _enlarge(x_bchw: Tensor, next_bchw: Tensor | None) -> Tensor:
    """To the size of the next finer map, or to twice its own where there is none."""
    return _by_factor(x_bchw, 2) if next_bchw is None else resize(x_bchw, (next_bchw.shape[2], next_bchw.shape[3]))


def _by_factor(x_bchw: Tensor, factor: float) -> Tensor:
    return resize(x_bchw, (int(x_bchw.shape[2] * factor), int(x_bchw.shape[3] * factor)))


def resize(x_bchw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """What ``interpolate(mode="bilinear", align_corners=True)`` gives, with the channels last in memory."""
    rows, columns = (
        line(before, after, x_bchw.device, x_bchw.dtype)
        for before, after in zip(x_bchw.shape[2:], size_hw, strict=True)
    )
    wide_bhwc = columns @ x_bchw.permute(0, 2, 3, 1)
    return (rows @ wide_bhwc.flatten(2)).unflatten(2, (size_hw[1], -1)).permute(0, 3, 1, 2)


@cache
def line(before: int, after: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """``[after, before]``: what each sample of a resized line takes from the samples before; both ends stay."""
    position_a = torch.linspace(0, before - 1, after, dtype=torch.float64)[:, None]
    return (1 - (position_a - torch.arange(before)).abs()).clamp_min(0).to(device, dtype)
