"""DINOv2's own DPT depthers, for rooms (NYU) and for streets (KITTI), in the authors' two files and as the hub has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dptscope import BlockSpec, Preparation
from dptscope_export.checkpoints.key_map import KeyMap
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import IMAGENET_MEAN, IMAGENET_STD, ExportOptions, ExportPlan
from dptscope_export.families.config_values import expect, out_indices
from dptscope_export.families.depth_anything import architecture, encoder_config
from dptscope_export.families.depth_anything_keys import (
    HUGGING_FACE,
    Layout,
    hugging_face_encoder,
    original_encoder,
    original_layout,
)
from dptscope_export.families.depth_anything_variants import four
from dptscope_export.families.plain_vit import plan_any_size, readout_sources
from dptscope_export.models.dinov2 import DinoV2Config
from dptscope_export.models.dpt_dinov2 import DptDinov2, DptDinov2Config
from dptscope_export.models.reassemble import STAGES

NYU, KITTI = "dpt-dinov2-nyu", "dpt-dinov2-kitti"
MAX_DEPTH = {NYU: 10.0, KITTI: 80.0}  # metres
_TAPS = {12: (2, 5, 8, 11), 24: (4, 11, 17, 23), 40: (9, 19, 29, 39)}
_SHORT = {"nyu": NYU, "kitti": KITTI}
_REPOSITORY = re.compile(r"(?:facebook/)?dpt-dinov2-(?:small|base|large|giant)-(nyu|kitti)")
_FILE = re.compile(r"dinov2_vit[sblg]14_(nyu|kitti)_dpt_head\.pth")

_ENCODER, _DECODER = "backbone", "decode_head"
_ORIGINAL = replace(
    original_layout(_ENCODER, _DECODER),
    project=tuple(f"{_DECODER}.reassemble_blocks.projects.{index}.conv" for index in range(4)),
    to_fusion=tuple(f"{_DECODER}.convs.{index}.conv" for index in range(4)),
    head=tuple(f"{_DECODER}.conv_depth.head.{index}" for index in (0, 2, 4)),
)
_HUB = replace(HUGGING_FACE, head=tuple(f"head.head.{index}" for index in (0, 2, 4)))
_ORIGINAL_PROJECT, _HUB_PROJECT = f"{_DECODER}.project.conv", "head.projection"

# Values that the models here compute with.
_ALLOWED: dict[str, tuple[object, ...]] = {
    "model_type": ("dpt",),
    "reassemble_factors": ([4, 2, 1, 0.5],),
    "readout_type": ("project",),
    "hidden_act": ("gelu",),
    "head_in_index": (-1, 3),
    "use_batch_norm_in_fusion_residual": (False, None),
}
_ALLOWED_BACKBONE: dict[str, tuple[object, ...]] = {
    "model_type": ("dinov2",),
    "apply_layernorm": (False,),
    "hidden_act": ("gelu",),
    "layer_norm_eps": (1e-6,),
}


class DptDinov2Family:
    """DINOv2's DPT depthers, ViT-S to ViT-g and any other size of the same architecture."""

    title = "DPT on DINOv2"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return _layout(checkpoint) is not None

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        layout = _layout(checkpoint)
        assert layout is not None
        encoder = encoder_config(checkpoint, layout)
        variant, evidence, notes = _tell_variant(checkpoint, options)
        patch = encoder.patch_size
        config = DptDinov2Config(
            taps=_taps(checkpoint, encoder),
            stage_channels=four(checkpoint.shape(f"{project}.weight")[0] for project in layout.project),
            fusion_channels=checkpoint.shape(f"{layout.to_fusion[0]}.weight")[0],
            encoder=encoder,
            middle_channels=checkpoint.shape(f"{layout.head[0]}.weight")[0],
            head_channels=checkpoint.shape(f"{layout.head[1]}.weight")[0],
            max_depth=options.max_depth or MAX_DEPTH[variant],
        )
        return ExportPlan(
            family="dpt_dinov2",
            variant=variant,
            architecture=architecture(encoder),
            layout=layout.name,
            evidence=evidence,
            key_map=_keys(layout, encoder),
            build=lambda: DptDinov2(config),
            sizes=plan_any_size(options, encoder.native_grid * patch, patch),
            preparation=Preparation(
                mean=IMAGENET_MEAN,
                std=IMAGENET_STD,
                resize_rule="pad",
                multiple=patch,
                output_resize="bilinear",
            ),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * encoder.blocks,
            taps=config.taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
            depth_kind="metric",
            max_depth=config.max_depth,
            notes=notes,
        )


