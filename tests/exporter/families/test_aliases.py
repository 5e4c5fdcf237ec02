"""Models by others with Depth Anything V2's tensors, named and trained anew: they load as V2, once somebody says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support import midas_oracle

from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.errors import VariantError
from dptscope_export.families import ExportOptions, ExportPlan, recognise

# Repository and file, and the list of published tensors that the file has.
ALIASES = {
    "xingyang1/Distill-Any-Depth: small/model.safetensors": "depth_anything_v2_vits",
    "xingyang1/Distill-Any-Depth: base/model.safetensors": "depth_anything_v2_vitb",
    "ghost233lism/DepthAnything-AC: depth_anything_AC_vits.pth": "depth_anything_v2_vits",
}
HUB_CONFIG = {
    "model_type": "depth_anything",
    "backbone_config": {"model_type": "dinov2", "num_attention_heads": 6, "out_indices": [3, 6, 9, 12]},
}


def hold(plan: ExportPlan, architecture: str) -> None:
    assert (plan.variant, plan.architecture, plan.taps) == ("depth-anything-v2", architecture, (2, 5, 8, 11))
    assert (plan.depth_kind, plan.preparation.output_resize) == ("relative", "bilinear_align_corners")


@pytest.mark.parametrize("alias", ALIASES)
def test_by_the_word_of_the_user(alias: str) -> None:
    """Names and shapes are V2's, strictly; V1's are the same, so nothing is guessed."""
    published = midas_oracle.published(ALIASES[alias])
    checkpoint = replace(published, name=alias.rpartition("/")[2].rpartition(" ")[2])
    with pytest.raises(VariantError, match=r"so say --variant depth-anything-v1 \| depth-anything-v2 \|"):
        recognise(checkpoint, ExportOptions())
    plan = recognise(checkpoint, ExportOptions(variant="depth-anything-v2"))
    hold(plan, ALIASES[alias].rpartition("_")[2])
    with torch.device("meta"):
        load_strictly(plan.build(), checkpoint, plan.key_map)


def test_the_hub_layout_tells_itself() -> None:
    """``xingyang1/Distill-Any-Depth-Small-hf``: a config of transformers says which blocks are tapped."""
    checkpoint = midas_oracle.published("Depth-Anything-V2-Small-hf", HUB_CONFIG)
    plan = recognise(replace(checkpoint, name="xingyang1/Distill-Any-Depth-Small-hf"), ExportOptions())
    hold(plan, "vits")
    assert plan.evidence == "config.json"
    with torch.device("meta"):
        load_strictly(plan.build(), checkpoint, plan.key_map)
