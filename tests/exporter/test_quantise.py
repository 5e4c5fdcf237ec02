"""``dptscope quantise``: a file with rounded numbers, made of an exported one and measured against it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from support.full_disk import small_disk
from support.interrupting import LINE, start, wait_for

import dptscope
from dptscope import contract
from dptscope.commands import app as cli
from dptscope.commands.demo import MODEL as SHIPPED
from dptscope.commands.info import describe
from dptscope.contract import companion_path, preview_path
from dptscope.errors import DptscopeError
from dptscope.fidelity import Fidelity
from dptscope.files.atomic import PART_SUFFIX
from dptscope_export.quantise import pipeline
from dptscope_export.quantise.measure import MOVED
from dptscope_export.quantise.pipeline import Quantised, quantise

LOW = 0.5  # what random weights reach: their depth comes near zero, where ratios are wild


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, photo_bgr: NDArray[np.uint8]) -> Path:
    """Four parts of a photo, and one that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(4):
        cv2.imwrite(str(folder / f"{index}.png"), photo_bgr[100 * index :, 150 * index :][:140, :140])
    (folder / "broken.png").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, photos: Path) -> Quantised:
    """Of the small model, with photos; a low floor lets its sliders be in int8, too."""
    return quantise(tiny_model, tmp_path_factory.mktemp("int8"), [photos], floor=LOW)


def operators(path: Path) -> dict[str, str]:
    """Operator by node."""
    return {node.name: node.op_type for node in onnx.load(path).graph.node}


def initializers(model: ModelProto) -> dict[str, NDArray[Any]]:
    return {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}


def test_the_files_keep_the_contract(small: Quantised, tiny_model: Path) -> None:
    assert [path.name for path in small.files] == ["tiny.int8.fusion.onnx", "tiny.int8.preview.onnx", "tiny.int8.onnx"]
    made, plain = dptscope.load(small.model), dptscope.load(tiny_model)
    assert made.has_companion and made.has_preview
    assert (made.inputs(), made.outputs()) == (plain.inputs(), plain.outputs())
    assert made.graphs.changed_files() == []
    assert made.card.model_id != plain.card.model_id and made.card.source_sha256 == plain.card.source_sha256
    assert (made.card.storage, made.card.parity, plain.card.fidelity) == ("int8", None, None)
    assert small.model.stat().st_size < 0.8 * tiny_model.stat().st_size
    for new, old in zip(small.files, (companion_path(tiny_model), preview_path(tiny_model), tiny_model), strict=True):
        after, before = onnx.load(new), onnx.load(old)
        onnx.checker.check_model(after, full_check=True)
        assert (after.ir_version, after.producer_name) == (before.ir_version, "dptscope")
        assert [opset.domain for opset in after.opset_import] == [opset.domain for opset in before.opset_import] == [""]
        for k in contract.FUSION_BLOCKS:
            np.testing.assert_array_equal(initializers(after)[contract.fusion_scale_name(k)], [1.0])


def test_what_is_computed_in_int8(small: Quantised, tiny_model: Path) -> None:
    after, before = operators(small.model), operators(tiny_model)
    linear = [name for name in before if name.startswith("encoder/block_") and before[name] == "MatMul"]
    assert len(linear) == 16 and all(after[f"{name}_quant"] == "MatMulInteger" for name in linear)
    untouched = [name for name in before if name.startswith("encoder/position/") or "/attention/Scan" in name]
    assert untouched and all(after[name] == before[name] for name in untouched)
    weights = {weight.name: weight.data_type for weight in onnx.load(small.model).graph.initializer}
    for name in ("encoder/block_00/mlp/fc1", "fusion/block_1/out_conv", "reassemble/stage_1/project"):
        assert weights[f"{name}/weight_quantized"] == TensorProto.INT8 and f"{name}/weight" not in weights
    assert weights["encoder/patch_embed/weight"] == TensorProto.FLOAT
    assert (after["head/conv3/sums/MatMulInteger"], weights["head/conv3/sums/steps"]) == (
        "MatMulInteger",
        TensorProto.FLOAT,
    )
    assert "head/conv3/Conv" in before and not {name for name in after if name.startswith("head/conv3/Conv")}
    assert before["fusion/block_1/residual_unit/Relu_2"] == before["head/Relu"] == "Relu"
    assert not {"fusion/block_1/residual_unit/Relu_2", "head/Relu"} & set(after), "a range from zero on does it"
    assert after["fusion/block_1/residual_unit/Relu"] == "Relu", "the shortcut needs what is below"


