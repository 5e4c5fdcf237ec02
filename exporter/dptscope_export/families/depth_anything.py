"""Depth Anything V1 and V2: how its checkpoints are named, recognised and told apart.

V1, V2 and both metric kinds of one size hold identical tensors (names, order, shapes, dtypes), but differ in the blocks
that feed the fusion and in the last activation. A wrong guess is silent and wrong by whole standard deviations, so only a
Hugging Face config, our own file metadata, an exact published file name or the user counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dptscope import BlockSpec, Preparation
from dptscope_export.checkpoint import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import Recognition, Sizes, Wishes
from dptscope_export.families.sizes import plan_sizes
from dptscope_export.key_map import KeyMap, Source
from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dinov2 import HEAD_WIDTH, DinoV2Config
from dptscope_export.models.reassemble import STAGES

V1 = "depth-anything-v1"
V2 = "depth-anything-v2"
INDOOR = "depth-anything-v2-metric-indoor"
OUTDOOR = "depth-anything-v2-metric-outdoor"
MAX_DEPTH = {INDOOR: 20.0, OUTDOOR: 80.0}  # metres: Hypersim, Virtual KITTI
VARIANTS = (V1, V2, INDOOR, OUTDOOR)
VARIANT_KEY = "variant"  # in the metadata of safetensors files that we write

ARCHITECTURES = {(384, 12): "vits", (768, 12): "vitb", (1024, 24): "vitl", (1536, 40): "vitg"}  # by width and blocks

# Blocks that feed the fusion in V2. ViT-L reads block 4, not 5 as an even spacing would have it.
V2_TAPS = {12: (2, 5, 8, 11), 24: (4, 11, 17, 23), 40: (9, 19, 29, 39)}

_PUBLISHED = {
    re.compile(r"depth_anything_(vit[sbl])14\.pth"): V1,
    re.compile(r"depth_anything_v2_(vit[sblg])\.pth"): V2,
    re.compile(r"depth_anything_v2_metric_hypersim_(vit[sblg])\.pth"): INDOOR,
    re.compile(r"depth_anything_v2_metric_vkitti_(vit[sblg])\.pth"): OUTDOOR,
}

_TRIAL_GRIDS = ((2, 2), (7, 9), (12, 4), (3, 13))  # small, odd, tall, wide
_TRACED_GRID = (5, 8)


@dataclass(frozen=True)
class _Layout:
    """How one layout names what the sizes are read from: parameters, modules, and where the numbered blocks begin."""

    name: str
    cls_token: str
    position: str
    patch: str
    blocks: str
    project: tuple[str, ...]
    to_fusion: tuple[str, ...]
    head: tuple[str, str, str]

    def block_part(self, block: int, part: str) -> str:
        return f"{self.blocks}{block}.{part}"


ORIGINAL = _Layout(
    name="original",
    cls_token="pretrained.cls_token",
    position="pretrained.pos_embed",
    patch="pretrained.patch_embed.proj",
    blocks="pretrained.blocks.",
    project=tuple(f"depth_head.projects.{index}" for index in range(4)),
    to_fusion=tuple(f"depth_head.scratch.layer{stage}_rn" for stage in STAGES),
    head=(
        "depth_head.scratch.output_conv1",
        "depth_head.scratch.output_conv2.0",
        "depth_head.scratch.output_conv2.2",
    ),
)
HUGGING_FACE = _Layout(
    name="Hugging Face",
    cls_token="backbone.embeddings.cls_token",
    position="backbone.embeddings.position_embeddings",
    patch="backbone.embeddings.patch_embeddings.projection",
    blocks="backbone.encoder.layer.",
    project=tuple(f"neck.reassemble_stage.layers.{index}.projection" for index in range(4)),
    to_fusion=tuple(f"neck.convs.{index}" for index in range(4)),
    head=("head.conv1", "head.conv2", "head.conv3"),
)


class DepthAnythingFamily:
    """Depth Anything V1 and V2, relative and metric, ViT-S to ViT-G and any other size of the same architecture."""

    title = "Depth Anything"
    variants = VARIANTS

    def knows(self, checkpoint: Checkpoint) -> bool:
        return _layout(checkpoint) is not None

    def recognise(self, checkpoint: Checkpoint, wishes: Wishes) -> Recognition:
        layout = _layout(checkpoint)
        assert layout is not None
        encoder = _encoder_config(checkpoint, layout)
        variant = _tell_variant(checkpoint, encoder, wishes)
        config = DepthAnythingConfig(
            encoder=encoder,
            taps=variant.taps,
            stage_channels=_four(checkpoint.shape(f"{project}.weight")[0] for project in layout.project),
            fusion_channels=checkpoint.shape(f"{layout.to_fusion[0]}.weight")[0],
            middle_channels=checkpoint.shape(f"{layout.head[0]}.weight")[0],
            head_channels=checkpoint.shape(f"{layout.head[1]}.weight")[0],
            max_depth=variant.max_depth,
        )
        patch = encoder.patch_size
        return Recognition(
            family="depth_anything",
            variant=variant.name,
            architecture=_architecture(encoder),
            layout=layout.name,
            evidence=variant.evidence,
            key_map=(original_keys if layout is ORIGINAL else hugging_face_keys)(encoder.blocks, encoder.swiglu),
            build=lambda: DepthAnything(config),
            sizes=_sizes(encoder, wishes),
            preparation=Preparation(
                mean=(0.485, 0.456, 0.406),
                std=(0.229, 0.224, 0.225),
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


def _layout(checkpoint: Checkpoint) -> _Layout | None:
    if "pretrained.blocks.0.ls1.gamma" in checkpoint.tensors:
        return ORIGINAL
    if "backbone.encoder.layer.0.layer_scale1.lambda1" in checkpoint.tensors:
        return HUGGING_FACE
    return None


def _encoder_config(checkpoint: Checkpoint, layout: _Layout) -> DinoV2Config:
    width = checkpoint.shape(layout.cls_token)[-1]
    if width % HEAD_WIDTH:
        raise CheckpointError(f"{checkpoint.name}: expected a width that is a multiple of {HEAD_WIDTH}, got {width}")
    positions = checkpoint.shape(layout.position)
    grid = math.isqrt(max(positions[1] - 1, 0)) if len(positions) == 3 else 0
    if grid < 1 or 1 + grid * grid != positions[1]:
        raise CheckpointError(
            f"{checkpoint.name}: expected positions of a class token and a square grid, got {positions}"
        )
    gated = "w12" if layout is ORIGINAL else "weights_in"
    swiglu = f"{layout.block_part(0, 'mlp')}.{gated}.weight" in checkpoint.tensors
    mlp_rows = checkpoint.shape(f"{layout.block_part(0, 'mlp')}.{gated if swiglu else 'fc1'}.weight")[0]
    return DinoV2Config(
        width=width,
        blocks=checkpoint.count(layout.blocks),
        mlp_width=mlp_rows // 2 if swiglu else mlp_rows,
        swiglu=swiglu,
        patch_size=checkpoint.shape(f"{layout.patch}.weight")[-1],
        native_grid=grid,
    )


def _architecture(encoder: DinoV2Config) -> str:
    return ARCHITECTURES.get((encoder.width, encoder.blocks), f"vit-{encoder.width}x{encoder.blocks}")


def _sizes(encoder: DinoV2Config, wishes: Wishes) -> Sizes:
    return plan_sizes(
        wishes,
        native=(encoder.native_grid * encoder.patch_size,) * 2,
        multiple=encoder.patch_size,
        dynamic=wishes.fixed is None,
        traced_grid=_TRACED_GRID,
        trial_grids=_TRIAL_GRIDS,
    )


# Telling variants apart


@dataclass(frozen=True)
class _Variant:
    name: str
    taps: tuple[int, int, int, int]
    max_depth: float | None
    evidence: str
    notes: tuple[str, ...] = ()


def _tell_variant(checkpoint: Checkpoint, encoder: DinoV2Config, wishes: Wishes) -> _Variant:
    if wishes.variant is not None and wishes.variant not in VARIANTS:
        raise VariantError(f"expected --variant {' | '.join(VARIANTS)}, got {wishes.variant}")
    if checkpoint.config is not None:
        return _from_config(checkpoint, checkpoint.config, encoder, wishes)
    notes: tuple[str, ...] = ()
    named = _named_variant(checkpoint)
    if wishes.variant is not None:
        name, evidence = wishes.variant, f"--variant {wishes.variant}"
        if named is not None and named[0] != name:
            notes = (f"--variant {name} overrides {named[1]}, which says {named[0]}",)
    elif named is not None:
        name, evidence = named
    else:
        raise VariantError(
            f"{checkpoint.name}: its tensors fit every one of these, so say --variant {' | '.join(VARIANTS)}"
        )
    if name not in MAX_DEPTH and wishes.max_depth is not None:
        raise VariantError(f"--max-depth is for metric models, got {wishes.max_depth:g} for {name}")
    return _Variant(
        name=name,
        taps=_v1_taps(encoder) if name == V1 else _v2_taps(encoder),
        max_depth=(wishes.max_depth or MAX_DEPTH[name]) if name in MAX_DEPTH else None,
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


def _from_config(checkpoint: Checkpoint, config: Mapping[str, Any], encoder: DinoV2Config, wishes: Wishes) -> _Variant:
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
    if list(config.get("reassemble_factors", (4, 2, 1, 0.5))) != [4, 2, 1, 0.5]:
        raise CheckpointError(
            f"{checkpoint.name}: expected reassemble_factors [4, 2, 1, 0.5], got {config['reassemble_factors']}"
        )
    indices = backbone.get("out_indices")
    if not isinstance(indices, list) or len(indices) != 4 or not all(1 <= i <= encoder.blocks for i in indices):
        raise CheckpointError(f"{checkpoint.name}: expected four out_indices of {encoder.blocks} blocks, got {indices}")
    taps = _four(index - 1 for index in indices)  # index 0 is the embedding

    if config.get("depth_estimation_type", "relative") == "metric":
        max_depth = float(config.get("max_depth") or 1)
        name = next((n for n, metres in MAX_DEPTH.items() if metres == max_depth), wishes.variant)
        if name not in MAX_DEPTH:
            raise VariantError(
                f"{checkpoint.name}: config.json says metric up to {max_depth:g} m, neither indoor nor outdoor: "
                f"say --variant {INDOOR} | {OUTDOOR}"
            )
        if wishes.max_depth not in (None, max_depth):
            raise VariantError(f"config.json says max_depth {max_depth:g}, got --max-depth {wishes.max_depth:g}")
    else:
        max_depth, name = None, V1 if taps == _v1_taps(encoder) != _v2_taps(encoder) else V2
        if wishes.max_depth is not None:
            raise VariantError(f"--max-depth is for metric models, but config.json says {checkpoint.name} is relative")
    if wishes.variant not in (None, name):
        raise VariantError(f"config.json says {name}, got --variant {wishes.variant}")
    return _Variant(name, taps, max_depth, evidence="config.json")


def _v1_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_least_four(encoder)
    return _four(encoder.blocks - 4 + index for index in range(4))


def _v2_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_least_four(encoder)
    quarters = (encoder.blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4))
    return V2_TAPS.get(encoder.blocks) or _four(quarters)


def _at_least_four(encoder: DinoV2Config) -> None:
    if encoder.blocks < 4:
        raise CheckpointError(f"expected at least four transformer blocks, got {encoder.blocks}")


def _four(values: Any) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return first, second, third, fourth


# Names in the two layouts


def original_keys(blocks: int, swiglu: bool) -> KeyMap:
    """The layout of the published ``.pth`` files."""
    head, scratch = "depth_head", "depth_head.scratch"
    modules: dict[str, str | tuple[str, ...]] = {
        "encoder.patch_embed": ORIGINAL.patch,
        "reassemble.norm": "pretrained.norm",
    }
    tensors = {
        "encoder.cls_token": Source((ORIGINAL.cls_token,)),
        "encoder.position.table": Source((ORIGINAL.position,)),
    }
    for block in range(blocks):
        ours, theirs = f"encoder.block_{block:02d}", ORIGINAL.block_part(block, "")[:-1]
        modules |= {
            f"{ours}.norm1": f"{theirs}.norm1",
            f"{ours}.attention.qkv": f"{theirs}.attn.qkv",
            f"{ours}.attention.proj": f"{theirs}.attn.proj",
            f"{ours}.scale1": f"{theirs}.ls1",
            f"{ours}.norm2": f"{theirs}.norm2",
            f"{ours}.scale2": f"{theirs}.ls2",
        }
        modules |= {f"{ours}.mlp.{layer}": f"{theirs}.mlp.{layer}" for layer in _mlp_layers(swiglu)}
    for stage in STAGES:
        modules |= {
            f"reassemble.stage_{stage}.project": ORIGINAL.project[stage - 1],
            f"reassemble.stage_{stage}.resize": f"{head}.resize_layers.{stage - 1}",
            f"reassemble.stage_{stage}.to_fusion": ORIGINAL.to_fusion[stage - 1],
            f"fusion.block_{stage}.out_conv": f"{scratch}.refinenet{stage}.out_conv",
        }
        for conv in ("conv1", "conv2"):
            modules[f"fusion.skip_{stage}.{conv}"] = f"{scratch}.refinenet{stage}.resConfUnit1.{conv}"
            modules[f"fusion.block_{stage}.residual_unit.{conv}"] = f"{scratch}.refinenet{stage}.resConfUnit2.{conv}"
    modules |= {f"head.conv{index + 1}": name for index, name in enumerate(ORIGINAL.head)}
    unused = (r"pretrained\.mask_token", r"depth_head\.scratch\.refinenet4\.resConfUnit1\..*")
    return KeyMap(modules, tensors, unused)


def hugging_face_keys(blocks: int, swiglu: bool) -> KeyMap:
    """The layout of the Hugging Face folders: queries, keys and values apart, fusion blocks from coarse to fine."""
    modules: dict[str, str | tuple[str, ...]] = {
        "encoder.patch_embed": HUGGING_FACE.patch,
        "reassemble.norm": "backbone.layernorm",
    }
    tensors = {
        "encoder.cls_token": Source((HUGGING_FACE.cls_token,)),
        "encoder.position.table": Source((HUGGING_FACE.position,)),
    }
    mlp_names = {"w12": "weights_in", "w3": "weights_out"}
    for block in range(blocks):
        ours, theirs = f"encoder.block_{block:02d}", HUGGING_FACE.block_part(block, "")[:-1]
        modules |= {
            f"{ours}.norm1": f"{theirs}.norm1",
            f"{ours}.attention.qkv": tuple(
                f"{theirs}.attention.attention.{part}" for part in ("query", "key", "value")
            ),
            f"{ours}.attention.proj": f"{theirs}.attention.output.dense",
            f"{ours}.norm2": f"{theirs}.norm2",
        }
        modules |= {
            f"{ours}.mlp.{layer}": f"{theirs}.mlp.{mlp_names.get(layer, layer)}" for layer in _mlp_layers(swiglu)
        }
        for scale in (1, 2):
            tensors[f"{ours}.scale{scale}.gamma"] = Source((f"{theirs}.layer_scale{scale}.lambda1",))
    for stage in STAGES:
        fusion = f"neck.fusion_stage.layers.{len(STAGES) - stage}"
        modules |= {
            f"reassemble.stage_{stage}.project": HUGGING_FACE.project[stage - 1],
            f"reassemble.stage_{stage}.resize": f"neck.reassemble_stage.layers.{stage - 1}.resize",
            f"reassemble.stage_{stage}.to_fusion": HUGGING_FACE.to_fusion[stage - 1],
            f"fusion.block_{stage}.out_conv": f"{fusion}.projection",
        }
        for index in (1, 2):
            modules[f"fusion.skip_{stage}.conv{index}"] = f"{fusion}.residual_layer1.convolution{index}"
            modules[f"fusion.block_{stage}.residual_unit.conv{index}"] = f"{fusion}.residual_layer2.convolution{index}"
    modules |= {f"head.conv{index + 1}": name for index, name in enumerate(HUGGING_FACE.head)}
    unused = (r"backbone\.embeddings\.mask_token", r"neck\.fusion_stage\.layers\.0\.residual_layer1\..*")
    return KeyMap(modules, tensors, unused)


def _mlp_layers(swiglu: bool) -> tuple[str, str]:
    return ("w12", "w3") if swiglu else ("fc1", "fc2")
