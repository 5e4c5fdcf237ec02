"""Depth Anything 3, mono and metric: V2's tensors under other names, with a branch for the sky."""

from __future__ import annotations

from dataclasses import replace

from dptscope import BlockSpec, Preparation
from dptscope_export.checkpoints.key_map import KeyMap
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.families.base import IMAGENET_MEAN, IMAGENET_STD, ExportOptions, ExportPlan
from dptscope_export.families.depth_anything import (
    architecture,
    encoder_config,
    model_config,
)
from dptscope_export.families.depth_anything_3_evidence import METRIC, tell_variant
from dptscope_export.families.depth_anything_keys import original_keys, original_layout
from dptscope_export.families.depth_anything_variants import v2_taps
from dptscope_export.families.plain_vit import plan_any_size
from dptscope_export.models.depth_anything_3 import TAP_NORM_EPS, DepthAnything3

ENCODER, DECODER = "backbone.pretrained", "head"
LAYOUT = original_layout(ENCODER, DECODER)
_SKY = f"{DECODER}.scratch.sky_output_conv2"

PHOTO_SIDE = 504  # pixels of the longer side, in the original's interface
CANONICAL_FOCAL = 300.0  # pixels: metres = depth × focal length of the input / this

STAYS_SMALL = "the original leaves its depth at the size of the input; here it is brought to the photo's, bilinear"
_NOTES = (
    STAYS_SMALL,
    "the original then puts one distance, drawn at random on large inputs, in place of the sky's; that is no part of the "
    "file: dptscope depth --far-sky does it without chance",
)


class DepthAnything3Family:
    """Depth Anything 3 mono and metric, ViT-L and any other size of the same architecture."""

    title = "Depth Anything 3 (mono, metric)"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return f"{_SKY}.0.weight" in checkpoint.tensors

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        encoder = encoder_config(checkpoint, LAYOUT)
        variant, evidence, notes = tell_variant(checkpoint, options)
        config = replace(model_config(checkpoint, LAYOUT, encoder, v2_taps(encoder)), tap_norm_eps=TAP_NORM_EPS)
        patch = encoder.patch_size
        return ExportPlan(
            family="depth_anything_3",
            variant=variant,
            architecture=architecture(encoder),
            layout=LAYOUT.name,
            evidence=evidence,
            key_map=_keys(encoder.blocks, encoder.swiglu),
            build=lambda: DepthAnything3(config),
            sizes=plan_any_size(options, PHOTO_SIDE // patch * patch, patch),
            preparation=preparation(patch),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * encoder.blocks,
            taps=config.taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
            depth_kind="distance",
            canonical_focal=CANONICAL_FOCAL if variant == METRIC else None,
            has_sky=True,
            notes=(*notes, *_NOTES),
        )


def preparation(patch: int) -> Preparation:
    """The photo's way into every model of Depth Anything 3."""
    return Preparation(
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        resize_rule="longest",
        multiple=patch,
        output_resize="bilinear",
        interpolation="uint8_area_or_cubic",
    )


def _keys(blocks: int, swiglu: bool) -> KeyMap:
    keys = original_keys(blocks, swiglu, ENCODER, DECODER)
    return replace(keys, modules={**keys.modules, "head.sky_conv2": f"{_SKY}.0", "head.sky_conv3": f"{_SKY}.2"})
