"""Depth Anything 3's monocular network once more, as one row of plain torch calls on the published tensors.

transformers has none, so this is written from what is known of the original alone, and shares no code with the exporter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from support.oracle import GRID_OFFSET

Tensors = dict[str, torch.Tensor]

BLOCK_EPS, TAP_EPS = 1e-6, 1e-5
ACTIVATION = torch.exp
HEAD = 64  # channels of an attention head
PATCH = 14
PREFIX = "model."  # of the hub's files


@dataclass(frozen=True)
class Answer:
    """What the network gives, and what leaves its blocks, ``[B, 1 + N, C]`` each."""

    depth: torch.Tensor
    sky: torch.Tensor
    tokens: list[torch.Tensor]


def tensors(
    blocks: int = 4,
    width: int = 64,
    grid: int = 5,
    neck: tuple[int, int, int, int] = (16, 24, 32, 40),
    fusion: int = 24,
    hidden: int = 16,
    mlp: int = 2,
    seed: int = 0,
) -> Tensors:
    """Lively random weights in the published names, whose depth and sky vary. What goes into the first
    block is small, so that the epsilon of its norms counts."""
    generator = torch.Generator().manual_seed(seed)
    found: Tensors = {}

    def weight(name: str, *shape: int, gain: float = 1.4) -> None:
        fan_in = math.prod(shape[1:])
        found[f"{name}.weight"] = torch.randn(shape, generator=generator) * (gain / math.sqrt(fan_in))

    def bias(name: str, size: int) -> None:
        found[f"{name}.bias"] = 0.2 * torch.randn(size, generator=generator)

    def layer(name: str, *shape: int, gain: float = 1.4) -> None:
        weight(name, *shape, gain=gain)
        bias(name, shape[0])

    def norm(name: str) -> None:
        found[f"{name}.weight"] = 1 + 0.2 * torch.randn(width, generator=generator)
        bias(name, width)

    encoder, scratch = "backbone.pretrained", "head.scratch"
    found[f"{encoder}.cls_token"] = 0.1 * torch.randn(1, 1, width, generator=generator)
    found[f"{encoder}.pos_embed"] = 0.2 * torch.randn(1, 1 + grid * grid, width, generator=generator)
    layer(f"{encoder}.patch_embed.proj", width, 3, PATCH, PATCH, gain=0.2)
    for block in range(blocks):
        name = f"{encoder}.blocks.{block}"
        norm(f"{name}.norm1")
        layer(f"{name}.attn.qkv", 3 * width, width)
        layer(f"{name}.attn.proj", width, width)
        norm(f"{name}.norm2")
        layer(f"{name}.mlp.fc1", mlp * width, width)
        layer(f"{name}.mlp.fc2", width, mlp * width)
        for scale in ("ls1", "ls2"):
            found[f"{name}.{scale}.gamma"] = 0.4 + 0.2 * torch.randn(width, generator=generator)
    norm(f"{encoder}.norm")
    for index, channels in enumerate(neck):
        layer(f"head.projects.{index}", channels, width, 1, 1)
        weight(f"{scratch}.layer{index + 1}_rn", fusion, channels, 3, 3)
    for index, (channels, side) in enumerate(zip(neck, (4, 2, 0, 3), strict=True)):
        if side:  # the first two are transposed, and each of their outputs has one input a channel
            gain = 1.4 * (side if index < 2 else 1)
            layer(f"head.resize_layers.{index}", channels, channels, side, side, gain=gain)
    for number in (1, 2, 3, 4):
        name = f"{scratch}.refinenet{number}"
        layer(f"{name}.out_conv", fusion, fusion, 1, 1)
        for unit in (1, 2)[number == 4 :]:  # the published files have no first unit in the coarsest block
            for conv in (1, 2):
                layer(f"{name}.resConfUnit{unit}.conv{conv}", fusion, fusion, 3, 3, gain=0.7)
    layer(f"{scratch}.output_conv1", fusion // 2, fusion, 3, 3)
    for name in ("output_conv2", "sky_output_conv2"):
        layer(f"{scratch}.{name}.0", hidden, fusion // 2, 3, 3)
        layer(f"{scratch}.{name}.2", 1, hidden, 1, 1)
    _set_last_layers(found, generator, grid)
    return {PREFIX + name: tensor for name, tensor in found.items()}


def _set_last_layers(found: Tensors, generator: torch.Generator, grid: int) -> None:
    """The logarithm of the depth about zero with a deviation of a half, so that no single pixel makes the depth's; a sky that
    its ReLU cuts on a third of the image."""
    side = min(grid, 5) * PATCH
    image = torch.randn(4, 3, side, 2 * side, generator=generator)
    for name, middle, deviation in (("output_conv2.2", 0.5, 0.5), ("sky_output_conv2.2", 0.35, 1.0)):
        name = f"head.scratch.{name}"
        _, maps = _run(found, image)
        factor = deviation / maps[name].std()
        found[f"{name}.weight"] *= factor
        found[f"{name}.bias"] = (found[f"{name}.bias"] - maps[name].quantile(middle)) * factor


def run(weights: Tensors, image: torch.Tensor, scales: tuple[float, float, float, float] = (1, 1, 1, 1)) -> Answer:
    """Depth and sky ``[B, H, W]``, and the tokens that leave each block."""
    found = {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}
    torch.zeros(1).exp()  # in several threads at once the first call of a process may be imprecise: pytorch#188792
    with torch.no_grad():
        tokens, maps = _run(found, image, scales)
    depth, sky = (maps[f"head.scratch.{name}.2"] for name in ("output_conv2", "sky_output_conv2"))
    return Answer(ACTIVATION(depth)[:, 0], sky.relu()[:, 0], tokens)


def taps_of(blocks: int) -> tuple[int, ...]:
    """The blocks that feed the fusion: the last of each quarter, but for the fifth of 24."""
    return (4, 11, 17, 23) if blocks == 24 else tuple(blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4))


def _run(
    w: Tensors, image: torch.Tensor, scales: tuple[float, float, float, float] = (1, 1, 1, 1)
) -> tuple[list[torch.Tensor], Tensors]:
    tokens = encode(w, image)
    rows, columns = image.shape[2] // PATCH, image.shape[3] // PATCH
    maps = []
    for index, tap in enumerate(taps_of(len(tokens))):
        patches = norm(w, "backbone.pretrained.norm", tokens[tap], TAP_EPS)[:, 1:]
        x = patches.transpose(1, 2).reshape(image.shape[0], -1, rows, columns)
        maps.append(reassemble(w, index, conv(w, f"head.projects.{index}", x)))

    x = fuse(w, maps, scales, rows, columns)
    x = F.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=True)
    last = {}
    for name in ("head.scratch.output_conv2", "head.scratch.sky_output_conv2"):
        last[f"{name}.2"] = conv(w, f"{name}.2", conv(w, f"{name}.0", x).relu())
    return tokens, last


def reassemble(w: Tensors, index: int, x: torch.Tensor) -> torch.Tensor:
    """A map of the grid, after its projection, to one of the four that are fused."""
    name = f"head.resize_layers.{index}"
    if index < 2:
        x = F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=4 // (index + 1))
    elif index == 3:
        x = F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)
    return F.conv2d(x, w[f"head.scratch.layer{index + 1}_rn.weight"], padding=1)


def fuse(
    w: Tensors, maps: list[torch.Tensor], scales: tuple[float, float, float, float], rows: int, columns: int
) -> torch.Tensor:
    """Four maps to one of eight times the grid, after the head's first convolution."""
    x = maps[3] * scales[3]
    for number in (4, 3, 2, 1):
        name = f"head.scratch.refinenet{number}"
        if number < 4:
            x = x * scales[number - 1] + unit(w, f"{name}.resConfUnit1", maps[number - 1])
        x = unit(w, f"{name}.resConfUnit2", x)
        size = maps[number - 2].shape[-2:] if number > 1 else (8 * rows, 8 * columns)
        x = conv(w, f"{name}.out_conv", F.interpolate(x, size=size, mode="bilinear", align_corners=True))
    return conv(w, "head.scratch.output_conv1", x)


