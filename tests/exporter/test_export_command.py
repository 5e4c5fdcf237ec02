"""``dptscope export`` as a user calls it, and what it leaves behind when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.seeded import seeded_tensors, write_tiny

import dptscope
from dptscope.commands import app as cli
from dptscope_export import pipeline, verify
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


def test_the_noise_of_float32_is_no_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit, here of zero, what PyTorch differs by from itself with other kernels is the measure."""
    strict = partial(verify.verify, limits=replace(verify.EXACT, norms=0.0))
    monkeypatch.setattr(pipeline, "verify", strict)
    monkeypatch.setattr(verify, "NOISE", 0.0)
    with pytest.raises(
        VerificationError, match=r"norms of block_00_tokens .*: expected onnxruntime within 0 of their mean"
    ):
        pipeline.export(folder / "tiny.safetensors", folder / "out.onnx")
    monkeypatch.setattr(verify, "NOISE", 100.0)
    parity = pipeline.export(folder / "tiny.safetensors", folder / "out.onnx").card.parity
    assert parity is not None and 0 < parity.norms < 1e-6


def test_weights_beside_the_graph(folder: Path, monkeypatch: pytest.MonkeyPatch, photo_bgr: Any) -> None:
    """What happens above 2 GB, tried with the limit at zero."""
    whole = pipeline.export(folder / "tiny.safetensors", folder / "whole.onnx")
    monkeypatch.setattr("dptscope_export.publish.SINGLE_FILE_BYTES", 0)
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


@pytest.fixture
def collection(folder: Path, v2_hugging_face: Any) -> Path:
    """A folder of checkpoints: two that are right, one that is none, one whose model would take another's place."""
    models = folder / "models"
    models.mkdir()
    for name in ("bad.pth", "tiny.safetensors"):
        (folder / name).rename(models / name)
    torch.save(seeded_tensors(), models / "tiny.pth")
    shutil.copytree(v2_hugging_face.checkpoint, models / "face")
    (models / "README.md").write_text("about these")
    (models / "nothing").mkdir()
    return models


def test_a_folder_of_checkpoints(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", str(collection), "-o", "made", "--variant", "depth-anything-v2"]) == 2
    made = {path.name for path in Path("made").iterdir()}
    assert made == {
        f"{stem}{suffix}" for stem in ("face", "tiny") for suffix in (".onnx", ".fusion.onnx", ".preview.onnx")
    }
    assert dptscope.load("made/tiny.onnx").card.source_file == "tiny.pth"
    captured = capsys.readouterr()
    for number, name in enumerate(("bad.pth", "face", "tiny.pth", "tiny.safetensors"), 1):
        assert f"[{number}/4] {collection / name}" in captured.out
    bad, twice, end = captured.err.splitlines()
    assert f"{collection / 'bad.pth'}: no PyTorch checkpoint" in bad
    assert (
        f"{collection / 'tiny.safetensors'}: made/tiny.onnx is already the model of {collection / 'tiny.pth'}" in twice
    )
    assert end == "dptscope: 2 of 4 checkpoints were not exported"


def test_a_folder_of_checkpoints_needs_a_folder(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", str(collection), "-o", "all.onnx"]) == 2
    assert "expected --output to name a folder for 4 checkpoints, got all.onnx" in capsys.readouterr().err
    assert cli.run(["export", str(collection / "nothing")]) == 2
    assert "or with checkpoints in it" in capsys.readouterr().err


def test_output_into_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    assert cli.run(["export", "tiny.safetensors", "-o", "out"]) == 0
    assert (folder / "out" / "tiny.onnx").is_file()


def test_without_opencv_and_telemetry(folder: Path) -> None:
    """On a server without libGL, where onnxsim would bring onnxruntime before it is told to report nothing."""
    (folder / "broken" / "cv2").mkdir(parents=True)
    (folder / "broken" / "cv2" / "__init__.py").write_text("raise ImportError('libxcb.so.1')")
    watched = """
import os, runpy, sys

def watch(event, arguments):
    if event == "import" and arguments[0] == "onnxruntime":
        print("ORT_DISABLE_TELEMETRY:", os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.addaudithook(watch)
runpy.run_module("dptscope", run_name="__main__")
"""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", watched, "export", "tiny.safetensors"],
        env=environment | {"PYTHONPATH": "broken"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "ORT_DISABLE_TELEMETRY: 1" in done.stdout and "ORT_DISABLE_TELEMETRY: None" not in done.stdout
    assert (folder / "tiny.onnx").is_file()


@pytest.mark.parametrize(
    ("release", "told"), [("2.9.1+cu128", False), ("2.13.0+cpu", False), ("2.14.1", True), ("3.0.0a0+git", True)]
)
def test_a_newer_pytorch_is_told(release: str, told: bool) -> None:
    notes = pipeline._release_notes(release)
    assert bool(notes) == told and all(release in note for note in notes)
