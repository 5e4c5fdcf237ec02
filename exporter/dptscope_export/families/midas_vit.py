"""MiDaS 3.0: ``dpt_large_384``, ``dpt_hybrid_384`` and other sizes of both.

Sizes are in the tensors' shapes. A head has 64 channels unless a config says otherwise. The layer-norm epsilon is the
original's 1e-6 in both layouts; Hugging Face configs say 1e-12.

What a hybrid's depth means is in no tensor: those that were trained on for KITTI and NYU and Omnidata's have the same ones.
So a published name, a config of transformers, which computes one thing only with it, or the user must tell.
"""

from __future__ import annotations

import re

from dptscope import BlockSpec
from dptscope_export.checkpoints.file_names import WEIGHT_SUFFIXES
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import midas
from dptscope_export.families.base import ExportOptions, ExportPlan
from dptscope_export.families.midas_vit_config import Said, read_config
from dptscope_export.families.midas_vit_keys import ORIGINAL, Layout, find_layout, is_hybrid, key_map
from dptscope_export.families.plain_vit import last_of_each_quarter, native_grid, plan_any_size
from dptscope_export.models.dinov2 import HEAD_WIDTH
from dptscope_export.models.midas_vit import MidasHybrid, MidasViT, MidasViTConfig
from dptscope_export.models.resnet import GROUPS, STRIDE, ResNetConfig, StageConfig
from dptscope_export.models.vit import ViTConfig

LARGE = "midas-dpt-large"
HYBRID = "midas-dpt-hybrid"

_ENDING = f"({'|'.join(map(re.escape, WEIGHT_SUFFIXES))})"
# The release of MiDaS 3.0, and the same weights in the repository of the paper.
_HYBRID_FILE = re.compile(rf"(dpt_hybrid_384|dpt_hybrid-midas-501f0c75){_ENDING}")
_HYBRID_REPOSITORY = "Intel/dpt-hybrid-midas"

_PUBLISHED = {(LARGE, 1024, 24): "vitl16", (HYBRID, 768, 12): "vitb_rn50"}  # the original's names, by width and blocks


class MidasViTFamily:
    """MiDaS 3.0 with a vision transformer, alone or behind a ResNet, of any size."""

    title = "MiDaS DPT"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return find_layout(checkpoint) is not None

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        layout = find_layout(checkpoint)
        assert layout is not None
        hybrid = is_hybrid(checkpoint, layout)
        variant = HYBRID if hybrid else LARGE
        midas.check_wishes(variant, options)
        evidence = _evidence(checkpoint, options) if hybrid else "the tensors' names and shapes"
        resnet = _resnet_config(checkpoint, layout) if hybrid else None
        blocks = checkpoint.count(layout.blocks)
        said = _said(checkpoint, layout, blocks, hybrid)
        encoder = _encoder_config(checkpoint, layout, said.heads, resnet)
        first, second, third, fourth = said.taps
        taps = (None, None, third, fourth) if hybrid else (first, second, third, fourth)
        config = _config(checkpoint, layout, encoder, taps, resnet)
        patch = STRIDE if hybrid else encoder.patch_size
        native = encoder.native_grid * patch
        size = _PUBLISHED.get((variant, encoder.width, blocks), f"{encoder.width}x{blocks}")
        return ExportPlan(
            family="midas_vit",
            variant=variant,
            architecture=f"{size}_{native}",
            layout=layout.name,
            evidence=evidence,
            key_map=key_map(layout, blocks, [stage.blocks for stage in resnet.stages] if resnet is not None else ()),
            build=lambda: MidasHybrid(config) if hybrid else MidasViT(config),
            sizes=plan_any_size(options, native, patch),
            preparation=midas.preparation("minimal"),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * blocks,
            taps=taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
        )


