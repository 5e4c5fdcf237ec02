"""Telling Depth Anything's variants apart.

V1, V2 and both metric kinds of one size hold identical tensors (names, order, shapes, dtypes), but differ in the blocks
that feed the fusion and in the last activation. A wrong guess is silent and wrong by whole standard deviations, so only a
Hugging Face config, our own file metadata, an exact published file name or the user counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions
from dptscope_export.families.config_values import whole_numbers
from dptscope_export.models.dinov2 import HEAD_WIDTH, DinoV2Config

V1 = "depth-anything-v1"
V2 = "depth-anything-v2"
INDOOR = "depth-anything-v2-metric-indoor"
OUTDOOR = "depth-anything-v2-metric-outdoor"
MAX_DEPTH = {INDOOR: 20.0, OUTDOOR: 80.0}  # metres: Hypersim, Virtual KITTI
VARIANTS = (V1, V2, INDOOR, OUTDOOR)
VARIANT_KEY = "variant"  # in the metadata of safetensors files that we write


# Blocks that feed the fusion in V2. ViT-L reads block 4, not 5 as an even spacing would have it.
V2_TAPS = {12: (2, 5, 8, 11), 24: (4, 11, 17, 23), 40: (9, 19, 29, 39)}

_PUBLISHED = {
    re.compile(r"depth_anything_(vit[sbl])14\.pth"): V1,
    re.compile(r"depth_anything_v2_(vit[sblg])\.pth"): V2,
    re.compile(r"depth_anything_v2_metric_hypersim_(vit[sblg])\.pth"): INDOOR,
    re.compile(r"depth_anything_v2_metric_vkitti_(vit[sblg])\.pth"): OUTDOOR,
}


@dataclass(frozen=True)
class Variant:
    """What one variant comes down to.

    Attributes:
        name: one of :data:`VARIANTS`.
        taps: the blocks that feed the fusion, fine to coarse.
        max_depth: metres at the end of a metric model's range, else None.
        evidence: what told it.
        notes: lines that the user should read.
    """

    name: str
    taps: tuple[int, int, int, int]
    max_depth: float | None
    evidence: str
    notes: tuple[str, ...] = ()


def tell_variant(checkpoint: Checkpoint, encoder: DinoV2Config, options: ExportOptions) -> Variant:
    """Tell the variant from a config, our own metadata, an exact published name or the user.

    Raises:
        VariantError: nothing tells it, or the user contradicts the config.
        CheckpointError: the config does not fit the tensors.
    """
    if options.variant is not None and options.variant not in VARIANTS:
        raise VariantError(f"expected --variant {' | '.join(VARIANTS)}, got {options.variant}")
    if checkpoint.config is not None:
        return _from_config(checkpoint, checkpoint.config, encoder, options)
    notes: tuple[str, ...] = ()
    named = _named_variant(checkpoint)
    if options.variant is not None:
        name, evidence = options.variant, f"--variant {options.variant}"
        if named is not None and named[0] != name:
            notes = (f"--variant {name} overrides {named[1]}, which says {named[0]}",)
    elif named is not None:
        name, evidence = named
    else:
        raise VariantError(
            f"{checkpoint.name}: its tensors fit every one of these, so say --variant {' | '.join(VARIANTS)}"
        )
    if name not in MAX_DEPTH and options.max_depth is not None:
        raise VariantError(f"--max-depth is for metric models, got {options.max_depth:g} for {name}")
    return Variant(
        name=name,
        taps=_v1_taps(encoder) if name == V1 else _v2_taps(encoder),
        max_depth=(options.max_depth or MAX_DEPTH[name]) if name in MAX_DEPTH else None,
        evidence=evidence,
        notes=notes,
    )


def _named_variant(checkpoint: Checkpoint) -> tuple[str, str] | None:
    """Variant and evidence from our own file metadata or an exact published file name."""
    written = checkpoint.metadata.get(VARIANT_KEY)
    if written in VARIANTS:
        return written, "the file's own metadata"
    for pattern, name in _PUBLISHED.items():
        if pattern.fullmatch(checkpoint.name):
            return name, f"the published file name {checkpoint.name}"
    return None


def _from_config(
    checkpoint: Checkpoint, config: Mapping[str, Any], encoder: DinoV2Config, options: ExportOptions
) -> Variant:
    """The variant as a Hugging Face ``config.json`` tells it."""
    backbone = config.get("backbone_config")
    if config.get("model_type") != "depth_anything" or not isinstance(backbone, Mapping):
        raise CheckpointError(
            f"{checkpoint.name}: expected config.json of a depth_anything model with a backbone_config, "
            f"got model_type {config.get('model_type')!r}"
        )
    heads = backbone.get("num_attention_heads", encoder.heads)
    if heads != encoder.heads:
        raise CheckpointError(
            f"{checkpoint.name}: expected {encoder.heads} attention heads of {HEAD_WIDTH}, got {heads}"
        )
    if config.get("reassemble_factors", [4, 2, 1, 0.5]) != [4, 2, 1, 0.5]:
        raise CheckpointError(
            f"{checkpoint.name}: expected reassemble_factors [4, 2, 1, 0.5], got {config['reassemble_factors']}"
        )
    indices = whole_numbers(backbone.get("out_indices"), 4, 1, encoder.blocks)
    if indices is None:
        got = backbone.get("out_indices")
        raise CheckpointError(f"{checkpoint.name}: expected four out_indices of {encoder.blocks} blocks, got {got}")
    taps = four(index - 1 for index in indices)  # index 0 is the embedding

    if config.get("depth_estimation_type", "relative") == "metric":
        metres = config.get("max_depth") or 1
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
        max_depth, name = None, V1 if taps == _v1_taps(encoder) != _v2_taps(encoder) else V2
        if options.max_depth is not None:
            raise VariantError(f"--max-depth is for metric models, but config.json says {checkpoint.name} is relative")
    if options.variant not in (None, name):
        raise VariantError(f"config.json says {name}, got --variant {options.variant}")
    return Variant(name, taps, max_depth, evidence="config.json")


def _v1_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_leastfour(encoder)
    return four(encoder.blocks - 4 + index for index in range(4))


def _v2_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_leastfour(encoder)
    quarters = (encoder.blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4))
    return V2_TAPS.get(encoder.blocks) or four(quarters)


def _at_leastfour(encoder: DinoV2Config) -> None:
    if encoder.blocks < 4:
        raise CheckpointError(f"expected at least four transformer blocks, got {encoder.blocks}")


def four(values: Iterable[int]) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return first, second, third, fourth
