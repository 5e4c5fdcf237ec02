"""``dptscope export --half``: weights in float16, and all else as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper
from support.seeded import write_tiny

import dptscope
from dptscope.commands import app as cli
from dptscope.commands.info import describe
from dptscope.contract import companion_path, preview_path
from dptscope_export import pipeline, publish
from dptscope_export.errors import VerificationError
from dptscope_export.graph import finish
from dptscope_export.graph.half import cast_weights, weights_to_round
from dptscope_export.pipeline import export
from dptscope_export.verify import EXACT, ROUNDED

FORMS = ("default", "portable", "readable")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("half") / "tiny.safetensors")


@pytest.fixture(scope="module")
def halves(checkpoint: Path) -> dict[str, Path]:
    return {
        form: export(checkpoint, checkpoint.with_name(f"{form}.onnx"), form=form, half=True).model for form in FORMS
    }


def float16_weights(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    found = onnx.load(path).graph.initializer
    return {w.name: numpy_helper.to_array(w) for w in found if w.data_type == TensorProto.FLOAT16}


@pytest.mark.parametrize("form", FORMS)
def test_the_file_says_so_and_its_parity_is_measured_on_it(
    form: str, halves: dict[str, Path], tiny_model: Path
) -> None:
    described = describe(dptscope.load(halves[form]))
    assert (described["storage"], described["changed"], described["form"]) == ("float16", [], form)
    parity, exact = described["parity"], dptscope.load(tiny_model).card.parity
    assert exact is not None
    assert 10 * exact.depth_range < parity["depth_range"] < ROUNDED.depth
    assert EXACT.norms < parity["norms"] < ROUNDED.norms
    assert parity["companion"] <= EXACT.depth


@pytest.mark.parametrize("form", FORMS)
def test_what_is_rounded(form: str, halves: dict[str, Path]) -> None:
    for path in (halves[form], companion_path(halves[form]), preview_path(halves[form])):
        assert float16_weights(path)
        onnx.checker.check_model(onnx.load(path), full_check=True)
    model = onnx.load(halves[form])
    kinds = {weight.name: weight.data_type for weight in model.graph.initializer}
    assert kinds["encoder/block_00/attention/qkv/weight"] == TensorProto.FLOAT16
    for name in ("encoder/block_00/norm1/weight", "encoder/block_00/attention/qkv/bias", "fusion_scale_1"):
        assert kinds[name] == TensorProto.FLOAT
    numbers = {TensorProto.FLOAT: 0, TensorProto.FLOAT16: 0}
    for weight in model.graph.initializer:
        if weight.data_type in numbers:
            numbers[weight.data_type] += int(np.prod(weight.dims))
    assert numbers[TensorProto.FLOAT16] > 10 * numbers[TensorProto.FLOAT]
    if form == "readable":  # the Casts are in the bodies, and not on the first page
        assert not any(node.op_type == "Cast" for node in model.graph.node)


def test_it_computes_in_float32_with_rounded_weights(
    halves: dict[str, Path], tiny_model: Path, photo_bgr: Any, tmp_path: Path
) -> None:
    """The same as the float32 file with its weights rounded by hand."""
    rounded = float16_weights(halves["default"])
    model = onnx.load(tiny_model)
    for weight in model.graph.initializer:
        if weight.name in rounded:
            numbers = numpy_helper.to_array(weight).astype(np.float16)
            np.testing.assert_array_equal(numbers, rounded[weight.name])
            weight.CopyFrom(numpy_helper.from_array(numbers.astype(np.float32), weight.name))
    onnx.save(model, tmp_path / "rounded.onnx")
    found = dptscope.compare(tmp_path / "rounded.onnx", halves["default"], [photo_bgr], size=140)
    assert found.largest.worst < 1e-5 and max(norms.worst for norms in found.norms) < 1e-6
    unrounded = dptscope.compare(tiny_model, halves["default"], [photo_bgr], size=140)
    assert unrounded.largest.worst > 1e-4 and unrounded.delta1.worst > 0.99


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_cast_in_a_run(form: str, halves: dict[str, Path], tmp_path: Path) -> None:
    """onnxruntime folds the Casts when it loads the file."""
    for path in (halves[form], companion_path(halves[form]), preview_path(halves[form])):
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(tmp_path / path.name)
        ort.InferenceSession(path, options)
        assert float16_weights(tmp_path / path.name) == {}


def test_companion_and_preview(halves: dict[str, Path], photo_bgr: Any) -> None:
    model = dptscope.load(halves["default"])
    scene, scales = model.prepare(photo_bgr, size=140), (0.5, 1.0, 1.5, 1.0)
    whole = model.predict(photo_bgr, size=140, fusion_scales=scales).raw
    np.testing.assert_allclose(scene.raw_depth(scales), whole, atol=1e-5 * whole.std())
    assert scene.preview_depth(scales).std() > 0


def test_it_is_another_model_than_the_float32_one(halves: dict[str, Path], tiny_model: Path) -> None:
    """So its companion does not pass for the other's. The small model is fresh: test_tiny_file.py."""
    plain, half = (dptscope.load(path).card for path in (tiny_model, halves["default"]))
    assert plain.storage == "float32" and not float16_weights(tiny_model)
    assert plain.source_sha256 == half.source_sha256 and plain.model_id != half.model_id


def test_a_wrong_graph_does_not_pass_for_rounding(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held to the limits of float32 before anything is rounded."""

    def tamper(model: ir.Model) -> None:
        cast_weights(model)
        value = model.graph.initializers.get("encoder/block_01/mlp/fc1/weight")
        if value is not None and value.const_value is not None:
            value.const_value = ir.tensor(value.const_value.numpy() * np.float32(1.0005), name=value.name)

    monkeypatch.setattr(finish, "cast_weights", tamper)
    with pytest.raises(VerificationError, match=rf"within {EXACT.norms:.2g} of their mean of PyTorch"):
        export(checkpoint, tmp_path / "model.onnx", half=True)
    assert list(tmp_path.iterdir()) == []


def test_rounding_that_shows_is_refused(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ROUNDED", EXACT)
    with pytest.raises(VerificationError, match="nothing was written"):
        export(checkpoint, tmp_path / "model.onnx", half=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("most", "beside"), [(500_000, []), (100_000, ["half.onnx.data"])])
def test_weights_beside_the_graph(
    most: int, beside: list[str], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the float32 graph does not fit into one file and the float16 one does, and where neither does."""
    monkeypatch.setattr(publish, "SINGLE_FILE_BYTES", most)
    model = export(checkpoint, tmp_path / "half.onnx", half=True).model
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(["half.fusion.onnx", "half.onnx", "half.preview.onnx", *beside])
    assert describe(dptscope.load(model))["changed"] == []


@pytest.mark.parametrize(("factor", "rounded"), [(1.0, True), (1e6, False), (1e-7, False)])
def test_numbers_that_float16_does_not_hold_stay(factor: float, rounded: bool) -> None:
    numbers = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32) * np.float32(factor)
    value = ir.Value(name="w", const_value=ir.tensor(numbers))
    graph = ir.Graph([], [], nodes=[], initializers=[value], opset_imports={"": 20})
    assert bool(weights_to_round(graph)) == rounded


def test_command(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", str(checkpoint), "-o", str(tmp_path / "mine.onnx"), "--half"]) == 0
    assert "verified with its weights in float16 at 5 sizes" in capsys.readouterr().out
    assert cli.run(["info", str(tmp_path / "mine.onnx")]) == 0
    assert "what is told below was measured with the float16 ones" in " ".join(capsys.readouterr().out.split())
