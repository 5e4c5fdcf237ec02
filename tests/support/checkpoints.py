"""Small checkpoints of every family, good and bad, for tests of other things than the exporter."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from support.programs import HOSTILE, program
from support.seeded import seeded_tensors, write_tiny

__all__ = ["HOSTILE", "every_family", "program", "seeded_tensors", "write_tiny"]

Tensors = dict[str, torch.Tensor]


@cache
def every_family() -> dict[str, tuple[Tensors, dict[str, Any] | None]]:
    """Tensors, and ``config.json`` where the layout has one, of every family in both layouts."""
    from support import (
        any_view_oracle,
        da3_oracle,
        dpt_dinov2_oracle,
        midas_oracle,
        midas_vit_oracle,
        oracle,
        tips_oracle,
    )  # transformers takes seconds to import

    found: dict[str, tuple[Tensors, dict[str, Any] | None]] = {
        "depth_anything": (seeded_tensors(), None),
        "depth_anything_3": (da3_oracle.tensors(), None),
        "depth_anything_3_any_view": (any_view_oracle.tensors(), None),
    }
    models = {
        "beit": midas_oracle.beit(),
        "swinv2": midas_oracle.swinv2(),
        "dpt_large": midas_vit_oracle.large(),
        "dpt_hybrid": midas_vit_oracle.hybrid(),
        "tips": tips_oracle.tips(),
        "dinov2": dpt_dinov2_oracle.dpt(blocks=12),
    }
    for family, model in models.items():
        with tempfile.TemporaryDirectory() as name:
            folder = oracle.save_hugging_face(model, Path(name) / "hub")
            tensors = {key: value.clone() for key, value in load_file(folder / "model.safetensors").items()}
            config = json.loads((folder / "config.json").read_text())
        found[f"{family}_hub"] = tensors, config
        if family == "tips":
            continue  # its layout on the hub is the authors'
        if family == "dinov2":
            original = dpt_dinov2_oracle.to_original(tensors)
        elif family.startswith("dpt_"):
            original = midas_vit_oracle.to_original(tensors)
        else:
            original = midas_oracle.to_original(tensors, model.config)
        found[family] = {key: value.contiguous() for key, value in original.items()}, None
    return found
