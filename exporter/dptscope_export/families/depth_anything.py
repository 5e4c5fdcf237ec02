"""Depth Anything V1 and V2: how its checkpoints are recognised and what they become."""

from __future__ import annotations

from dataclasses import replace

from dptscope import BlockSpec, Preparation
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families.base import IMAGENET_MEAN, IMAGENET_STD, ExportOptions, ExportPlan
from dptscope_export.families.depth_anything_evidence import tell_variant
from dptscope_export.families.depth_anything_keys import (
    ORIGINAL,
    Layout,
    find_layout,
    hugging_face_keys,
    original_keys,
)
from dptscope_export.families.depth_anything_variants import ARCHITECTURES, V1, four
from dptscope_export.families.plain_vit import native_grid, plan_any_size
from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dinov2 import HEAD_WIDTH, DinoV2Config


class DepthAnythingFamily:
    """Depth Anything V1 and V2, relative and metric, ViT-S to ViT-G and any other size of the same architecture."""

    title = "Depth Anything"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return find_layout(checkpoint) is not None

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        layout = find_layout(checkpoint)
        assert layout is not None
        encoder = encoder_config(checkpoint, layout)
        variant = tell_variant(checkpoint, encoder, options)
        config = replace(model_config(checkpoint, layout, encoder, variant.taps), max_depth=variant.max_depth)
        patch = encoder.patch_size
        return ExportPlan(
            family="depth_anything",
            variant=variant.name,
            architecture=architecture(encoder),
            layout=layout.name,
            evidence=variant.evidence,
            key_map=(original_keys if layout is ORIGINAL else hugging_face_keys)(encoder.blocks, encoder.swiglu),
            build=lambda: DepthAnything(config),
            sizes=plan_any_size(options, encoder.native_grid * patch, patch),
            preparation=Preparation(
                mean=IMAGENET_MEAN,
                std=IMAGENET_STD,
                resize_rule="lower_bound",
                multiple=patch,
                output_resize="bilinear" if variant.name == V1 else "bilinear_align_corners",
            ),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * encoder.blocks,
            taps=config.taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
            depth_kind="relative" if variant.max_depth is None else "metric",
            max_depth=variant.max_depth,
            notes=variant.notes,
        )


def encoder_config(checkpoint: Checkpoint, layout: Layout) -> DinoV2Config:
    """Read the sizes of a DINOv2 encoder from the tensors' shapes.

    Raises:
        CheckpointError: they are of no such encoder.
    """
    width = checkpoint.shape(layout.cls_token)[-1]
    if width % HEAD_WIDTH:
        raise CheckpointError(f"{checkpoint.name}: expected a width that is a multiple of {HEAD_WIDTH}, got {width}")
    mlp = layout.block_part(0, "mlp")
    gated = next((name for name in ("weights_in", "w12") if f"{mlp}.{name}.weight" in checkpoint.tensors), None)
    swiglu = gated is not None
    mlp_rows = checkpoint.shape(f"{mlp}.{gated or 'fc1'}.weight")[0]
    return DinoV2Config(
        width=width,
        blocks=checkpoint.count(layout.blocks),
        mlp_width=mlp_rows // 2 if swiglu else mlp_rows,
        swiglu=swiglu,
        patch_size=checkpoint.shape(f"{layout.patch}.weight")[-1],
        native_grid=native_grid(checkpoint, layout.position),
    )


def model_config(
    checkpoint: Checkpoint, layout: Layout, encoder: DinoV2Config, taps: tuple[int, int, int, int]
) -> DepthAnythingConfig:
    """Read the sizes of the decoder from the tensors' shapes."""
    return DepthAnythingConfig(
        encoder=encoder,
        taps=taps,
        stage_channels=four(checkpoint.shape(f"{project}.weight")[0] for project in layout.project),
        fusion_channels=checkpoint.shape(f"{layout.to_fusion[0]}.weight")[0],
        middle_channels=checkpoint.shape(f"{layout.head[0]}.weight")[0],
        head_channels=checkpoint.shape(f"{layout.head[1]}.weight")[0],
    )


def architecture(encoder: DinoV2Config) -> str:
    """The published name of an encoder's size, or one made of its numbers."""
    return ARCHITECTURES.get((encoder.width, encoder.blocks), f"vit-{encoder.width}x{encoder.blocks}")
