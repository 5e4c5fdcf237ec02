"""The independent oracle of DPT on DINOv2: transformers', with lively weights and what it leaves out of the original put in:
the coordinates of the positions, 0.001 m, the cut at the end of the range, and the resize to the image's size."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from support.oracle import enliven, use_original_positions
from torch import Tensor
from transformers import Dinov2Config, DPTConfig, DPTForDepthEstimation

PATCH = 14
GRID = 6


def dpt(
    blocks: int = 5, fusion: int = 24, heads: int = 2, seed: int = 0, swiglu: bool = False
) -> DPTForDepthEstimation:
    """A small DPT on DINOv2, tapped unevenly, whose depth varies about the middle of a room's range."""
    backbone = Dinov2Config(
        hidden_size=64 * heads,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        mlp_ratio=2,
        image_size=GRID * PATCH,
        patch_size=PATCH,
        use_swiglu_ffn=swiglu,
        out_indices=[1, 2, blocks - 1, blocks],
        apply_layernorm=False,
        reshape_hidden_states=False,
        layer_norm_eps=1e-6,
    )
    config = DPTConfig(
        backbone_config=backbone,
        is_hybrid=False,
        neck_hidden_sizes=[16, 24, 32, 40],
        fusion_hidden_size=fusion,
        neck_ignore_stages=[],
        add_projection=True,
        use_bias_in_fusion_residual=False,
        use_batch_norm_in_fusion_residual=False,
        use_auxiliary_head=True,
    )
    model = DPTForDepthEstimation(config).eval()
    model.head.projection = torch.nn.Conv2d(
        fusion, fusion, kernel_size=3, padding=1
    )  # transformers has it for 256 only
    with torch.no_grad():
        enliven(model, seed)
        for name, parameter in model.backbone.named_parameters():
            if "embeddings" in name:
                parameter *= 0.2
    use_original_positions(model)
    last = model.head.head[4]
    before: list[Tensor] = []
    hook = last.register_forward_hook(lambda _module, _inputs, output: before.append(output))
    with torch.no_grad():
        model(torch.randn(2, 3, GRID * PATCH, 2 * GRID * PATCH, generator=torch.Generator().manual_seed(seed)))
        hook.remove()
        # A tenth of the depth is cut to nothing by the ReLU, and a tenth is beyond ten metres.
        low, high = before[0].quantile(0.1), before[0].quantile(0.9)
        last.weight *= 10 / (high - low)
        last.bias.copy_((last.bias - low) * 10 / (high - low))
    return model


def run(
    model: DPTForDepthEstimation,
    image: Tensor,
    scales: tuple[float, float, float, float] = (1, 1, 1, 1),
    max_depth: float = 10.0,
) -> tuple[Tensor, list[Tensor]]:
    """Depth ``[B, H, W]`` and the tokens ``[B, 1 + N, C]`` that leave each block, with factors on what comes into fusion
    blocks 1 to 4 from below."""
    hooks = [
        layer.register_forward_pre_hook(lambda _module, inputs, factor=scale: (inputs[0] * factor, *inputs[1:]))
        for layer, scale in zip(model.neck.fusion_stage.layers, reversed(scales), strict=True)
    ]
    tokens: list[Tensor] = []
    blocks = model.backbone.encoder.layer if hasattr(model.backbone.encoder, "layer") else model.backbone.encoder.layers
    hooks += [
        block.register_forward_hook(lambda _m, _i, out: tokens.append(out[0] if isinstance(out, tuple) else out))
        for block in blocks
    ]
    try:
        with torch.no_grad():
            metres = (model(image).predicted_depth + 1e-3).clamp(1e-3, max_depth)
    finally:
        for hook in hooks:
            hook.remove()
    return F.interpolate(metres[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)[:, 0], tokens


def to_original(hub_tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the names of a file of backbone and head, from those of a Hugging Face folder.

    Written from the two lists of published names, apart from the exporter's key maps.
    """
    words = (
        (r"backbone\.embeddings\.(cls_token|mask_token)", r"backbone.\1"),
        (r"backbone\.embeddings\.position_embeddings", r"backbone.pos_embed"),
        (r"backbone\.embeddings\.patch_embeddings\.projection\.(\w+)", r"backbone.patch_embed.proj.\1"),
        (r"backbone\.layernorm\.(\w+)", r"backbone.norm.\1"),
        (r"backbone\.encoder\.layer\.(\d+)\.(norm\d\.\w+)", r"backbone.blocks.\1.\2"),
        (r"backbone\.encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)", r"backbone.blocks.\1.attn.proj.\2"),
        (r"backbone\.encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1", r"backbone.blocks.\1.ls\2.gamma"),
        (r"backbone\.encoder\.layer\.(\d+)\.mlp\.(fc\d\.\w+)", r"backbone.blocks.\1.mlp.\2"),
        (r"neck\.reassemble_stage\.readout_projects\.(.*)", r"decode_head.reassemble_blocks.readout_projects.\1"),
        (
            r"neck\.reassemble_stage\.layers\.(\d)\.projection\.(\w+)",
            r"decode_head.reassemble_blocks.projects.\1.conv.\2",
        ),
        (r"neck\.reassemble_stage\.layers\.(\d)\.resize\.(\w+)", r"decode_head.reassemble_blocks.resize_layers.\1.\2"),
        (r"neck\.convs\.(\d)\.weight", r"decode_head.convs.\1.conv.weight"),
        (r"neck\.fusion_stage\.layers\.(\d)\.projection\.(\w+)", r"decode_head.fusion_blocks.\1.project.conv.\2"),
        (
            r"neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d)\.weight",
            r"decode_head.fusion_blocks.\1.res_conv_unit\2.conv\3.conv.weight",
        ),
        (r"head\.projection\.(\w+)", r"decode_head.project.conv.\1"),
        (r"head\.head\.(\d)\.(\w+)", r"decode_head.conv_depth.head.\1.\2"),
    )
    original: dict[str, Tensor] = {}
    apart: dict[str, dict[str, Tensor]] = {}
    for name, tensor in hub_tensors.items():
        if match := re.fullmatch(r"backbone\.encoder\.layer\.(\d+)\.attention\.attention\.(\w+)\.(\w+)", name):
            apart.setdefault(f"backbone.blocks.{match[1]}.attn.qkv.{match[3]}", {})[match[2]] = tensor
            continue
        if name.startswith("neck.fusion_stage.layers.0.residual_layer1."):
            continue  # the coarsest block has no first unit there
        (renamed,) = [re.sub(pattern, ours, name) for pattern, ours in words if re.fullmatch(pattern, name)]
        original[renamed] = tensor
    for name, parts in apart.items():
        original[name] = torch.cat([parts[part] for part in ("query", "key", "value")])
    return original