def test_weights_are_rounded_channel_by_channel(small: Quantised, tiny_model: Path) -> None:
    after, before = initializers(onnx.load(small.model)), initializers(onnx.load(tiny_model))
    for name, axis in (("encoder/block_02/mlp/fc2/weight", 0), ("fusion/block_2/out_conv/weight", (1, 2, 3))):
        weight, rounded, scale = before[name], after[f"{name}_quantized"], after[f"{name}_scale"]
        step = np.abs(weight).max(axis=axis, keepdims=True) / 127
        assert np.abs(rounded * scale.reshape(step.shape) - weight).max() <= 0.51 * step.max()
        np.testing.assert_allclose(scale.reshape(step.shape), step, rtol=1e-2)


def test_the_table_is_what_a_comparison_finds(small: Quantised, tiny_model: Path, photos: Path) -> None:
    """On the photos that ranges were not taken from."""
    fidelity = small.card.fidelity
    assert fidelity is not None and fidelity == dptscope.load(small.model).card.fidelity
    assert (fidelity.photos, fidelity.calibrated, fidelity.left) == (2, 2, ())
    assert fidelity.reference == dptscope.load(tiny_model).card.model_id
    found = dptscope.compare(tiny_model, small.model, [photos / "1.png", photos / "3.png"])
    assert (fidelity.delta1, fidelity.delta105) == (found.delta1, found.delta105)
    assert fidelity.correlation == found.correlation and fidelity.correlation.worst < 1
    np.testing.assert_allclose(fidelity.norms, [norms.worst for norms in found.norms], rtol=1e-5)
    assert any("broken.png" in note for note in small.notes)
    assert fidelity.moved is not None and LOW <= fidelity.moved.worst < 1


def test_other_scales_in_the_whole_file_and_in_its_companion(small: Quantised, photo_bgr: Any) -> None:
    """Their ranges are the same: the whole graph's decoder was calibrated at other scales, too."""
    model = dptscope.load(small.model)
    scene = model.prepare(photo_bgr)
    for scales in MOVED:
        whole = model.predict(photo_bgr, fusion_scales=scales).raw
        np.testing.assert_allclose(scene.raw_depth(scales), whole, atol=1e-5 * whole.std())