def embed(w: Tensors, image: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """What goes into the first block, and the grid's rows and columns."""
    encoder = "backbone.pretrained"
    kernel = w[f"{encoder}.patch_embed.proj.weight"]
    x = F.conv2d(image, kernel, w[f"{encoder}.patch_embed.proj.bias"], stride=PATCH)
    rows, columns = x.shape[-2:]
    x = torch.cat([w[f"{encoder}.cls_token"].expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
    return x + positions(w[f"{encoder}.pos_embed"], rows, columns), rows, columns


def encode(w: Tensors, image: torch.Tensor) -> list[torch.Tensor]:
    x, _, _ = embed(w, image)
    tokens: list[torch.Tensor] = []
    while f"{(name := f'backbone.pretrained.blocks.{len(tokens)}')}.norm1.weight" in w:
        x = leave_block(w, name, x, partial(attend, w, f"{name}.attn"))
        tokens.append(x)
    return tokens


def leave_block(
    w: Tensors, name: str, x: torch.Tensor, attention: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    x = x + w[f"{name}.ls1.gamma"] * attention(norm(w, f"{name}.norm1", x, BLOCK_EPS))
    hidden = F.gelu(linear(w, f"{name}.mlp.fc1", norm(w, f"{name}.norm2", x, BLOCK_EPS)))
    return x + w[f"{name}.ls2.gamma"] * linear(w, f"{name}.mlp.fc2", hidden)


def positions(table: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    native = math.isqrt(table.shape[1] - 1)
    if rows == columns == native:
        return table
    patches = table[:, 1:].reshape(1, native, native, -1).permute(0, 3, 1, 2)
    factors = ((rows + GRID_OFFSET) / native, (columns + GRID_OFFSET) / native)
    resized = F.interpolate(patches, scale_factor=factors, mode="bicubic", align_corners=False)
    assert resized.shape[-2:] == (rows, columns)
    return torch.cat([table[:, :1], resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def attend(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    attended = F.scaled_dot_product_attention(*project(w, name, x))
    return linear(w, f"{name}.proj", attended.transpose(1, 2).reshape(x.shape))


def project(w: Tensors, name: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values, ``[B, heads, 1 + N, 64]`` each."""
    batch, count, width = x.shape
    heads = linear(w, f"{name}.qkv", x).reshape(batch, count, 3, width // HEAD, HEAD)
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    return query, key, value


def unit(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return x + conv(w, f"{name}.conv2", conv(w, f"{name}.conv1", x.relu()).relu())


def conv(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def linear(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def norm(w: Tensors, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)
