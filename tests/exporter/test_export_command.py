"""``dptscope export`` as a user calls it, and what it leaves behind when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exporter.seeded import seeded_tensors, write_tiny

import dptscope
from dptscope import cli
from dptscope_export import pipeline
from dptscope_export.errors import VerificationError


def test_export_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny(tmp_path / "tiny.safetensors")
    target = tmp_path / "out" / "mine.onnx"
    target.parent.mkdir()
    assert cli.run(["export", str(tmp_path / "tiny.safetensors"), "-o", str(target)]) == 0
    said = capsys.readouterr().out
    assert "told by the file's own metadata" in said
    assert "depth within" in said
    assert sorted(path.name for path in target.parent.iterdir()) == [
        "mine.fusion.onnx",
        "mine.onnx",
        "mine.preview.onnx",
    ]
    model = dptscope.load(target)
    assert model.has_companion
    assert model.card.source_file == "tiny.safetensors"


BAD: dict[str, tuple[list[str], str]] = {
    "text": (["bad.pth"], "no PyTorch checkpoint"),
    "resnet": (["resnet.pth"], "expected a checkpoint of"),
    "no variant": (["plain.pth"], "so say --variant depth-anything-v1 | depth-anything-v2"),
    "missing": (["missing.pth", "--variant", "depth-anything-v2"], "expected tensors are missing"),
    "not there": (["nothing.pth"], "no such file or folder"),
    "size": (["tiny.safetensors", "--fixed", "100", "98"], "multiples of 14, got 100 × 98"),
    "opset": (["tiny.safetensors", "--opset", "11"], "expected an opset from 18 to 23, got 11"),
    "suffix": (["tiny.safetensors", "-o", "model.bin"], "expected an output that ends in .onnx"),
    "companion's name": (["tiny.safetensors", "-o", "a.fusion.onnx"], "expected an output that ends in .onnx"),
    "no folder": (["tiny.safetensors", "-o", "nowhere/a.onnx"], "expected a folder to write to"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bad.pth").write_text("no checkpoint")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    tensors = seeded_tensors()
    torch.save(tensors, tmp_path / "plain.pth")
    torch.save({name: t for name, t in tensors.items() if "refinenet2" not in name}, tmp_path / "missing.pth")
    write_tiny(tmp_path / "tiny.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", BAD)
def test_one_line_and_nothing_written(folder: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[case]
    before = {path.name for path in folder.iterdir()}
    assert cli.run(["export", *arguments]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1, errors
    assert errors[0].startswith("dptscope: ")
    assert message in errors[0]
    assert {path.name for path in folder.iterdir()} == before


def test_a_graph_that_differs_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight changed behind the torch model's back, after the graph was traced."""
    trace = pipeline.trace_whole

    def trace_then_change(model: Any, *arguments: Any) -> Any:
        graph = trace(model, *arguments)
        with torch.no_grad():
            model.fusion.block_2.out_conv.weight = torch.nn.Parameter(model.fusion.block_2.out_conv.weight * 1.001)
        return graph

    monkeypatch.setattr(pipeline, "trace_whole", trace_then_change)
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(VerificationError, match=r"depth .*: expected onnxruntime within 0\.0001 of its range"):
        pipeline.export(folder / "tiny.safetensors", folder / "out.onnx")
    assert {path.name for path in folder.iterdir()} == before


def test_weights_beside_the_graph(folder: Path, monkeypatch: pytest.MonkeyPatch, photo_bgr: Any) -> None:
    """What happens above 2 GB, tried with the limit at zero."""
    whole = pipeline.export(folder / "tiny.safetensors", folder / "whole.onnx")
    monkeypatch.setattr("dptscope_export.write.SINGLE_FILE_BYTES", 0)
    apart = pipeline.export(folder / "tiny.safetensors", folder / "apart.onnx")
    assert [path.name for path in apart.files] == [
        "apart.fusion.onnx",
        "apart.fusion.onnx.data",
        "apart.onnx.data",
        "apart.preview.onnx",
        "apart.preview.onnx.data",
        "apart.onnx",
    ]
    assert apart.model.stat().st_size < whole.model.stat().st_size / 2
    np.testing.assert_array_equal(
        dptscope.load(apart.model).predict(photo_bgr, size=70).raw,
        dptscope.load(whole.model).predict(photo_bgr, size=70).raw,
    )
