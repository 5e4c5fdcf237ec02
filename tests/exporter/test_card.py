"""What an exported file says about its weights and about the attention that it holds at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
from onnx import numpy_helper
from support import midas_oracle, oracle
from support.seeded import write_tiny

from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.cost import cost
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import export


def test_the_digest_is_that_of_the_weights(tmp_path: Path) -> None:
    exported = export(write_tiny(tmp_path / "tiny.safetensors"), tmp_path / "tiny.onnx")
    for path in (exported.model, exported.companion, exported.preview):
        model = onnx.load(path)
        digest = hashlib.sha256()
        for tensor in sorted(model.graph.initializer, key=lambda tensor: tensor.name):
            digest.update(tensor.name.encode() + b"\0" + numpy_helper.to_array(tensor).tobytes())
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["dptscope.weights_sha256"] == digest.hexdigest()
    assert exported.card.attention_matrices == 1
    names = {tensor.name for tensor in onnx.load(exported.model).graph.initializer}
    for block in range(len(exported.card.blocks)):  # part of the contract: attention is computed from these
        for weight in ("norm1/weight", "norm1/bias", "attention/qkv/weight", "attention/qkv/bias"):
            assert f"encoder/block_{block:02d}/{weight}" in names


def test_attention_matrices(tmp_path: Path) -> None:
    """One head of a plain transformer at a time; a bias is there for all heads at once, unless it is a constant; windows keep
    their matrices small."""
    folders = {
        "plain": oracle.save_hugging_face(
            oracle.depth_anything(blocks=4, out_indices=(1, 2, 3, 4), seed=1), tmp_path / "plain"
        ),
        "bias": oracle.save_hugging_face(midas_oracle.beit(), tmp_path / "bias"),
        "windows": oracle.save_hugging_face(midas_oracle.swinv2(), tmp_path / "windows"),
    }
    found = {}
    for name, folder in folders.items():
        options = ExportOptions(variant="depth-anything-v2") if name == "plain" else ExportOptions()
        counted = cost(recognise(read_checkpoint(folder), options))
        found[name] = (counted.heads, counted.attention_matrices(True), counted.attention_matrices(False))
    heads = found["plain"][0]
    assert heads is not None and found["plain"] == (heads, 1, heads)
    heads = found["bias"][0]
    assert heads is not None and found["bias"] == (heads, heads, heads)
    assert found["windows"] == (None, None, None)
