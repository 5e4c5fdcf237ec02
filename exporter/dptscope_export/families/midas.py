"""What the MiDaS 3.1 families share: names of the fusion and the head in both layouts, and how a photo is prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dptscope import Preparation
from dptscope.card import ResizeRule
from dptscope.contract import FUSION_BLOCKS
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions
from dptscope_export.families.config_values import expect

PHOTO_MULTIPLE = 32  # pixels; MiDaS resizes photos to multiples of this, whatever the encoder would take

UNUSED_ORIGINAL = (
    r"scratch\.refinenet4\.resConfUnit1\..*",  # there is nothing on the skip path of the coarsest block
)
UNUSED_HUGGING_FACE = (r"neck\.fusion_stage\.layers\.0\.residual_layer1\..*",)

# Our convolutions of the head, by their place in the original's sequence of layers.
_HEAD_CONVOLUTIONS = {"conv1": 0, "conv2": 2, "conv3": 4}


def original_decoder() -> dict[str, str]:
    """Our fusion and head modules to those of the original checkpoints."""
    modules = {f"head.{ours}": f"scratch.output_conv.{index}" for ours, index in _HEAD_CONVOLUTIONS.items()}
    for number in FUSION_BLOCKS:
        modules |= _fusion_block(number, f"scratch.refinenet{number}", "out_conv", "resConfUnit{}.conv{}")
    return modules


def hugging_face_decoder() -> dict[str, str]:
    """Our fusion and head modules to those of a Hugging Face checkpoint, which counts from coarse to fine."""
    modules = {f"head.{ours}": f"head.head.{index}" for ours, index in _HEAD_CONVOLUTIONS.items()}
    for number in FUSION_BLOCKS:
        theirs = f"neck.fusion_stage.layers.{len(FUSION_BLOCKS) - number}"
        modules |= _fusion_block(number, theirs, "projection", "residual_layer{}.convolution{}")
    return modules


def _fusion_block(number: int, theirs: str, out_conv: str, unit: str) -> dict[str, str]:
    modules = {f"fusion.block_{number}.out_conv": f"{theirs}.{out_conv}"}
    for conv in (1, 2):
        modules[f"fusion.block_{number}.residual_unit.conv{conv}"] = f"{theirs}.{unit.format(2, conv)}"
        if number < FUSION_BLOCKS[-1]:
            modules[f"fusion.skip_{number}.conv{conv}"] = f"{theirs}.{unit.format(1, conv)}"
    return modules


def bias_without_keys(query_and_value: Sequence[Tensor]) -> Tensor:
    """Bias of the joint projection: queries and values have one, keys have none."""
    query, value = query_and_value
    return torch.cat([query, torch.zeros_like(query), value])


@dataclass(frozen=True)
class DecoderWidths:
    """Channels of the fusion maps, and after the head's first and second convolution."""

    fusion: int
    middle: int
    head: int


def decoder_widths(checkpoint: Checkpoint, original: bool) -> DecoderWidths:
    """Read the widths from the tensors' shapes."""
    to_fusion, head = ("scratch.layer1_rn", "scratch.output_conv") if original else ("neck.convs.0", "head.head")
    return DecoderWidths(
        fusion=checkpoint.shape(f"{to_fusion}.weight")[0],
        middle=checkpoint.shape(f"{head}.0.weight")[0],
        head=checkpoint.shape(f"{head}.2.weight")[0],
    )


def preparation(resize_rule: ResizeRule) -> Preparation:
    """The photo's way into every MiDaS 3.1 model, but for the rule of its size."""
    return Preparation(
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        resize_rule=resize_rule,
        multiple=PHOTO_MULTIPLE,
        output_resize="bicubic",
    )


def check_wishes(variant: str, options: ExportOptions) -> None:
    """All MiDaS models are relative, and their tensors tell which one they are.

    Raises:
        VariantError: the user says otherwise.
    """
    if options.variant not in (None, variant):
        raise VariantError(f"the tensors say {variant}, got --variant {options.variant}")
    if options.max_depth is not None:
        raise VariantError(f"--max-depth is for metric models, got {options.max_depth:g} for {variant}")


def backbone_config(checkpoint: Checkpoint, model_type: str) -> Mapping[str, Any]:
    """The backbone's part of a Hugging Face ``config.json``.

    Raises:
        CheckpointError: it is the config of another architecture.
    """
    config = checkpoint.config or {}
    backbone = config.get("backbone_config")
    if not isinstance(backbone, Mapping) or backbone.get("model_type") != model_type:
        raise CheckpointError(
            f"{checkpoint.name}: expected config.json of a dpt model with a {model_type} backbone_config"
        )
    expect(checkpoint.name, config, _ALLOWED | (_ALLOWED_WITH_TOKENS if model_type == "beit" else {}))
    return backbone


# Values that the models here compute with. Swin V2 has no class token to read out, and its maps are a pyramid already.
_ALLOWED: dict[str, tuple[object, ...]] = {"head_in_index": (-1, 3)}  # the finest of the four fused maps
_ALLOWED_WITH_TOKENS: dict[str, tuple[object, ...]] = {
    "readout_type": ("project",),
    "reassemble_factors": ([4, 2, 1, 0.5],),
}


def two(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    """Rows and columns of a matrix.

    Raises:
        CheckpointError: it is missing or no matrix.
    """
    shape = checkpoint.shape(name)
    if len(shape) != 2:
        raise CheckpointError(f"{checkpoint.name}: expected {name} with two axes, got {shape}")
    return shape[0], shape[1]
