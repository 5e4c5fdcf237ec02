"""TIPSv2 with its DPT head for depth: the published DPT on an encoder with a register token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dptscope import BlockSpec, Preparation
from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions, ExportPlan
from dptscope_export.families.config_values import expect, out_indices
from dptscope_export.families.depth_anything_keys import original_encoder
from dptscope_export.families.depth_anything_variants import four
from dptscope_export.families.plain_vit import native_grid, plan_any_size, readout_sources
from dptscope_export.models.dinov2 import DinoV2Config
from dptscope_export.models.reassemble import STAGES
from dptscope_export.models.tips import Tips, TipsConfig, as_convolution, bin_sums

VARIANT = "tipsv2-dpt"
MAX_DEPTH = 10.0  # metres: trained on NYU

_ENCODER, _DECODER = "vision_encoder", "depth_head"
_BINS = f"{_DECODER}.depth_head"
_REGISTERS = f"{_ENCODER}.register_tokens"
_UNUSED = (r"vision_encoder\.mask_token", r"(normals|segmentation)_head\..*")  # the other two heads

# By width and blocks: the published name, the tapped blocks, and the heads of an attention.
_PUBLISHED: dict[tuple[int, int], tuple[str, tuple[int, int, int, int], int]] = {
    (768, 12): ("vitb", (2, 5, 8, 11), 12),
    (1024, 24): ("vitl", (5, 11, 17, 23), 16),
    (1152, 27): ("so400m", (6, 13, 20, 26), 16),
    (1536, 40): ("vitg", (9, 19, 29, 39), 24),
}

# Values that the models here compute with.
_ALLOWED: dict[str, tuple[object, ...]] = {
    "reassemble_factors": ([4, 2, 1, 0.5],),
    "readout_activation": ("gelu_pytorch_tanh",),
    "depth_decoder_activation": ("relu",),
    "min_depth": (1e-3,),
}
_ALLOWED_BACKBONE: dict[str, tuple[object, ...]] = {
    "model_type": ("tipsv2_vision_model",),
    "apply_layernorm": (True,),
    "hidden_act": ("gelu",),
    "layer_norm_eps": (1e-6,),
    "qkv_bias": (True,),
}


@dataclass(frozen=True)
class _Said:
    """What no tensor tells."""

    taps: tuple[int, int, int, int]
    heads: int
    max_depth: float
    evidence: str


class TipsFamily:
    """TIPSv2's depth on ViT-B to ViT-g, and on any other size of the same architecture."""

    title = "TIPSv2-DPT"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return f"{_BINS}.weight" in checkpoint.tensors

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        if options.variant not in (None, VARIANT):
            raise VariantError(f"the tensors say {VARIANT}, got --variant {options.variant}")
        if _REGISTERS not in checkpoint.tensors:
            raise CheckpointError(
                f"{checkpoint.name}: expected the encoder beside the heads, {_REGISTERS} and so on, got the heads alone: "
                "take the repository as it is since July 2026"
            )
        width, blocks = checkpoint.shape(f"{_ENCODER}.cls_token")[-1], checkpoint.count(f"{_ENCODER}.blocks.")
        said = _said(checkpoint, width, blocks, options)
        encoder = _encoder_config(checkpoint, width, blocks, said.heads)
        patch = encoder.patch_size
        config = TipsConfig(
            taps=said.taps,
            stage_channels=four(
                checkpoint.shape(f"{_DECODER}.reassemble.out_projections.{index}.weight")[0] for index in range(4)
            ),
            fusion_channels=checkpoint.shape(f"{_DECODER}.convs.0.weight")[0],
            encoder=encoder,
            registers=checkpoint.shape(_REGISTERS)[1],
            bins=checkpoint.shape(f"{_BINS}.weight")[0],
            max_depth=said.max_depth,
        )
        return ExportPlan(
            family="tipsv2",
            variant=VARIANT,
            architecture=_PUBLISHED[width, blocks][0] if (width, blocks) in _PUBLISHED else f"vit-{width}x{blocks}",
            layout="original",
            evidence=said.evidence,
            key_map=_keys(config),
            build=lambda: Tips(config),
            sizes=plan_any_size(options, encoder.native_grid * patch, patch),
            preparation=Preparation(
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
                resize_rule="exact",
                multiple=patch,
                output_resize="bilinear",
                interpolation="uint8_linear_antialiased",
            ),
            blocks=(BlockSpec(channels=width, stride=patch),) * blocks,
            taps=config.taps,
            has_cls=True,
            fusion_channels=config.fusion_channels,
            patch_size=patch,
            depth_kind="metric",
            max_depth=said.max_depth,
            registers=config.registers,
            notes=(_note(options),),
        )


