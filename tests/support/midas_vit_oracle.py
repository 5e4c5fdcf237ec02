"""The independent oracle of MiDaS 3.0: transformers' DPT, on a vision transformer and on the hybrid, with lively weights.

Where transformers differs from the original, the difference is taken out here, by name: the epsilon, the sizes that it
refuses, and the fusion of odd grids.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from support.midas_oracle import fuse_as_the_original
from support.oracle import enliven
from torch import Tensor
from transformers import BitConfig, DPTConfig, DPTForDepthEstimation

PATCH = 16
GRID = 6


def large(blocks: int = 4, heads: int = 2, seed: int = 0, fusion: int = 24) -> DPTForDepthEstimation:
    """A small DPT on a vision transformer, tapped after the last block of each quarter."""
    config = DPTConfig(
        **_common(blocks, heads, fusion),
        is_hybrid=False,
        neck_hidden_sizes=[16, 24, 32, 48],
        neck_ignore_stages=[],
        reassemble_factors=[4, 2, 1, 0.5],
    )
    return _lively(DPTForDepthEstimation(config).eval(), seed)


def hybrid(blocks: int = 4, heads: int = 2, seed: int = 0, fusion: int = 24) -> DPTForDepthEstimation:
    """A small DPT on a vision transformer behind a ResNet, tapped after the last block of the third and fourth quarter."""
    resnet = BitConfig(
        embedding_size=32,
        hidden_sizes=[128, 256, 384],
        depths=[2, 1, 2],
        layer_type="bottleneck",
        hidden_act="relu",
        global_padding="same",
        num_groups=32,
        embedding_dynamic_padding=True,
        out_features=["stage1", "stage2", "stage3"],
    )
    config = DPTConfig(
        **_common(blocks, heads, fusion),
        is_hybrid=True,
        backbone_config=resnet,
        backbone_featmap_shape=[1, 384, GRID, GRID],
        neck_hidden_sizes=[128, 256, 32, 48],
        neck_ignore_stages=[0, 1],
        reassemble_factors=[1, 1, 1, 0.5],
    )
    return _lively(DPTForDepthEstimation(config).eval(), seed)


def _common(blocks: int, heads: int, fusion: int) -> dict[str, Any]:
    return {
        "hidden_size": 64 * heads,
        "num_attention_heads": heads,
        "num_hidden_layers": blocks,
        "intermediate_size": 96,
        "image_size": GRID * PATCH,
        "patch_size": PATCH,
        "layer_norm_eps": 1e-6,  # the original's; the published configs say 1e-12
        "backbone_out_indices": [blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4)],
        "readout_type": "project",
        "fusion_hidden_size": fusion,
    }


def _lively(model: DPTForDepthEstimation, seed: int) -> DPTForDepthEstimation:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        enliven(model, seed)
        for name, parameter in model.named_parameters():
            # Kernels are standardised, so only small ones tell of the epsilon; and a mean that is not zero.
            if ".bit." in name and parameter.ndim == 4:
                size = 10 ** (-4 + torch.rand(len(parameter), 1, 1, 1, generator=generator))
                parameter.copy_((torch.randn(parameter.shape, generator=generator) + 0.5) * size)
        # The final ReLU cuts a twentieth of the depth.
        before: list[Tensor] = []
        last = model.head.head[4]
        hook = last.register_forward_hook(lambda _module, _inputs, output: before.append(output))
        model(torch.randn(1, 3, GRID * PATCH, GRID * PATCH, generator=generator))
        hook.remove()
        last.bias -= before[0].quantile(0.05)
    return model


def take_any_size(model: DPTForDepthEstimation) -> None:
    """transformers has a square grid in mind, and for the hybrid the one of its config. The original takes any."""
    fuse_as_the_original(model)
    neck = model.neck.forward
    image: list[tuple[int, int]] = []

    def see(_module: Any, arguments: tuple[Any, ...]) -> None:
        image[:] = [tuple(arguments[0].shape[-2:])]
        if model.config.is_hybrid:
            model.dpt.embeddings.image_size = image[0]

    def reassemble(maps: list[Tensor], *_: Any) -> list[Tensor]:
        return neck(maps, image[0][0] // PATCH, image[0][1] // PATCH)

    model.register_forward_pre_hook(see)
    model.neck.forward = reassemble


def run(model: DPTForDepthEstimation, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Depth ``[B, H, W]`` and the tokens ``[B, 1 + N, C]`` that leave each block."""
    tokens: list[Tensor] = []
    layers = model.dpt.encoder.layer
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out: tokens.append(out[0] if isinstance(out, tuple) else out))
        for layer in layers
    ]
    try:
        with torch.no_grad():
            depth = model(image).predicted_depth
    finally:
        for hook in hooks:
            hook.remove()
    return depth, tokens


