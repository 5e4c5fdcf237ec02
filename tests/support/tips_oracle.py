"""The independent oracle of TIPSv2-DPT: transformers' own, with lively weights. What it leaves to its image processor is the
depth's way to the size of the image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from support.oracle import enliven
from torch import Tensor
from transformers import Tipsv2DptConfig, Tipsv2DptForDepthEstimation

PATCH = 14
GRID = 9  # a table of positions that, like a published one, is too large for the exporter to cut up


def tips(
    blocks: int = 5, fusion: int = 24, heads: int = 2, seed: int = 0, head_width: int = 64, swiglu: bool = False
) -> Tipsv2DptForDepthEstimation:
    """A small TIPSv2 with one register, tapped unevenly. What goes into the first block is small, so that the epsilon of its
    norms counts."""
    config = Tipsv2DptConfig(
        backbone_config={
            "model_type": "tipsv2_vision_model",
            "hidden_size": head_width * heads,
            "num_hidden_layers": blocks,
            "num_attention_heads": heads,
            "mlp_ratio": 2,
            "use_swiglu_ffn": swiglu,
            "image_size": GRID * PATCH,
            "out_indices": [1, 2, blocks - 1, blocks],
            "apply_layernorm": True,
            "reshape_hidden_states": False,
        },
        neck_hidden_sizes=[16, 24, 32, 40],
        fusion_hidden_size=fusion,
        num_depth_bins=24,
    )
    model = Tipsv2DptForDepthEstimation(config).eval()
    with torch.no_grad():
        enliven(model, seed)
        for name, parameter in model.backbone.named_parameters():
            if "embeddings" in name:
                parameter *= 0.2
    return model


def run(
    model: Tipsv2DptForDepthEstimation, image: Tensor, scales: tuple[float, float, float, float] = (1, 1, 1, 1)
) -> tuple[Tensor, list[Tensor]]:
    """Depth ``[B, H, W]`` and the tokens ``[B, 1 + 1 + N, C]`` that leave each block, with factors on what comes into fusion
    blocks 1 to 4 from below."""
    hooks = [
        layer.register_forward_pre_hook(lambda _module, inputs, factor=scale: (inputs[0] * factor, *inputs[1:]))
        for layer, scale in zip(model.neck.fusion_stage.layers, reversed(scales), strict=True)
    ]
    try:
        with torch.no_grad():
            found = model(image, output_hidden_states=True)
    finally:
        for hook in hooks:
            hook.remove()
    depth = F.interpolate(found.predicted_depth[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)
    return depth[:, 0], list(found.hidden_states[1:])


def attentions(model: Tipsv2DptForDepthEstimation, image: Tensor) -> list[Tensor]:
    """The weights ``[B, heads, queries, keys]`` of each block."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        return list(model(image, output_attentions=True).attentions)
