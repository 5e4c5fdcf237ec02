"""MiDaS 3.1 with a Swin V2 encoder: ``dpt_swin2_tiny_256``, ``…_base_384``, ``…_large_384`` and other sizes.

The original takes its native square and nothing else, so an export is for one size unless ``--dynamic`` asks for all.
Window and native size are in the shapes of the original checkpoints' attention masks. The Hugging Face layout has no
masks: there they stand in ``config.json`` only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dptscope import BlockSpec
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families import midas
from dptscope_export.families.base import ExportOptions, ExportPlan
from dptscope_export.families.config_values import expect, out_indices, whole_numbers
from dptscope_export.families.sizes import LARGEST_SIDE, plan_sizes
from dptscope_export.families.swinv2_keys import hugging_face_keys, original_keys
from dptscope_export.models.midas_swinv2 import MidasSwinV2, MidasSwinV2Config
from dptscope_export.models.reassemble import STAGES
from dptscope_export.models.swinv2 import StageConfig, SwinV2Config

VARIANT = "midas-swinv2"
SIZE_MULTIPLE = 32  # so that every stage can halve its grid

# Swin V2-tiny at 256 × 256 on two cores: 649 ms of CPU time a run, against 632 ms of the file for that size alone (medians
# of 12 interleaved runs; the ratio of the pairs is 1.04). The export takes 148 s of CPU time instead of 52 s.
DYNAMIC_COST = "4 %"

_PUBLISHED = {96: "tiny", 128: "base", 192: "large"}  # by width of the first stage

# Windows of the training at 192 pixels that base and large had before theirs at 384; no original checkpoint says so.
_PRETRAINED_WINDOWS = {24: (12, 12, 12, 6)}

_TRIAL_GRIDS = ((1, 2), (7, 9), (12, 4), (3, 13))  # smaller than a window, no multiple of it, tall, wide
_TRACED_GRID = (5, 13)


@dataclass(frozen=True)
class _Layout:
    """How one layout names what the sizes are read from; ``{}`` stands for the stage, from 0."""

    name: str
    patch: str
    blocks: str
    logit_scale: str
    mlp: str
    position: str


_ORIGINAL = _Layout(
    name="original",
    patch="pretrained.model.patch_embed.proj.weight",
    blocks="pretrained.model.layers.{}.blocks.",
    logit_scale="pretrained.model.layers.{}.blocks.0.attn.logit_scale",
    mlp="pretrained.model.layers.{}.blocks.0.mlp.fc1.weight",
    position="pretrained.model.layers.{}.blocks.0.attn.cpb_mlp.0.weight",
)
_HUGGING_FACE = _Layout(
    name="Hugging Face",
    patch="backbone.embeddings.patch_embeddings.projection.weight",
    blocks="backbone.encoder.layers.{}.blocks.",
    logit_scale="backbone.encoder.layers.{}.blocks.0.attention.self.logit_scale",
    mlp="backbone.encoder.layers.{}.blocks.0.intermediate.dense.weight",
    position="backbone.encoder.layers.{}.blocks.0.attention.self.continuous_position_bias_mlp.0.weight",
)


@dataclass(frozen=True)
class _Windows:
    """What the tensors' shapes do not all tell: see :class:`StageConfig` and :class:`SwinV2Config`."""

    window: int
    pretrained: tuple[int, int, int, int]
    native_size: int
    evidence: str


class SwinV2Family:
    """MiDaS 3.1 with Swin V2, of any size."""

    title = "MiDaS Swin V2"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return _layout(checkpoint) is not None

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        midas.check_wishes(VARIANT, options)
        layout = _layout(checkpoint)
        assert layout is not None
        windows = _from_config(checkpoint) if layout is _HUGGING_FACE else _from_masks(checkpoint)
        encoder = _encoder_config(checkpoint, layout, windows)
        decoder = midas.decoder_widths(checkpoint, original=layout is _ORIGINAL)
        config = MidasSwinV2Config(encoder, decoder.fusion, decoder.middle, decoder.head)
        depths = [stage.blocks for stage in encoder.stages]
        first, second, third, fourth = (sum(depths[:stage]) - 1 for stage in STAGES)
        width, native = encoder.stages[0].width, encoder.native_size
        return ExportPlan(
            family="midas_swinv2",
            variant=VARIANT,
            architecture=f"swin2_{_PUBLISHED.get(width, width)}_{native}",
            layout=layout.name,
            evidence=windows.evidence,
            key_map=(original_keys if layout is _ORIGINAL else hugging_face_keys)(depths),
            build=lambda: MidasSwinV2(config),
            sizes=plan_sizes(
                options,
                native=(native, native),
                multiple=SIZE_MULTIPLE,
                dynamic=options.dynamic,
                traced_grid=_TRACED_GRID,
                trial_grids=_TRIAL_GRIDS,
            ),
            # The original squeezes every photo into its square. A graph for any size has no reason to.
            preparation=midas.preparation("minimal" if options.dynamic else "exact"),
            blocks=tuple(
                BlockSpec(channels=stage.width, stride=encoder.patch_size << index, stage=index + 1)
                for index, stage in enumerate(encoder.stages)
                for _ in range(stage.blocks)
            ),
            taps=(first, second, third, fourth),
            has_cls=False,
            fusion_channels=decoder.fusion,
            patch_size=encoder.patch_size,
            windows=tuple((stage.window, stage.pretrained_window) for stage in encoder.stages),
            notes=_notes(options, native),
        )


