"""The independent oracle: Hugging Face transformers with lively random weights, in both checkpoint layouts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

GRID_OFFSET = 0.1


def enliven(model: torch.nn.Module, seed: int) -> None:
    """Random weights that keep signals alive through the depth, so that a difference anywhere reaches the output."""
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, generator=generator)

    for name, parameter in model.state_dict().items():
        if not parameter.is_floating_point():
            continue
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.2 * noise(parameter)
        elif "lambda" in name:
            value = 0.4 + 0.2 * noise(parameter)
        elif name.endswith("bias") and parameter.ndim == 1:
            value = 0.2 * noise(parameter)
        elif "token" in name or "position" in name:
            value = 0.5 * noise(parameter)
        else:
            value = noise(parameter) * (1.4 / math.sqrt(parameter[0].numel()))
        parameter.copy_(value)


def depth_anything(
    blocks: int = 12,
    out_indices: tuple[int, ...] = (3, 6, 9, 12),
    width: int = 64,
    image_size: int = 70,
    max_depth: float | None = None,
    swiglu: bool = False,
    seed: int = 0,
) -> DepthAnythingForDepthEstimation:
    """A small Depth Anything of transformers, with the original's position-embedding coordinates put in."""
    backbone = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=width // 64,
        mlp_ratio=2,
        image_size=image_size,
        patch_size=14,
        use_swiglu_ffn=swiglu,
        out_indices=list(out_indices),
        apply_layernorm=True,
        reshape_hidden_states=False,
        layer_norm_eps=1e-6,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=width,
        neck_hidden_sizes=[16, 24, 32, 40],
        fusion_hidden_size=24,
        head_hidden_size=16,
        depth_estimation_type="relative" if max_depth is None else "metric",
        max_depth=max_depth or 1,
    )
    model = DepthAnythingForDepthEstimation(config).eval()
    with torch.no_grad():
        enliven(model, seed)
    use_original_positions(model)
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(seed))
    lift_depth(model, model.head.conv3, image)
    return model


def lift_depth(model: torch.nn.Module, last: torch.nn.Conv2d, image: torch.Tensor) -> None:
    """Set the last bias so that the final ReLU cuts only a twentieth of the depth, and a sigmoid is in its middle."""
    before: list[torch.Tensor] = []
    hook = last.register_forward_hook(lambda _module, _inputs, output: before.append(output))
    with torch.no_grad():
        model(image)
        hook.remove()
        last.bias -= before[0].quantile(0.05 if model.config.max_depth in (None, 1) else 0.5)


def use_original_positions(model: DepthAnythingForDepthEstimation) -> None:
    """transformers resizes the position embedding to a size; the original by a factor with an offset. Put that in."""
    embeddings = model.backbone.embeddings

    def interpolate(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
        table = embeddings.position_embeddings
        native = math.isqrt(table.shape[1] - 1)
        rows, columns = height // 14, width // 14
        if rows == columns == native:
            return table
        patches = table[:, 1:].reshape(1, native, native, -1).permute(0, 3, 1, 2)
        factors = ((rows + GRID_OFFSET) / native, (columns + GRID_OFFSET) / native)
        resized = F.interpolate(patches, scale_factor=factors, mode="bicubic", align_corners=False)
        assert resized.shape[-2:] == (rows, columns)
        return torch.cat([table[:, :1], resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    embeddings.interpolate_pos_encoding = interpolate


def run(model: DepthAnythingForDepthEstimation, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Depth ``[B, H, W]`` and the tokens ``[B, 1 + N, C]`` that leave each block."""
    tokens: list[torch.Tensor] = []
    layers = model.backbone.encoder.layer if hasattr(model.backbone.encoder, "layer") else model.backbone.encoder.layers
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


def save_hugging_face(model: Any, folder: Path) -> Path:
    """``config.json`` and ``model.safetensors``, as published."""
    model.save_pretrained(folder)
    return folder


def to_original(hub_tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors in the names of the published ``.pth`` files, from those of a Hugging Face ``model.safetensors``.

    Written from the two lists of published names, apart from the exporter's key maps.
    """
    original: dict[str, torch.Tensor] = {}
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in hub_tensors.items():
        words = name.split(".")
        if name.startswith("backbone.encoder.layer."):
            block = f"pretrained.blocks.{words[3]}"
            rest = ".".join(words[4:])
            if rest.startswith("attention.attention."):
                parts.setdefault(f"{block}.attn.qkv.{words[-1]}", {})[words[6]] = tensor
                continue
            for theirs, ours in (
                ("attention.output.dense", "attn.proj"),
                ("layer_scale1.lambda1", "ls1.gamma"),
                ("layer_scale2.lambda1", "ls2.gamma"),
                ("weights_in", "w12"),
                ("weights_out", "w3"),
            ):
                rest = rest.replace(theirs, ours)
            original[f"{block}.{rest}"] = tensor
        elif name.startswith("backbone.embeddings.patch"):
            original[f"pretrained.patch_embed.proj.{words[-1]}"] = tensor
        elif name.startswith("backbone.embeddings."):
            original[f"pretrained.{words[-1].replace('position_embeddings', 'pos_embed')}"] = tensor
        elif name.startswith("backbone.layernorm"):
            original[f"pretrained.norm.{words[-1]}"] = tensor
        elif name.startswith("neck.reassemble_stage"):
            kind = {"projection": "projects", "resize": "resize_layers"}[words[4]]
            original[f"depth_head.{kind}.{words[3]}.{words[-1]}"] = tensor
        elif name.startswith("neck.convs"):
            original[f"depth_head.scratch.layer{int(words[2]) + 1}_rn.weight"] = tensor
        elif name.startswith("neck.fusion_stage"):
            refine = f"depth_head.scratch.refinenet{4 - int(words[3])}"
            if words[4] == "projection":
                original[f"{refine}.out_conv.{words[-1]}"] = tensor
            else:
                unit, conv = words[4].removeprefix("residual_layer"), words[5].removeprefix("convolution")
                original[f"{refine}.resConfUnit{unit}.conv{conv}.{words[-1]}"] = tensor
        else:
            head = {"conv1": "output_conv1", "conv2": "output_conv2.0", "conv3": "output_conv2.2"}[words[1]]
            original[f"depth_head.scratch.{head}.{words[-1]}"] = tensor
    for name, three in parts.items():
        original[name] = torch.cat([three["query"], three["key"], three["value"]])
    return original