def _note(options: ExportOptions) -> str:
    height, width = options.fixed or (1, 1)
    how = (
        "squared, as by the original"
        if height == width
        else f"squeezed into {height} × {width}, where the original squares them"
    )
    return f"photos are {how}: the depth is stretched back to the photo's shape"


def _encoder_config(checkpoint: Checkpoint, width: int, blocks: int, heads: int) -> DinoV2Config:
    if width % heads:
        raise CheckpointError(f"{checkpoint.name}: expected a width that {heads} heads divide, got {width}")
    mlp = f"{_ENCODER}.blocks.0.mlp"
    swiglu = f"{mlp}.w12.weight" in checkpoint.tensors
    rows = checkpoint.shape(f"{mlp}.{'w12' if swiglu else 'c_fc'}.weight")[0]
    return DinoV2Config(
        width=width,
        blocks=blocks,
        mlp_width=rows // 2 if swiglu else rows,
        swiglu=swiglu,
        patch_size=checkpoint.shape(f"{_ENCODER}.patch_embed.proj.weight")[-1],
        native_grid=native_grid(checkpoint, f"{_ENCODER}.pos_embed"),
        head_width=width // heads,
    )


def _said(checkpoint: Checkpoint, width: int, blocks: int, options: ExportOptions) -> _Said:
    """What a config says where there is one with a backbone, else what is published for the size.

    Raises:
        CheckpointError: the config is of another model, or there is none and no such size was published.
    """
    config = checkpoint.config or {}
    name, backbone = checkpoint.name, config.get("backbone_config")
    max_depth = _metres(name, config.get("max_depth", MAX_DEPTH))
    if options.max_depth not in (None, max_depth):
        raise VariantError(f"{VARIANT} gives up to {max_depth:g} metres, got --max-depth {options.max_depth:g}")
    if isinstance(backbone, Mapping):
        expect(name, config, _ALLOWED)
        expect(name, backbone, _ALLOWED_BACKBONE)
        taps = out_indices(name, backbone, blocks)
        return _Said(four(tap - 1 for tap in taps), _heads(name, backbone), max_depth, "config.json")
    if (width, blocks) not in _PUBLISHED:
        raise CheckpointError(
            f"{name}: expected config.json with a backbone_config, or one of the published sizes, got {blocks} blocks of "
            f"{width} channels"
        )
    _, published_taps, heads = _PUBLISHED[width, blocks]
    return _Said(published_taps, heads, max_depth, f"the tensors, such as {_REGISTERS}")


def _metres(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 1e-3 < value <= 1e6:
        raise CheckpointError(f"{name}: expected max_depth in metres in config.json, got {value!r:.80}")
    return float(value)


def _heads(name: str, backbone: Mapping[str, Any]) -> int:
    heads = backbone.get("num_attention_heads", 12)
    if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1:
        raise CheckpointError(f"{name}: expected a number of num_attention_heads in config.json, got {heads!r:.80}")
    return heads


def _keys(config: TipsConfig) -> KeyMap:
    encoder = config.encoder
    modules, tensors = original_encoder(_ENCODER, encoder.blocks, encoder.swiglu, {"fc1": "c_fc", "fc2": "c_proj"})
    modules |= {"reassemble.norm": f"{_ENCODER}.norm", "head.project": f"{_DECODER}.project", "head.bins": _BINS}
    for stage in STAGES:
        theirs, fusion = f"{_DECODER}.reassemble", f"{_DECODER}.fusion_blocks.{len(STAGES) - stage}"
        modules |= {
            f"reassemble.stage_{stage}.project": f"{theirs}.out_projections.{stage - 1}",
            f"reassemble.stage_{stage}.resize": f"{theirs}.resize_layers.{stage - 1}",
            f"reassemble.stage_{stage}.to_fusion": f"{_DECODER}.convs.{stage - 1}",
            f"fusion.block_{stage}.out_conv": f"{fusion}.out_conv",
        }
        tensors |= readout_sources(stage, f"{theirs}.readout_projects.{stage - 1}")
        for conv in ("conv1", "conv2"):
            modules[f"fusion.skip_{stage}.{conv}"] = f"{fusion}.residual_unit.{conv}"
            modules[f"fusion.block_{stage}.residual_unit.{conv}"] = f"{fusion}.main_unit.{conv}"
    sums_weight, sums_bias = bin_sums(config.bins, config.max_depth)
    tensors |= {
        "encoder.registers": Source((_REGISTERS,)),
        "head.bins.weight": Source((f"{_BINS}.weight",), as_convolution),
        "head.sums.weight": Source((), lambda _: sums_weight),
        "head.sums.bias": Source((), lambda _: sums_bias),
    }
    return KeyMap(modules, tensors, _UNUSED)