def _evidence(checkpoint: Checkpoint, options: ExportOptions) -> str:
    """What says that a hybrid is MiDaS'.

    Raises:
        VariantError: nothing.
    """
    file = checkpoint.file or checkpoint.name
    if options.variant is not None:
        return f"--variant {options.variant}"
    if checkpoint.config is not None:
        return "config.json"
    if _HYBRID_FILE.fullmatch(file):
        return f"the published file name {file}"
    if checkpoint.name == _HYBRID_REPOSITORY:
        return f"the published repository {checkpoint.name}"
    raise VariantError(
        f"{checkpoint.name}: expected a published name, such as dpt_hybrid_384.pt, since models of other depths "
        f"(dpt_hybrid_kitti, dpt_hybrid_nyu, Omnidata's) have the same tensors; if it is MiDaS', say --variant {HYBRID}"
    )


def _said(checkpoint: Checkpoint, layout: Layout, blocks: int, hybrid: bool) -> Said:
    """Heads and taps from the config; without one the original's: heads of 64 channels, the last block of each quarter."""
    quarters = last_of_each_quarter(checkpoint, blocks)
    if checkpoint.config is not None:
        return read_config(checkpoint, blocks, hybrid)
    width = checkpoint.shape(layout.cls_token)[-1]
    return Said(max(width // HEAD_WIDTH, 1), quarters)


def _encoder_config(checkpoint: Checkpoint, layout: Layout, heads: int, resnet: ResNetConfig | None) -> ViTConfig:
    width = checkpoint.shape(layout.cls_token)[-1]
    if width % heads or (checkpoint.config is None and width % HEAD_WIDTH):
        wanted = f"a multiple of {HEAD_WIDTH}" if checkpoint.config is None else f"one that {heads} heads divide"
        raise CheckpointError(f"{checkpoint.name}: expected a width that is {wanted}, got {width}")
    mlp = layout.block["mlp.fc1"]
    return ViTConfig(
        width=width,
        blocks=checkpoint.count(layout.blocks),
        heads=heads,
        mlp_width=checkpoint.shape(f"{layout.blocks}0.{mlp}.weight")[0],
        native_grid=native_grid(checkpoint, layout.position),
        patch_size=checkpoint.shape(f"{layout.patch}.weight")[-1] if resnet is None else 1,
        in_channels=3 if resnet is None else resnet.stages[-1].channels,
    )


def _resnet_config(checkpoint: Checkpoint, layout: Layout) -> ResNetConfig:
    stem = checkpoint.shape(f"{layout.stem}.weight")[0]
    first, second, third = (
        StageConfig(
            blocks=checkpoint.count(prefix),
            channels=checkpoint.shape(f"{prefix}0.conv3.weight")[0],
            inner=checkpoint.shape(f"{prefix}0.conv1.weight")[0],
        )
        for prefix in map(layout.bottlenecks.format, range(3))
    )
    for channels in (stem, *(width for stage in (first, second, third) for width in (stage.channels, stage.inner))):
        if channels % GROUPS:
            raise CheckpointError(
                f"{checkpoint.name}: expected channels in the ResNet that {GROUPS} groups divide, got {channels}"
            )
    return ResNetConfig(stem, (first, second, third))


def _config(
    checkpoint: Checkpoint,
    layout: Layout,
    encoder: ViTConfig,
    taps: tuple[int | None, int | None, int, int],
    resnet: ResNetConfig | None,
) -> MidasViTConfig:
    def channels(stage: int) -> int:
        if resnet is not None and taps[stage - 1] is None:
            return resnet.stages[stage - 1].channels
        return checkpoint.shape(f"{layout.stage(layout.project, stage)}.weight")[0]

    decoder = midas.decoder_widths(checkpoint, original=layout is ORIGINAL)
    return MidasViTConfig(
        taps=taps,
        stage_channels=(channels(1), channels(2), channels(3), channels(4)),
        fusion_channels=decoder.fusion,
        middle_channels=decoder.middle,
        head_channels=decoder.head,
        encoder=encoder,
        resnet=resnet,
    )
