"""Depth Anything 3's monocular network once more, as one row of plain torch calls on the published tensors.

transformers has none, so this is written from what is known of the original alone, and shares no code with the exporter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    image = torch.randn(4, 3, grid * PATCH, 2 * grid * PATCH, generator=generator)
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
    tokens = _encode(w, image)
    rows, columns = image.shape[2] // PATCH, image.shape[3] // PATCH
    maps = []
    for index, tap in enumerate(taps_of(len(tokens))):
        patches = _norm(w, "backbone.pretrained.norm", tokens[tap], TAP_EPS)[:, 1:]
        x = patches.transpose(1, 2).reshape(image.shape[0], -1, rows, columns)
        x = _conv(w, f"head.projects.{index}", x)
        name = f"head.resize_layers.{index}"
        if index < 2:
            x = F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=4 // (index + 1))
        elif index == 3:
            x = F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)
        maps.append(F.conv2d(x, w[f"head.scratch.layer{index + 1}_rn.weight"], padding=1))

    x = maps[3] * scales[3]
    for number in (4, 3, 2, 1):
        name = f"head.scratch.refinenet{number}"
        if number < 4:
            x = x * scales[number - 1] + _unit(w, f"{name}.resConfUnit1", maps[number - 1])
        x = _unit(w, f"{name}.resConfUnit2", x)
        size = maps[number - 2].shape[-2:] if number > 1 else (8 * rows, 8 * columns)
        x = _conv(w, f"{name}.out_conv", F.interpolate(x, size=size, mode="bilinear", align_corners=True))
    x = _conv(w, "head.scratch.output_conv1", x)
    x = F.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=True)
    last = {}
    for name in ("head.scratch.output_conv2", "head.scratch.sky_output_conv2"):
        last[f"{name}.2"] = _conv(w, f"{name}.2", _conv(w, f"{name}.0", x).relu())
    return tokens, last


def _encode(w: Tensors, image: torch.Tensor) -> list[torch.Tensor]:
    encoder = "backbone.pretrained"
    kernel = w[f"{encoder}.patch_embed.proj.weight"]
    x = F.conv2d(image, kernel, w[f"{encoder}.patch_embed.proj.bias"], stride=PATCH)
    rows, columns = x.shape[-2:]
    x = torch.cat([w[f"{encoder}.cls_token"].expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
    x = x + _positions(w[f"{encoder}.pos_embed"], rows, columns)
    tokens = []
    block = 0
    while f"{encoder}.blocks.{block}.norm1.weight" in w:
        name = f"{encoder}.blocks.{block}"
        x = x + w[f"{name}.ls1.gamma"] * _attend(w, f"{name}.attn", _norm(w, f"{name}.norm1", x, BLOCK_EPS))
        hidden = F.gelu(_linear(w, f"{name}.mlp.fc1", _norm(w, f"{name}.norm2", x, BLOCK_EPS)))
        x = x + w[f"{name}.ls2.gamma"] * _linear(w, f"{name}.mlp.fc2", hidden)
        tokens.append(x)
        block += 1
    return tokens


def _positions(table: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    native = math.isqrt(table.shape[1] - 1)
    if rows == columns == native:
        return table
    patches = table[:, 1:].reshape(1, native, native, -1).permute(0, 3, 1, 2)
    factors = ((rows + GRID_OFFSET) / native, (columns + GRID_OFFSET) / native)
    resized = F.interpolate(patches, scale_factor=factors, mode="bicubic", align_corners=False)
    assert resized.shape[-2:] == (rows, columns)
    return torch.cat([table[:, :1], resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def _attend(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    batch, count, width = x.shape
    query, key, value = (
        _linear(w, f"{name}.qkv", x).reshape(batch, count, 3, width // HEAD, HEAD).permute(2, 0, 3, 1, 4)
    )
    attended = F.scaled_dot_product_attention(query, key, value)
    return _linear(w, f"{name}.proj", attended.transpose(1, 2).reshape(batch, count, width))


def _unit(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return x + _conv(w, f"{name}.conv2", _conv(w, f"{name}.conv1", x.relu()).relu())


def _conv(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _linear(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def _norm(w: Tensors, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)