def _layout(checkpoint: Checkpoint) -> Layout | None:
    if f"{_ORIGINAL_PROJECT}.weight" in checkpoint.tensors and _ORIGINAL.cls_token in checkpoint.tensors:
        return _ORIGINAL
    if f"{_HUB_PROJECT}.weight" in checkpoint.tensors and _HUB.cls_token in checkpoint.tensors:
        return _HUB
    return None


def _tell_variant(checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, str, tuple[str, ...]]:
    """Rooms or streets, with what told it and notes for the user: a name or the user, for no tensor and no config does.

    Raises:
        VariantError: nothing tells it.
    """
    wanted = options.variant
    if wanted is not None and wanted not in MAX_DEPTH:
        raise VariantError(f"expected --variant {' | '.join(MAX_DEPTH)}, got {wanted}")
    file = checkpoint.file or checkpoint.name
    if match := _REPOSITORY.fullmatch(checkpoint.name):
        named, evidence = _SHORT[match[1]], f"the published repository {checkpoint.name}"
    elif match := _FILE.fullmatch(file):
        named, evidence = _SHORT[match[1]], f"the published file name {file}"
    elif wanted is None:
        raise VariantError(f"{checkpoint.name}: its tensors fit both, so say --variant {' | '.join(MAX_DEPTH)}")
    else:
        named, evidence = wanted, f"--variant {wanted}"
    if wanted not in (None, named):
        assert wanted is not None
        return wanted, f"--variant {wanted}", (f"--variant {wanted} overrides {evidence}, which says {named}",)
    return named, evidence, ()


def _taps(checkpoint: Checkpoint, encoder: DinoV2Config) -> tuple[int, int, int, int]:
    """Which blocks feed the fusion: as a config says, else as in the published ones.

    Raises:
        CheckpointError: the config is of another model, or there is none and no such depth was published.
    """
    name, config = checkpoint.name, checkpoint.config
    if config is None:
        if encoder.blocks not in _TAPS:
            raise CheckpointError(f"{name}: expected {' or '.join(map(str, _TAPS))} blocks, got {encoder.blocks}")
        return _TAPS[encoder.blocks]
    backbone: Any = config.get("backbone_config")
    if not isinstance(backbone, Mapping):
        raise CheckpointError(f"{name}: expected config.json of a dpt model with a dinov2 backbone_config")
    expect(name, config, _ALLOWED)
    expect(name, backbone, _ALLOWED_BACKBONE)
    heads = backbone.get("num_attention_heads", encoder.heads)
    if heads != encoder.heads:
        raise CheckpointError(f"{name}: expected {encoder.heads} attention heads of 64, got {heads!r:.80}")
    return four(tap - 1 for tap in out_indices(name, backbone, encoder.blocks))


def _keys(layout: Layout, encoder: DinoV2Config) -> KeyMap:
    original = layout is _ORIGINAL
    if original:
        modules, tensors = original_encoder(_ENCODER, encoder.blocks, encoder.swiglu)
        reassemble, resize = f"{_DECODER}.reassemble_blocks", "resize_layers.{}"
        unused: tuple[str, ...] = (r"backbone\.(mask_token|norm\..*)",)
    else:
        modules, tensors = hugging_face_encoder(encoder.blocks, encoder.swiglu)
        reassemble, resize = "neck.reassemble_stage", "layers.{}.resize"
        unused = (
            r"backbone\.(embeddings\.mask_token|layernorm\..*)",
            r"neck\.fusion_stage\.layers\.0\.residual_layer1\..*",  # random in the published files
        )
    modules["head.project"] = _ORIGINAL_PROJECT if original else _HUB_PROJECT
    modules |= {f"head.conv{index + 1}": name for index, name in enumerate(layout.head)}
    for stage in STAGES:
        modules |= {
            f"reassemble.stage_{stage}.project": layout.project[stage - 1],
            f"reassemble.stage_{stage}.resize": f"{reassemble}.{resize.format(stage - 1)}",
            f"reassemble.stage_{stage}.to_fusion": layout.to_fusion[stage - 1],
        }
        tensors |= readout_sources(stage, f"{reassemble}.readout_projects.{stage - 1}.0")
        number = len(STAGES) - stage
        block = f"{_DECODER}.fusion_blocks.{number}" if original else f"neck.fusion_stage.layers.{number}"
        modules[f"fusion.block_{stage}.out_conv"] = f"{block}.project.conv" if original else f"{block}.projection"
        unit = "res_conv_unit{}.conv{}.conv" if original else "residual_layer{}.convolution{}"
        for conv in (1, 2):
            modules[f"fusion.skip_{stage}.conv{conv}"] = f"{block}.{unit.format(1, conv)}"
            modules[f"fusion.block_{stage}.residual_unit.conv{conv}"] = f"{block}.{unit.format(2, conv)}"
    return KeyMap(modules, tensors, unused)
