"""Depth Anything 3, any-view, on one photo: small, base, large, giant and any other size.

Its camera token tells it from all others, and where rotary positions begin is in the tensors, too. Which blocks feed the
fusion is not; the published sizes follow one rule, see :func:`rotary_taps`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from dptscope import BlockSpec
from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions, ExportPlan
from dptscope_export.families.depth_anything import architecture, encoder_config, model_config
from dptscope_export.families.depth_anything_3 import DECODER, ENCODER, LAYOUT, PHOTO_SIDE, STAYS_SMALL, preparation
from dptscope_export.families.depth_anything_keys import original_keys
from dptscope_export.families.depth_anything_variants import four
from dptscope_export.families.plain_vit import QUARTERS, plan_any_size
from dptscope_export.models.depth_anything_3 import TAP_NORM_EPS
from dptscope_export.models.depth_anything_3_any_view import AnyViewConfig, DepthAnything3AnyView

VARIANT = "depth-anything-3"

_CAMERA_TOKEN = f"{ENCODER}.camera_token"
_LAST_LAYER = f"{DECODER}.scratch.output_conv2.2"
_HEAD_NORM = f"{DECODER}.norm"
# Cameras, rays and Gaussians: for several photos, or for other things than depth. Four names of the rays' head share one
# layer, and a file keeps it under any of them.
_UNUSED = (r"cam_enc\..*", r"cam_dec\..*", rf"{DECODER}\.scratch\.\w+_aux\..*", r"gs_head\..*", r"gs_adapter\..*")
_MODEL_NAME = re.compile(r"da3-(?:small|base|large|giant)(?:-1\.1)?", re.IGNORECASE)

_NOTES = (
    STAYS_SMALL,
    "of any-view networks this is the depth of one photo: cameras, rays and Gaussians are no part of the file",
)


class DepthAnything3AnyViewFamily:
    """Depth Anything 3 any-view, of any size."""

    title = "Depth Anything 3 (any-view)"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return _CAMERA_TOKEN in checkpoint.tensors

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        encoder = encoder_config(checkpoint, LAYOUT)
        first = _first_rotary(checkpoint, encoder.blocks)
        decoder = model_config(checkpoint, LAYOUT, encoder, rotary_taps(encoder.blocks, first))
        config = AnyViewConfig(**vars(decoder) | {"rotary_from": first, "tap_norm_eps": TAP_NORM_EPS})
        patch = encoder.patch_size
        return ExportPlan(
            family="depth_anything_3_any_view",
            variant=VARIANT,
            architecture=architecture(encoder),
            layout=LAYOUT.name,
            evidence=_evidence(checkpoint, options),
            key_map=_keys(encoder.blocks, encoder.swiglu, first),
            build=lambda: DepthAnything3AnyView(config),
            sizes=plan_any_size(options, PHOTO_SIDE // patch * patch, patch),
            preparation=preparation(patch),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * encoder.blocks,
            taps=config.taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
            depth_kind="distance",
            has_confidence=True,
            camera_token_from=first,
            notes=_NOTES,
        )


def rotary_taps(blocks: int, first: int) -> tuple[int, int, int, int]:
    """The last block of each quarter of those with rotary positions, or the one behind it where that attends within photos:
    (5, 7, 9, 11) for 12 blocks from 4 on, (11, 15, 19, 23) for 24 from 8, (19, 27, 33, 39) for 40 from 13, as published."""
    ends = (first + -(-(blocks - first) * quarter // len(QUARTERS)) - 1 for quarter in QUARTERS)
    return four(min(end + 1 - end % 2, blocks - 1) for end in ends)


def _first_rotary(checkpoint: Checkpoint, blocks: int) -> int:
    normalised = [f"{LAYOUT.block_part(index, 'attn.q_norm.weight')}" in checkpoint.tensors for index in range(blocks)]
    first = normalised.index(True) if True in normalised else blocks
    if first == blocks or not all(normalised[first:]):
        raise CheckpointError(
            f"{checkpoint.name}: expected blocks with normalised queries (q_norm) from one on to the last, "
            f"got {sum(normalised)} of {blocks}"
        )
    return first


def _evidence(checkpoint: Checkpoint, options: ExportOptions) -> str:
    """What says which model it is; all that have these tensors mean the same by their depth.

    Raises:
        VariantError: the user says otherwise.
    """
    if options.variant not in (None, VARIANT):
        raise VariantError(f"the tensors say {VARIANT}, got --variant {options.variant}")
    if options.max_depth is not None:
        raise VariantError(f"--max-depth is for models whose range ends somewhere, got {options.max_depth:g}")
    name = checkpoint.settings.get("model_name")
    tensors = "the tensors' names and shapes"
    return f"{tensors}; model_name {name}" if isinstance(name, str) and _MODEL_NAME.fullmatch(name) else tensors


def _keys(blocks: int, swiglu: bool, first: int) -> KeyMap:
    keys = original_keys(blocks, swiglu, ENCODER, DECODER)
    modules = {ours: theirs for ours, theirs in keys.modules.items() if ours != "head.conv3"}
    modules["reassemble.pair_norm"] = _HEAD_NORM
    for block in range(first, blocks):
        for norm in ("q_norm", "k_norm"):
            modules[f"encoder.block_{block:02d}.attention.{norm}"] = LAYOUT.block_part(block, f"attn.{norm}")
    tensors = {**keys.tensors, "encoder.camera_token.token": Source((_CAMERA_TOKEN,), _first_photos)}
    for leaf in ("weight", "bias"):
        for ours, combine in (("conv3", _depth_row), ("confidence_conv3", _confidence_row)):
            tensors[f"head.{ours}.{leaf}"] = Source((f"{_LAST_LAYER}.{leaf}",), combine)
    return replace(keys, modules=modules, tensors=tensors, unused=(*keys.unused, *_UNUSED))


def _first_photos(tensors: Sequence[Tensor]) -> Tensor:
    """Of the two camera tokens that of the first photo; the other one is for all others."""
    first_11c, _ = tensors[0].split((1, 1), dim=1)
    return first_11c


def _depth_row(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0].split((1, 1))[0]


def _confidence_row(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0].split((1, 1))[1]
