"""What a Hugging Face ``config.json`` says about a Depth Anything model, read by the rules of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions
from dptscope_export.families.config_values import expect, out_indices
from dptscope_export.families.depth_anything_variants import (
    INDOOR,
    MAX_DEPTH,
    OUTDOOR,
    V1,
    V2,
    Variant,
    v1_taps,
    v2_taps,
)
from dptscope_export.models.dinov2 import HEAD_WIDTH, DinoV2Config

# The backbone of transformers' DepthAnythingConfig where config.json has none.
_DEFAULT_BACKBONE = {"num_attention_heads": 6, "out_indices": [9, 10, 11, 12]}

# Values that the model here computes with; a config that says others is of another model.
_ALLOWED: dict[str, tuple[object, ...]] = {
    "depth_estimation_type": ("relative", "metric"),
    "reassemble_factors": ([4, 2, 1, 0.5],),
    "head_in_index": (-1, 3),  # the finest of the four fused maps
}
_ALLOWED_BACKBONE: dict[str, tuple[object, ...]] = {
    "model_type": ("dinov2",),
    "apply_layernorm": (True,),
    "hidden_act": ("gelu",),
    "layer_norm_eps": (1e-6,),
}


def variant_of_config(
    checkpoint: Checkpoint, config: Mapping[str, Any], encoder: DinoV2Config, options: ExportOptions
) -> Variant:
    """The variant as a Hugging Face ``config.json`` tells it."""
    backbone = _backbone(checkpoint, config)
    heads = backbone.get("num_attention_heads", encoder.heads)
    if heads != encoder.heads:
        raise CheckpointError(
            f"{checkpoint.name}: expected {encoder.heads} attention heads of {HEAD_WIDTH}, got {heads}"
        )
    expect(checkpoint.name, config, _ALLOWED)
    expect(checkpoint.name, backbone, _ALLOWED_BACKBONE)
    first, second, third, fourth = out_indices(checkpoint.name, backbone, encoder.blocks)
    taps = (first - 1, second - 1, third - 1, fourth - 1)

    if config.get("depth_estimation_type", "relative") == "metric":
        metres = config.get("max_depth") or options.max_depth or 1
        if not isinstance(metres, (int, float)) or not 1e-3 <= metres <= 1e6:
            raise CheckpointError(f"{checkpoint.name}: expected max_depth in metres in config.json, got {metres}")
        max_depth = float(metres)
        name = next((n for n, known in MAX_DEPTH.items() if known == max_depth), options.variant)
        if name not in MAX_DEPTH:
            raise VariantError(
                f"{checkpoint.name}: config.json says metric up to {max_depth:g} m, neither indoor nor outdoor: "
                f"say --variant {INDOOR} | {OUTDOOR}"
            )
        if options.max_depth not in (None, max_depth):
            raise VariantError(f"config.json says max_depth {max_depth:g}, got --max-depth {options.max_depth:g}")
    else:
        max_depth, name = None, V1 if taps == v1_taps(encoder) != v2_taps(encoder) else V2
        if options.max_depth is not None:
            raise VariantError(f"--max-depth is for metric models, but config.json says {checkpoint.name} is relative")
    if options.variant not in (None, name):
        raise VariantError(f"config.json says {name}, got --variant {options.variant}")
    return Variant(name, taps, max_depth, evidence="config.json")


def _backbone(checkpoint: Checkpoint, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The backbone's config, or what stands for it: transformers' own where there is none, or what changes a named one."""
    found = config.get("backbone_config")
    if found is None:
        found = _DEFAULT_BACKBONE if config.get("backbone") is None else config.get("backbone_kwargs") or {}
    if config.get("model_type") != "depth_anything" or not isinstance(found, Mapping):
        raise CheckpointError(
            f"{checkpoint.name}: expected config.json of a depth_anything model with a backbone_config, "
            f"got model_type {config.get('model_type')!r}"
        )
    return found