def to_original(hub_tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the names of the published ``.pt`` files, with all that those files carry and no model uses.

    Written from the two lists of published names, apart from the exporter's key maps.
    """
    original: dict[str, Tensor] = {}
    joint: dict[str, dict[str, Tensor]] = {}
    for name, tensor in hub_tensors.items():
        part = re.fullmatch(r"dpt\.encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)", name)
        if part is not None:
            joint.setdefault(f"pretrained.model.blocks.{part[1]}.attn.qkv.{part[3]}", {})[part[2]] = tensor
        else:
            original[_renamed(name)] = tensor
    for name, parts in joint.items():
        original[name] = torch.cat([parts["query"], parts["key"], parts["value"]])
    width = original["pretrained.model.cls_token"].shape[-1]
    original |= {"pretrained.model.head.weight": torch.zeros(10, width), "pretrained.model.head.bias": torch.zeros(10)}
    return {name: tensor.contiguous() for name, tensor in original.items()}


def _renamed(name: str) -> str:
    for theirs, ours in (
        (r"dpt\.embeddings\.backbone\.bit\.embedder\.convolution", "pretrained.model.patch_embed.backbone.stem.conv"),
        (r"dpt\.embeddings\.backbone\.bit\.embedder", "pretrained.model.patch_embed.backbone.stem"),
        (
            r"dpt\.embeddings\.backbone\.bit\.encoder\.stages\.(\d+)\.layers",
            r"pretrained.model.patch_embed.backbone.stages.\1.blocks",
        ),
        (r"dpt\.embeddings\.(patch_embeddings\.)?projection", "pretrained.model.patch_embed.proj"),
        (r"dpt\.embeddings\.position_embeddings", "pretrained.model.pos_embed"),
        (r"dpt\.embeddings", "pretrained.model"),
        (r"dpt\.layernorm", "pretrained.model.norm"),
        (r"dpt\.encoder\.layer\.(\d+)\.attention\.output\.dense", r"pretrained.model.blocks.\1.attn.proj"),
        (r"dpt\.encoder\.layer\.(\d+)\.intermediate\.dense", r"pretrained.model.blocks.\1.mlp.fc1"),
        (r"dpt\.encoder\.layer\.(\d+)\.output\.dense", r"pretrained.model.blocks.\1.mlp.fc2"),
        (r"dpt\.encoder\.layer\.(\d+)\.layernorm_before", r"pretrained.model.blocks.\1.norm1"),
        (r"dpt\.encoder\.layer\.(\d+)\.layernorm_after", r"pretrained.model.blocks.\1.norm2"),
        (r"neck\.reassemble_stage\.readout_projects\.(\d)\.0", "pretrained.act_postprocess{}.0.project.0"),
        (r"neck\.reassemble_stage\.layers\.(\d)\.projection", "pretrained.act_postprocess{}.3"),
        (r"neck\.reassemble_stage\.layers\.(\d)\.resize", "pretrained.act_postprocess{}.4"),
        (r"neck\.convs\.(\d)", "scratch.layer{}_rn"),
        (r"neck\.fusion_stage\.layers\.(\d)\.projection", "scratch.refinenet{}.out_conv"),
        (
            r"neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d)",
            r"scratch.refinenet{}.resConfUnit\2.conv\3",
        ),
        (r"head\.head\.(\d)", r"scratch.output_conv.\1"),
    ):
        match = re.match(rf"{theirs}(?=\.|$)", name)
        if match is not None:
            number = int(match[1]) if "{}" in ours else 0
            counted = 4 - number if "refinenet" in ours else number + 1  # from coarse to fine there
            return match.expand(ours).format(counted) + name[match.end() :]
    raise AssertionError(name)
