"""Weights under the published checkpoints' names, as half-precision safetensors, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from demo_model.files import write_atomically

# Our module paths to the published ones, in order; what follows the match is kept.
_RULES: tuple[tuple[str, str], ...] = (
    (r"^encoder\.position\.table$", "pretrained.pos_embed"),
    (r"^encoder\.cls_token$", "pretrained.cls_token"),
    (r"^encoder\.patch_embed\.", "pretrained.patch_embed.proj."),
    (r"^encoder\.block_0*(\d+)\.attention\.", r"pretrained.blocks.\1.attn."),
    (r"^encoder\.block_0*(\d+)\.scale1\.", r"pretrained.blocks.\1.ls1."),
    (r"^encoder\.block_0*(\d+)\.scale2\.", r"pretrained.blocks.\1.ls2."),
    (r"^encoder\.block_0*(\d+)\.", r"pretrained.blocks.\1."),
    (r"^reassemble\.norm\.", "pretrained.norm."),
    (r"^reassemble\.stage_(\d)\.project\.", lambda m: f"depth_head.projects.{int(m[1]) - 1}."),
    (r"^reassemble\.stage_(\d)\.resize\.", lambda m: f"depth_head.resize_layers.{int(m[1]) - 1}."),
    (r"^reassemble\.stage_(\d)\.to_fusion\.", r"depth_head.scratch.layer\1_rn."),
    (r"^fusion\.skip_(\d)\.", r"depth_head.scratch.refinenet\1.resConfUnit1."),
    (r"^fusion\.block_(\d)\.residual_unit\.", r"depth_head.scratch.refinenet\1.resConfUnit2."),
    (r"^fusion\.block_(\d)\.out_conv\.", r"depth_head.scratch.refinenet\1.out_conv."),
    (r"^head\.conv1\.", "depth_head.scratch.output_conv1."),
    (r"^head\.conv2\.", "depth_head.scratch.output_conv2.0."),
    (r"^head\.conv3\.", "depth_head.scratch.output_conv2.2."),
)  # type: ignore[assignment]


def published_name(ours: str) -> str:
    """The name that the published checkpoints give to one of our tensors.

    Raises:
        KeyError: no rule covers it.
    """
    for pattern, replacement in _RULES:
        name, found = re.subn(pattern, replacement, ours)
        if found:
            return name
    raise KeyError(ours)


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under the published names, with the tensors that those carry and nothing uses (as zeros)."""
    published = {published_name(name): tensor for name, tensor in state.items()}
    published["pretrained.mask_token"] = torch.zeros_like(published["pretrained.cls_token"][0])
    for part in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"):
        unit = "depth_head.scratch.refinenet4.resConfUnit{}." + part
        published[unit.format(1)] = torch.zeros_like(published[unit.format(2)])
    return published


def from_published(published: Mapping[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """A float32 state dict for the tensors that we call ``names``."""
    return {name: published[published_name(name)].float() for name in names}


def save(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write half-precision weights in the published layout, with ``metadata`` in the file's header."""
    tensors = {name: tensor.detach().half().contiguous().clone() for name, tensor in to_published(state).items()}
    header = {"variant": "depth-anything-v2", **metadata}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=header))


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by their published names."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
