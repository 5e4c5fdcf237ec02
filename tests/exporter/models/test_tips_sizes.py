"""TIPSv2's two larger sizes, of which no list of tensors is at hand: names and shapes as transformers writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from exporter.models.test_tips_model import Case, distances
from support import tips_oracle
from support.oracle import save_hugging_face
from transformers import Tipsv2DptConfig, Tipsv2DptForDepthEstimation
from transformers.core_model_loading import revert_weight_conversion

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.models.dinov2 import Attention
from dptscope_export.pipeline import build


@pytest.mark.parametrize(
    ("size", "width", "blocks", "heads", "taps", "mlp"),
    [
        ("so400m", 1152, 27, 16, (6, 13, 20, 26), {"mlp_ratio": 3.7362}),  # 4304 channels
        ("vitg", 1536, 40, 24, (9, 19, 29, 39), {"use_swiglu_ffn": True}),
    ],
)
def test_names_and_shapes_fill_the_model(
    size: str, width: int, blocks: int, heads: int, taps: tuple[int, ...], mlp: dict[str, Any]
) -> None:
    backbone = {
        "model_type": "tipsv2_vision_model",
        "hidden_size": width,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "image_size": 448,
        "out_indices": [tap + 1 for tap in taps],
        "apply_layernorm": True,
        "reshape_hidden_states": False,
        **mlp,
    }
    neck = [width // 8, width // 4, width // 2, width]
    config = Tipsv2DptConfig(backbone_config=backbone, neck_hidden_sizes=neck, fusion_hidden_size=256)
    with torch.device("meta"):
        theirs = Tipsv2DptForDepthEstimation(config)
    checkpoint = Checkpoint(f"tipsv2-{size}14-dpt", revert_weight_conversion(theirs, theirs.state_dict()), "")
    plan = recognise(checkpoint, ExportOptions())
    assert (plan.architecture, plan.taps, plan.sizes.native, plan.registers) == (size, taps, (448, 448), 1)
    assert plan.evidence == "the tensors, such as vision_encoder.register_tokens"
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)
    assert {module.heads for module in model.modules() if isinstance(module, Attention)} == {heads}


def test_heads_of_another_width_and_a_gated_mlp(tmp_path: Path) -> None:
    """72 channels, as of SO400m; the MLP, as of g."""
    oracle = tips_oracle.tips(blocks=4, head_width=72, swiglu=True, seed=45)
    checkpoint = read_checkpoint(save_hugging_face(oracle, tmp_path / "hub"))
    assert "vision_encoder.blocks.3.mlp.w12.weight" in checkpoint.tensors
    model = build(checkpoint, recognise(checkpoint, ExportOptions()))
    assert max(distances(Case(oracle, checkpoint), model, (70, 42))) <= 1