def test_scales_stay_exact_where_int8_would_spoil_them(
    small: Quantised, tiny_model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the figures of other scales alone are below the floor."""

    def below(_fidelity: Fidelity, _floor: float, scales_alone: bool = False) -> str | None:
        return "figure of 0.8" if scales_alone else None

    monkeypatch.setattr(pipeline, "below", below)
    made = quantise(tiny_model, tmp_path, [photos])
    assert made.notes[-1] == "14 convolutions that fusion scales act on stay float32: in int8 they gave a figure of 0.8"
    assert set(operators(companion_path(made.model)).values()) == set(operators(companion_path(tiny_model)).values())
    after = operators(made.model)
    assert after["fusion/skip_1/conv1/Conv"] == "Conv" and "QuantizeLinear" in after.values()
    assert "fusion/skip_1/conv1/weight_quantized" in initializers(onnx.load(made.model))
    assert "fusion/block_1/out_conv/weight" in initializers(onnx.load(made.model))
    exact, rounded = made.card.fidelity, small.card.fidelity
    assert exact is not None and rounded is not None and exact.moved is not None and rounded.moved is not None
    assert exact.moved.mean > rounded.moved.mean and exact.calibrated == 2


def test_outliers_stay_float32(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One neuron of block 2 that is a hundred times as large in one token: its second layer reads it, and no other does."""
    model = onnx.load(tiny_model)
    weights = {weight.name: weight for weight in model.graph.initializer}
    name = "encoder/block_02/mlp/fc1"
    weight = numpy_helper.to_array(weights[f"{name}/weight"]).copy()
    weight[:, 7] *= 100
    weights[f"{name}/weight"].CopyFrom(numpy_helper.from_array(weight, f"{name}/weight"))
    onnx.save(model, tmp_path / "planted.onnx")
    assert cli.run(["quantise", str(tmp_path / "planted.onnx"), "--floor", "0"]) == 0
    said = capsys.readouterr().out
    assert "1 linear layers stay float32" in said and "encoder/block_02/mlp/fc2 (" in said
    made = dptscope.load(tmp_path / "planted.int8.onnx")
    assert made.card.fidelity is not None and made.card.fidelity.left == ("encoder/block_02/mlp/fc2/MatMul",)
    assert operators(tmp_path / "planted.int8.onnx")["encoder/block_02/mlp/fc2/MatMul"] == "MatMul"


def test_below_the_floor_nothing_is_written(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["quantise", str(tiny_model), "-o", str(tmp_path), "--floor", "1"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "expected 1 or more in every figure, got a δ1 of the depth of 0." in said
    assert list(tmp_path.iterdir()) == []


def test_half(tiny_model: Path, tmp_path: Path) -> None:
    made = quantise(tiny_model, tmp_path, half=True)
    assert made.model.name == "tiny.half.onnx" and made.card.storage == "float16"
    described = describe(dptscope.load(made.model))
    assert described["changed"] == [] and described["fidelity"]["delta1"]["worst"] > 0.99
    assert 0 < max(described["fidelity"]["norms"]) < 5e-3
    assert made.model.stat().st_size < 0.75 * tiny_model.stat().st_size


def test_files_that_have_nothing_left_to_round(small: Quantised, tmp_path: Path, photos: Path) -> None:
    with pytest.raises(
        DptscopeError, match=r"expected weights in float32, got int8; .* made of, or export .* without --half"
    ):
        quantise(small.model)
    foreign = onnx.load(small.model)  # quantised by a tool that does not say so
    for entry in foreign.metadata_props:
        if entry.key == "dptscope.storage":
            entry.value = "float32"
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(DptscopeError, match="quantised already"):
        quantise(tmp_path / "foreign.onnx")
    for entry in foreign.metadata_props:
        if entry.key == "dptscope.form":
            entry.value = "readable"
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(DptscopeError, match="export the checkpoint without --readable"):
        quantise(tmp_path / "foreign.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]


@pytest.mark.parametrize("given", [["0.png"], ["broken.png"], ["0.png", "broken.png"]])
def test_photos_that_do_not_do(given: list[str], tiny_model: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DptscopeError, match="expected two photos or more"):
        quantise(tiny_model, tmp_path, [photos / name for name in given])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tiny.fusion.onnx", "tiny.txt"])
def test_outputs_that_are_none(name: str, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DptscopeError, match=r"expected an output that ends in \.onnx"):
        quantise(tiny_model, tmp_path / name)
    with pytest.raises(DptscopeError, match="that file itself"):
        quantise(tiny_model, tiny_model)


def test_attention_of_a_quantised_file(small: Quantised, photo_bgr: Any) -> None:
    scene = dptscope.load(small.model).prepare(photo_bgr, keep_tokens=True)
    with pytest.raises(DptscopeError, match="for a quantised one take the float32 file that it was made of"):
        scene.attention(2, (1, 1))


def test_an_error_of_the_quantiser_leaves_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("what it says")

    monkeypatch.setattr("onnxruntime.quantization.quantize_dynamic", fail)
    with pytest.raises(RuntimeError, match="what it says"):
        quantise(tiny_model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_command_without_pytorch(tiny_model: Path, photos: Path, tmp_path: Path) -> None:
    """In a process of its own, which may not import it; nothing but the result on either stream."""
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['onnxsim'] = None\n"
        "from dptscope.commands.app import run; sys.exit(run(sys.argv[1:]))"
    )
    command = ["quantise", tiny_model, "-o", tmp_path, "--photos", photos / "0.png", "--photos", photos / "1.png"]
    words = [sys.executable, "-c", code, *map(str, command), "--floor", "0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("measured against tiny.onnx:") and str(tmp_path / "tiny.int8.onnx") in done.stdout
    assert len(list(tmp_path.iterdir())) == 3
    session = ort.InferenceSession(tmp_path / "tiny.int8.onnx")
    assert session.get_modelmeta().custom_metadata_map["dptscope.storage"] == "int8"
    assert pipeline.FLOOR == 0.99


def test_a_disk_without_room(tiny_model: Path, tmp_path: Path) -> None:
    """Said before the work."""
    with small_disk(tmp_path / "disk", 500_000) as disk:
        done = disk.run(["-m", "dptscope", "quantise", tiny_model, "-o", disk.folder])
        assert (done.returncode, done.stderr.count("\n"), list(disk.folder.iterdir())) == (2, 1, [])
        assert "cannot be written (" in done.stderr


def test_an_interrupt(tmp_path: Path) -> None:
    """Of the shipped model: a smaller one may be done before it is interrupted."""
    with start(["-m", "dptscope", "quantise", SHIPPED, "-o", tmp_path]) as process:
        wait_for(lambda: list(tmp_path.glob(f".*{PART_SUFFIX}/*.onnx")), process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors, list(tmp_path.iterdir())) == (130, LINE, [])


def test_compare_reads_the_table(
    small: Quantised, tiny_model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fidelity = small.card.fidelity
    assert fidelity is not None
    photo = str(photos / "1.png")
    assert cli.run(["compare", str(tiny_model), str(small.model), photo]) == 0
    said = capsys.readouterr().out
    assert "no block's norms differ by more than 0.02" in said
    assert f"made of tiny.onnx, and measured then on 2 photos: worst δ1 {fidelity.delta1.worst:.4f}" in said
    assert (
        cli.run(["compare", str(small.model), str(tiny_model), photo, "--json"]) == 0
    )  # the other way round it says none
    assert json.loads(capsys.readouterr().out)["stated"] is None
