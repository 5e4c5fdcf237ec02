"""Depth Anything 3's any-view network on one photo once more, as one row of plain torch calls on the published tensors.

transformers has none, so this is written from what is known of the original alone, and shares no code with the exporter. What
it has in common with the monocular network is in :mod:`support.da3_oracle`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from support import da3_oracle
from support.da3_oracle import HEAD, PATCH, PREFIX, Tensors, conv, fuse, linear, norm, reassemble

ENCODER = "backbone.pretrained"
EPS = 1e-5  # of all norms that are not in V2's encoder
TURN_BASE, WAVE_BASE, WAVE_FACTOR = 100.0, 100.0, 0.1
CAMERA = 0  # which of the two tokens
FIRST_PATCH = 1  # its row and column
GLOBAL_PLACE = 1  # row and column of every patch in global blocks
GLOBAL_ODD = 1  # remainder of their numbers
PAIR = 16  # from a channel to its partner


@dataclass(frozen=True)
class Answer:
    """What the network gives, and what leaves its blocks, ``[B, 1 + N, C]`` each."""

    depth: torch.Tensor
    confidence: torch.Tensor
    tokens: list[torch.Tensor]


def tensors(blocks: int = 4, first: int = 1, width: int = 128, mlp: int = 1, seed: int = 0, **sizes: Any) -> Tensors:
    """Lively random weights in the published names, with some of the tensors that a single photo has no use for."""
    found = da3_oracle.tensors(blocks=blocks, width=width, mlp=mlp, seed=seed, **sizes)
    generator = torch.Generator().manual_seed(seed + 1)
    found = {name.removeprefix(PREFIX): tensor for name, tensor in found.items() if "sky" not in name}
    found[f"{ENCODER}.camera_token"] = torch.randn(1, 2, width, generator=generator)
    for block in range(first, blocks):
        for part in ("q_norm", "k_norm"):
            name = f"{ENCODER}.blocks.{block}.attn.{part}"
            found[f"{name}.weight"] = 1.5 + 0.4 * torch.randn(HEAD, generator=generator)
            found[f"{name}.bias"] = 0.5 * torch.randn(HEAD, generator=generator)
    found["head.norm.weight"] = 1 + 0.2 * torch.randn(2 * width, generator=generator)
    found["head.norm.bias"] = 0.2 * torch.randn(2 * width, generator=generator)
    for index in range(4):
        name = f"head.projects.{index}.weight"
        channels = found[name].shape[0]
        found[name] = torch.randn(channels, 2 * width, 1, 1, generator=generator) / math.sqrt(width)
    last = "head.scratch.output_conv2.2"
    hidden = found[f"{last}.weight"].shape[1]
    found[f"{last}.weight"] = torch.randn(2, hidden, 1, 1, generator=generator)
    found[f"{last}.bias"] = torch.zeros(2)
    for name in ("cam_enc.token_norm.weight", "cam_dec.fc_t.weight", "head.scratch.refinenet4_aux.out_conv.bias"):
        found[name] = torch.zeros(3)
    image = torch.randn(2, 3, 5 * PATCH, 9 * PATCH, generator=generator)
    logits = _run(found, image, (1, 1, 1, 1))[1]
    deviation_2, middle_2 = logits.std(dim=(0, 2, 3)), logits.mean(dim=(0, 2, 3))
    found[f"{last}.weight"] *= (0.5 / deviation_2)[:, None, None, None]
    found[f"{last}.bias"] = -middle_2 * 0.5 / deviation_2
    return {PREFIX + name: tensor for name, tensor in found.items()}


def run(weights: Tensors, image: torch.Tensor, scales: tuple[float, float, float, float] = (1, 1, 1, 1)) -> Answer:
    """Depth and confidence ``[B, H, W]``, and the tokens that leave each block."""
    found = {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}
    torch.zeros(1).exp()  # in several threads at once the first call of a process may be imprecise: pytorch#188792
    with torch.no_grad():
        tokens, logits = _run(found, image, scales)
    return Answer(logits[:, 0].exp(), 1 + logits[:, 1].exp(), tokens)


def taps_of(blocks: int, first: int) -> tuple[int, ...]:
    """The blocks that feed the fusion."""
    published = {(12, 4): (5, 7, 9, 11), (24, 8): (11, 15, 19, 23), (40, 13): (19, 27, 33, 39)}
    return published.get((blocks, first)) or {(4, 1): (1, 3, 3, 3)}[blocks, first]


def first_of(w: Tensors) -> int:
    return min(int(name.split(".")[3]) for name in w if name.endswith("attn.q_norm.weight"))


def last_local(tap: int, first: int) -> int:
    """The last block up to a tap that attends within photos."""
    return max(block for block in range(tap + 1) if block < first or block % 2 != GLOBAL_ODD)


def pair(local: torch.Tensor, own: torch.Tensor, w: Tensors) -> torch.Tensor:
    """A tap's channels, twice as many, before the head's norm."""
    return torch.cat([local, norm(w, f"{ENCODER}.norm", own, EPS)], dim=-1)


def _run(
    w: Tensors, image: torch.Tensor, scales: tuple[float, float, float, float]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    tokens = encode(w, image)
    rows, columns = image.shape[2] // PATCH, image.shape[3] // PATCH
    first, aspect = first_of(w), image.shape[3] / image.shape[2]
    maps = []
    for index, tap in enumerate(taps_of(len(tokens), first)):
        both = pair(tokens[last_local(tap, first)], tokens[tap], w)
        x = norm(w, "head.norm", both, EPS)[:, 1:].transpose(1, 2).reshape(image.shape[0], -1, rows, columns)
        maps.append(reassemble(w, index, place(conv(w, f"head.projects.{index}", x), aspect)))
    x = fuse(w, maps, scales, rows, columns)
    x = place(F.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=True), aspect)
    return tokens, conv(w, "head.scratch.output_conv2.2", conv(w, "head.scratch.output_conv2.0", x).relu())


def encode(w: Tensors, image: torch.Tensor) -> list[torch.Tensor]:
    x, rows, columns = da3_oracle.embed(w, image)
    first = first_of(w)
    tokens: list[torch.Tensor] = []
    while f"{ENCODER}.blocks.{len(tokens)}.norm1.weight" in w:
        block = len(tokens)
        name = f"{ENCODER}.blocks.{block}"
        if block == first:
            x = torch.cat([w[f"{ENCODER}.camera_token"][:, [CAMERA]].expand(x.shape[0], -1, -1), x[:, 1:]], dim=1)
        turns = None
        if block >= first:
            turns = turns_of(rows, columns, block % 2 == GLOBAL_ODD)
        x = da3_oracle.leave_block(w, name, x, partial(attend, w, f"{name}.attn", turns=turns))
        tokens.append(x)
    return tokens


def turns_of(rows: int, columns: int, everywhere: bool) -> torch.Tensor:
    """Complex numbers that a head's pairs are multiplied with, ``[1 + N, 32]``: 16 by the row, 16 by the column."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack([row, column], dim=-1).reshape(-1, 2) + FIRST_PATCH
    if everywhere:
        places = torch.full_like(places, GLOBAL_PLACE)
    places = torch.cat([torch.zeros(1, 2), places])
    angles = places[:, :, None] / TURN_BASE ** (torch.arange(0, 32, 2).double() / 32)
    return torch.polar(torch.ones_like(angles), angles).flatten(1)