def _layout(checkpoint: Checkpoint) -> _Layout | None:
    return next((lay for lay in (_ORIGINAL, _HUGGING_FACE) if lay.logit_scale.format(0) in checkpoint.tensors), None)


def _notes(options: ExportOptions, native: int) -> tuple[str, ...]:
    if options.dynamic:
        return (
            f"photos keep their aspect; what the original does, {native} × {native} whatever the aspect, is --square",
        )
    if options.fixed is not None:
        return ()
    return (
        f"for {native} × {native} pixels only, like the original; --dynamic takes any multiple of {SIZE_MULTIPLE} and keeps "
        f"a photo's aspect, for about {DYNAMIC_COST} more time a run and an export that takes some minutes",
    )


def _encoder_config(checkpoint: Checkpoint, layout: _Layout, windows: _Windows) -> SwinV2Config:
    patches = checkpoint.shape(layout.patch)
    if len(patches) != 4:
        raise CheckpointError(f"{checkpoint.name}: expected {layout.patch} with four axes, got {patches}")
    width, _, _, patch = patches
    stages = []
    for index in range(len(STAGES)):
        heads = checkpoint.shape(layout.logit_scale.format(index))[0]
        if (width << index) % heads:
            raise CheckpointError(
                f"{checkpoint.name}: expected stage {index + 1} to have a width that {heads} heads divide, "
                f"got {width << index}"
            )
        stages.append(
            StageConfig(
                width=width << index,
                blocks=checkpoint.count(layout.blocks.format(index)),
                heads=heads,
                mlp_width=checkpoint.shape(layout.mlp.format(index))[0],
                window=windows.window,
                pretrained_window=windows.pretrained[index],
            )
        )
    first, second, third, fourth = stages
    return SwinV2Config(
        stages=(first, second, third, fourth),
        position_width=checkpoint.shape(layout.position.format(0))[0],
        native_size=windows.native_size,
        patch_size=patch,
    )


def _from_masks(checkpoint: Checkpoint) -> _Windows:
    """Window and native size from an attention mask ``[windows, window², window²]`` of the first stage."""
    masks = [
        name for name in checkpoint.tensors if name.startswith("pretrained.model.layers.0.") and "attn_mask" in name
    ]
    if not masks:
        raise CheckpointError(
            f"{checkpoint.name}: expected an attn_mask in pretrained.model.layers.0, which tells window and size"
        )
    shape = checkpoint.shape(masks[0])
    side, window = math.isqrt(shape[0]), math.isqrt(shape[-1])
    if len(shape) != 3 or side**2 != shape[0] or window**2 != shape[1] or shape[1] != shape[2]:
        raise CheckpointError(f"{checkpoint.name}: expected {masks[0]} of square windows in a square, got {shape}")
    patch = checkpoint.shape(_ORIGINAL.patch)[-1]
    return _Windows(
        window=window,
        pretrained=_PRETRAINED_WINDOWS.get(window, (0, 0, 0, 0)),
        native_size=side * window * patch,
        evidence=f"{shape[0]} windows of {window} × {window} in {masks[0]}",
    )


def _from_config(checkpoint: Checkpoint) -> _Windows:
    if checkpoint.config is None:
        raise CheckpointError(
            f"{checkpoint.name}: expected config.json beside it: window and size of a Swin V2 model stand only there"
        )
    backbone = midas.backbone_config(checkpoint, "swinv2")
    if any(
        backbone.get(key) is not None for key in ("out_indices", "out_features")
    ):  # the decoder has room for all four only
        out_indices(checkpoint.name, backbone, len(STAGES), "stages")
    expect(checkpoint.name, backbone, {"hidden_act": ("gelu",)})
    said = [backbone.get("window_size"), backbone.get("image_size")]
    before = backbone.get("pretrained_window_sizes", [0, 0, 0, 0])
    both, pretrained = whole_numbers(said, 2, 1, LARGEST_SIDE), whole_numbers(before, 4, 0, LARGEST_SIDE)
    if both is None or pretrained is None:
        raise CheckpointError(
            f"{checkpoint.name}: expected window_size, image_size and four pretrained_window_sizes in config.json, "
            f"got {said[0]}, {said[1]} and {before}"
        )
    window, size = both
    if size % SIZE_MULTIPLE:
        raise CheckpointError(
            f"{checkpoint.name}: expected an image_size that is a multiple of {SIZE_MULTIPLE}, got {size}"
        )
    first, second, third, fourth = pretrained
    return _Windows(window, (first, second, third, fourth), size, evidence="config.json")
