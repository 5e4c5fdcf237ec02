"""Exports that several tests look at, made once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx_ir as ir
import pytest
import torch
from safetensors.torch import load_file
from support import oracle
from support.kept_traces import kept_traces

from dptscope_export import pipeline
from dptscope_export.families import ExportOptions
from dptscope_export.graph.finish import Traced, finish
from dptscope_export.pipeline import Exported, export

ROOMS = {"encoder", "resnet", "reassemble", "fusion", "head", "sizes"}  # of a network, and what computes sizes


@pytest.fixture(scope="session", autouse=True)
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No small model is traced twice, in whichever file and process."""
    own = tmp_path_factory.getbasetemp()
    with kept_traces(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own):
        yield


@pytest.fixture(scope="session", autouse=True)
def named_nodes() -> Iterator[None]:
    """In whatever a test exports, of any family and form, each node of all three graphs has a path of modules."""

    def named(traced: Traced, *arguments: Any) -> ir.Model:
        model = finish(traced, *arguments)
        names = [node.name or "" for node in model.graph if not node.domain]
        assert [name for name in names if name.partition("/")[0] not in ROOMS or "/" not in name] == [], traced.suffix
        return model

    with patch.object(pipeline, "finish", named):
        yield


@dataclass(frozen=True)
class Case:
    """One exported model, the oracle it must equal, and the checkpoint."""

    exported: Exported
    oracle: torch.nn.Module
    checkpoint: Path


@pytest.fixture(scope="session")
def v2_hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """V2, relative, five blocks of two heads, from a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("v2")
    model = oracle.depth_anything(blocks=5, out_indices=(1, 2, 3, 5), width=128, seed=1)
    return Case(export(oracle.save_hugging_face(model, folder / "hub"), folder / "v2.onnx"), model, folder / "hub")


@pytest.fixture(scope="session")
def v1_original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """V1, relative, six blocks, from a wrapped ``.pth`` in the original layout."""
    folder = tmp_path_factory.mktemp("v1")
    model = oracle.depth_anything(blocks=6, out_indices=(3, 4, 5, 6), seed=2)
    oracle.save_hugging_face(model, folder / "hub")
    tensors = oracle.to_original(load_file(folder / "hub" / "model.safetensors"))
    torch.save({"model": {f"module.{name}": tensor for name, tensor in tensors.items()}}, folder / "mine.pth")
    exported = export(folder / "mine.pth", folder / "v1.onnx", ExportOptions(variant="depth-anything-v1"))
    return Case(exported, model, folder / "mine.pth")


@pytest.fixture(scope="session")
def metric_fixed(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Metric, four blocks, original layout under a published name, for one size only."""
    folder = tmp_path_factory.mktemp("metric")
    model = oracle.depth_anything(blocks=4, out_indices=(1, 2, 3, 4), max_depth=80, seed=3)
    oracle.save_hugging_face(model, folder / "hub")
    tensors = oracle.to_original(load_file(folder / "hub" / "model.safetensors"))
    checkpoint = folder / "depth_anything_v2_metric_vkitti_vits.pth"
    torch.save(tensors, checkpoint)
    return Case(export(checkpoint, folder / "metric.onnx", ExportOptions(fixed=(98, 56))), model, checkpoint)
