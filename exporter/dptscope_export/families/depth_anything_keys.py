"""The names of Depth Anything's tensors in its two checkpoint layouts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.models.reassemble import STAGES


@dataclass(frozen=True)
class Layout:
    """How one layout names what the sizes are read from: parameters, modules, and where the numbered blocks begin."""

    name: str
    cls_token: str
    position: str
    patch: str
    blocks: str
    project: tuple[str, ...]
    to_fusion: tuple[str, ...]
    head: tuple[str, ...]

    def block_part(self, block: int, part: str) -> str:
        return f"{self.blocks}{block}.{part}"


def original_layout(encoder: str, decoder: str) -> Layout:
    """The authors' names, with the encoder and the decoder under the given ones."""
    return Layout(
        name="original",
        cls_token=f"{encoder}.cls_token",
        position=f"{encoder}.pos_embed",
        patch=f"{encoder}.patch_embed.proj",
        blocks=f"{encoder}.blocks.",
        project=tuple(f"{decoder}.projects.{index}" for index in range(4)),
        to_fusion=tuple(f"{decoder}.scratch.layer{stage}_rn" for stage in STAGES),
        head=tuple(f"{decoder}.scratch.{conv}" for conv in ("output_conv1", "output_conv2.0", "output_conv2.2")),
    )


ORIGINAL = original_layout("pretrained", "depth_head")
HUGGING_FACE = Layout(
    name="Hugging Face",
    cls_token="backbone.embeddings.cls_token",
    position="backbone.embeddings.position_embeddings",
    patch="backbone.embeddings.patch_embeddings.projection",
    blocks="backbone.encoder.layer.",
    project=tuple(f"neck.reassemble_stage.layers.{index}.projection" for index in range(4)),
    to_fusion=tuple(f"neck.convs.{index}" for index in range(4)),
    head=("head.conv1", "head.conv2", "head.conv3"),
)


def find_layout(checkpoint: Checkpoint) -> Layout | None:
    """The layout in which a checkpoint names Depth Anything's tensors, or None for any other architecture."""
    if "pretrained.blocks.0.ls1.gamma" in checkpoint.tensors:
        return ORIGINAL
    if "backbone.encoder.layer.0.layer_scale1.lambda1" in checkpoint.tensors:
        return HUGGING_FACE
    return None


def original_keys(blocks: int, swiglu: bool, encoder: str = "pretrained", decoder: str = "depth_head") -> KeyMap:
    """The layout of the published ``.pth`` files, with the encoder and the decoder under the given names."""
    layout, scratch = original_layout(encoder, decoder), f"{decoder}.scratch"
    modules, tensors = original_encoder(encoder, blocks, swiglu)
    modules["reassemble.norm"] = f"{encoder}.norm"
    for stage in STAGES:
        modules |= {
            f"reassemble.stage_{stage}.project": layout.project[stage - 1],
            f"reassemble.stage_{stage}.resize": f"{decoder}.resize_layers.{stage - 1}",
            f"reassemble.stage_{stage}.to_fusion": layout.to_fusion[stage - 1],
            f"fusion.block_{stage}.out_conv": f"{scratch}.refinenet{stage}.out_conv",
        }
        for conv in ("conv1", "conv2"):
            modules[f"fusion.skip_{stage}.{conv}"] = f"{scratch}.refinenet{stage}.resConfUnit1.{conv}"
            modules[f"fusion.block_{stage}.residual_unit.{conv}"] = f"{scratch}.refinenet{stage}.resConfUnit2.{conv}"
    modules |= {f"head.conv{index + 1}": name for index, name in enumerate(layout.head)}
    unused = (rf"{re.escape(encoder)}\.mask_token", rf"{re.escape(scratch)}\.refinenet4\.resConfUnit1\..*")
    return KeyMap(modules, tensors, unused)


def original_encoder(
    encoder: str, blocks: int, swiglu: bool, mlp_names: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, str | tuple[str, ...]], dict[str, Source]]:
    """Modules and bare tensors of a DINOv2 encoder by DINOv2's own names, without its final norm.

    Args:
        encoder: what stands before them.
        blocks: number of transformer blocks.
        swiglu: whether their MLPs are gated.
        mlp_names: layers of an MLP that are called otherwise.
    """
    modules: dict[str, str | tuple[str, ...]] = {"encoder.patch_embed": f"{encoder}.patch_embed.proj"}
    for block in range(blocks):
        ours, theirs = f"encoder.block_{block:02d}", f"{encoder}.blocks.{block}"
        modules |= {
            f"{ours}.norm1": f"{theirs}.norm1",
            f"{ours}.attention.qkv": f"{theirs}.attn.qkv",
            f"{ours}.attention.proj": f"{theirs}.attn.proj",
            f"{ours}.scale1": f"{theirs}.ls1",
            f"{ours}.norm2": f"{theirs}.norm2",
            f"{ours}.scale2": f"{theirs}.ls2",
        }
        modules |= {
            f"{ours}.mlp.{layer}": f"{theirs}.mlp.{mlp_names.get(layer, layer)}" for layer in _mlp_layers(swiglu)
        }
    return modules, {
        "encoder.cls_token": Source((f"{encoder}.cls_token",)),
        "encoder.position.table": Source((f"{encoder}.pos_embed",)),
    }


def hugging_face_keys(blocks: int, swiglu: bool) -> KeyMap:
    """The layout of the Hugging Face folders: queries, keys and values apart, fusion blocks from coarse to fine."""
    modules, tensors = hugging_face_encoder(blocks, swiglu)
    modules["reassemble.norm"] = "backbone.layernorm"
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


def hugging_face_encoder(blocks: int, swiglu: bool) -> tuple[dict[str, str | tuple[str, ...]], dict[str, Source]]:
    """Modules and bare tensors of a DINOv2 encoder by transformers' names, without its final norm."""
    modules: dict[str, str | tuple[str, ...]] = {"encoder.patch_embed": HUGGING_FACE.patch}
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
    return modules, tensors


def _mlp_layers(swiglu: bool) -> tuple[str, str]:
    return ("w12", "w3") if swiglu else ("fc1", "fc2")
