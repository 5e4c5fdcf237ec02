"""``config.json`` by the rules of transformers, which wrote it: what it takes means the same, what it refuses is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassFieldValidationError
from support import midas_oracle, oracle
from transformers import BeitConfig, Dinov2Config

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.families.config_values import out_indices

FOUR = ["stage3", "stage6", "stage9", "stage12"]

BACKBONES: list[dict[str, Any]] = [
    {"out_indices": [3, 6, 9, 12]},
    {"out_indices": [9, 10, 11, 12]},
    {"out_indices": [-10, -7, -4, -1]},
    {"out_indices": [3, 6, -4, -1]},
    {"out_features": FOUR},
    {"out_features": FOUR, "out_indices": None},
    {"out_features": FOUR, "out_indices": [3, 6, 9, 12]},
    {"out_features": FOUR, "out_indices": [-10, -7, -4, -1]},
    {"out_features": FOUR, "out_indices": [2, 5, 8, 11]},
    {"out_features": FOUR[::-1]},
    {"out_features": [*FOUR[:3], "stage13"]},
    {"out_features": [*FOUR[:3], "stage9"]},
    {"out_features": "stage3"},
    {"out_indices": [12, 9, 6, 3]},
    {"out_indices": [-1, -4, -7, -10]},
    {"out_indices": [3, 6, 6, 12]},
    {"out_indices": [3, 6, 12, -1]},
    {"out_indices": [3, 6, 9, 13]},
    {"out_indices": [-14, 6, 9, 12]},
]


@pytest.mark.parametrize("backbone", BACKBONES, ids=str)
def test_out_indices_as_transformers_reads_them(backbone: dict[str, Any]) -> None:
    try:
        config = Dinov2Config(num_hidden_layers=12, **backbone)
        names = config.out_features
    except (ValueError, IndexError, StrictDataclassFieldValidationError):
        with pytest.raises(CheckpointError, match="expected four out_indices of 12 blocks"):
            out_indices("c", backbone, 12)
        return
    found = out_indices("c", backbone, 12)
    assert [f"stage{number}" for number in found] == names
    assert [number % 13 for number in config.out_indices] == list(found)


@pytest.mark.parametrize(
    "backbone",
    [{}, {"out_indices": None, "out_features": None}, {"out_indices": [0, 3, 6, 9]}, {"out_indices": [3, 6, 9]},
     {"out_indices": [3, 6, 9, 10, 12]}, {"out_indices": [3.0, 6, 9, 12]}, {"out_indices": [True, 6, 9, 12]},
     {"out_indices": 3}, {"out_features": [3, 6, 9, 12]}, {"out_features": {}}],
    ids=str,
)  # fmt: skip
def test_what_no_four_blocks_come_of(backbone: dict[str, Any]) -> None:
    """Some of it transformers takes, and makes other models of."""
    with pytest.raises(
        CheckpointError, match="expected four out_indices of 12 blocks, or their out_features, in ascending"
    ):
        out_indices("c", backbone, 12)


def test_the_older_name_in_beits_configs() -> None:
    assert BeitConfig(segmentation_indices=[3, 6, 9, 12]).out_indices == [3, 6, 9, 12]
    assert out_indices("c", {"segmentation_indices": [3, 6, 9, 12]}, 12) == (3, 6, 9, 12)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, torch.Tensor], dict[str, Any]]]:
    """Tensors and config of a small model of each family, as transformers saves them."""
    import json

    from safetensors.torch import load_file

    found = {}
    for name, model in {
        "depth_anything": oracle.depth_anything(width=384, image_size=28),
        "beit": midas_oracle.beit(blocks=12),
        "swinv2": midas_oracle.swinv2(),
    }.items():
        folder = oracle.save_hugging_face(model, tmp_path_factory.mktemp(name))
        found[name] = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    return found


def checkpoint(saved: Any, family: str, change: dict[str, Any], backbone: dict[str, Any] | None = None) -> Checkpoint:
    tensors, config = saved[family]
    if backbone is not None:
        change = {"backbone_config": config["backbone_config"] | backbone} | change
    return Checkpoint("folder", tensors, "0" * 64, config | change)


@pytest.mark.parametrize("family", ["depth_anything", "beit"])
def test_taps_of_names_and_negative_numbers(saved: Any, family: str) -> None:
    for backbone in ({"out_indices": None}, {"out_indices": [-10, -7, -4, -1]}):
        names = ["stage3", "stage6", "stage9", "stage12"]
        plan = recognise(checkpoint(saved, family, {}, {"out_features": names} | backbone), ExportOptions())
        assert plan.taps == (2, 5, 8, 11)


def test_no_backbone_is_transformers_own(saved: Any) -> None:
    from transformers import DepthAnythingConfig

    default = DepthAnythingConfig().backbone_config
    plan = recognise(checkpoint(saved, "depth_anything", {"backbone_config": None}), ExportOptions())
    assert plan.taps == tuple(number - 1 for number in default.out_indices)
    assert default.num_attention_heads == 6
    assert plan.variant == "depth-anything-v1"


def test_a_backbone_by_name(saved: Any) -> None:
    change = {
        "backbone_config": None,
        "backbone": "facebook/dinov2-small",
        "backbone_kwargs": {"out_indices": [3, 6, 9, 12]},
    }
    assert recognise(checkpoint(saved, "depth_anything", change), ExportOptions()).taps == (2, 5, 8, 11)
    with pytest.raises(CheckpointError, match="expected four out_indices"):
        recognise(checkpoint(saved, "depth_anything", change | {"backbone_kwargs": None}), ExportOptions())


@pytest.mark.parametrize(
    ("family", "change", "backbone", "message"),
    [
        ("depth_anything", {"head_in_index": 0}, {}, "expected head_in_index -1 or 3 in config.json, got 0"),
        ("depth_anything", {"depth_estimation_type": "absolute"}, {}, "depth_estimation_type relative or metric"),
        ("depth_anything", {"reassemble_factors": [1, 1, 1, 1]}, {}, "expected reassemble_factors"),
        ("depth_anything", {}, {"apply_layernorm": False}, "expected apply_layernorm True"),
        ("depth_anything", {}, {"hidden_act": "relu"}, "expected hidden_act gelu"),
        ("depth_anything", {}, {"layer_norm_eps": 1e-3}, "expected layer_norm_eps 1e-06"),
        ("depth_anything", {}, {"num_attention_heads": 3}, "expected 6 attention heads of 64, got 3"),
        ("depth_anything", {}, {"model_type": "dinov2_with_registers"}, "expected model_type dinov2"),
        ("beit", {"head_in_index": 2}, {}, "expected head_in_index -1 or 3"),
        ("beit", {"readout_type": "ignore"}, {}, "expected readout_type project"),
        ("beit", {}, {"use_shared_relative_position_bias": True}, "use_shared_relative_position_bias False"),
        ("beit", {}, {"out_indices": [12, 9, 6, 3]}, "in ascending order"),
        ("swinv2", {}, {"out_indices": [4, 3, 2, 1]}, "expected four out_indices of 4 stages"),
        ("swinv2", {"head_in_index": 1}, {}, "expected head_in_index -1 or 3"),
    ],
)  # fmt: skip
def test_other_models_are_refused(
    saved: Any, family: str, change: dict[str, Any], backbone: dict[str, Any], message: str
) -> None:
    recognise(checkpoint(saved, family, {}, {}), ExportOptions())
    with pytest.raises(CheckpointError, match=message):
        recognise(checkpoint(saved, family, change, backbone), ExportOptions())


def test_a_metric_model_without_its_range(saved: Any) -> None:
    tensors = checkpoint(saved, "depth_anything", {"depth_estimation_type": "metric", "max_depth": None})
    with pytest.raises(VariantError, match="metric up to 1 m"):
        recognise(tensors, ExportOptions())
    plan = recognise(tensors, ExportOptions(variant="depth-anything-v2-metric-outdoor", max_depth=60.0))
    assert (plan.variant, plan.max_depth) == ("depth-anything-v2-metric-outdoor", 60.0)