def turn(vectors: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Queries or keys ``[B, heads, 1 + N, 64]`` as complex numbers of channels i and i + 16 of each half."""
    if PAIR == 1:  # neighbours, as elsewhere
        halves = vectors.double().unflatten(-1, (2, 16, 2)).transpose(-1, -2)
    else:
        halves = vectors.double().unflatten(-1, (2, 2, 16))
    turned = torch.complex(halves[..., 0, :], halves[..., 1, :]) * turns.unflatten(-1, (2, 16))
    return torch.stack([turned.real, turned.imag], dim=-2).flatten(-3).float()


def prepare(w: Tensors, name: str, vectors: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Queries or keys, normalised and turned."""
    return turn(norm(w, name, vectors, EPS), turns)


def attend(w: Tensors, name: str, x: torch.Tensor, turns: torch.Tensor | None) -> torch.Tensor:
    if turns is None:
        return da3_oracle.attend(w, name, x)
    query, key, value = da3_oracle.project(w, name, x)
    query, key = prepare(w, f"{name}.q_norm", query, turns), prepare(w, f"{name}.k_norm", key, turns)
    attended = F.scaled_dot_product_attention(query, key, value)
    return linear(w, f"{name}.proj", attended.transpose(1, 2).reshape(x.shape))


def span_of(aspect: float) -> tuple[float, float]:
    """Half of the photo's width and height, in halves of its diagonal."""
    return aspect / math.hypot(aspect, 1), 1 / math.hypot(aspect, 1)


def ends(span: float, count: int) -> torch.Tensor:
    """The coordinate of each place along one side."""
    return torch.linspace(-span * (count - 1) / count, span * (count - 1) / count, count, dtype=torch.float64)


def waves(places: torch.Tensor, channels: int) -> torch.Tensor:
    """``[places, channels / 2]``."""
    quarter = channels // 4
    angles = places[:, None] / WAVE_BASE ** (torch.arange(quarter).double() / quarter)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def place(x: torch.Tensor, aspect: float) -> torch.Tensor:
    """A map with what tells its places added, channel by channel."""
    _, channels, height, width = x.shape
    across, down = span_of(aspect)
    u = waves(ends(across, width), channels)[None].expand(height, -1, -1)
    v = waves(ends(down, height), channels)[:, None].expand(-1, width, -1)
    return x + WAVE_FACTOR * torch.cat([u, v], dim=-1).permute(2, 0, 1).float()
