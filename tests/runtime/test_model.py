"""Loading models, predicting, and scenes that are asked many times."""

from __future__ import annotations

import copy
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from support.weights import multiplied

import dptscope
from dptscope import DptscopeError, ImageError, ModelFileError, ProviderError, SizeError
from dptscope.prepare import prepare_image


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> dptscope.DepthModel:
    return dptscope.load(tiny_model)


def test_predict(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    result = model.predict(photo_bgr)
    assert result.depth.shape == photo_bgr.shape[:2]
    assert result.depth.dtype == np.float32
    assert result.raw.shape == (70, 98)  # native 70: the shorter side, the longer rounded to 14
    assert result.kind == "relative"
    assert result.depth.std() > 0.05


def test_tokens_and_norms(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    tokens, norms = model.block_tokens(photo_bgr), model.block_norms(photo_bgr)
    assert [t.shape for t in tokens] == [(5, 7, 64)] * 4
    assert [n.shape for n in norms] == [(5, 7)] * 4
    np.testing.assert_allclose(norms[2], np.linalg.norm(tokens[2], axis=-1), rtol=1e-6)


def test_scene_equals_predict_and_answers_scales(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    scene = model.prepare(photo_bgr)
    plain = model.predict(photo_bgr).depth
    np.testing.assert_array_equal(scene.depth(), plain)
    scaled = scene.depth(fusion_scales=(1.0, 0.5, 1.0, 1.0))
    assert np.abs(scaled - plain).max() > 0.1 * plain.std()
    # One as a number that has been through arithmetic: the companion runs, and agrees.
    np.testing.assert_allclose(scene.depth((1.0, 1.0, 1.0, 1.0 + 1e-9)), plain, atol=1e-5 * plain.std())


def test_predict_with_scales(model: dptscope.DepthModel, photo_bgr: Any) -> None:
    scales = (1.0, 0.5, 1.5, 0.0)
    scaled = model.predict(photo_bgr, fusion_scales=scales).raw
    assert np.ptp(scaled - model.predict(photo_bgr).raw) > 0
    wanted = model.prepare(photo_bgr).raw_depth(scales)  # through the companion
    np.testing.assert_allclose(scaled, wanted, rtol=0, atol=1e-5 * float(np.ptp(wanted)))
    with pytest.raises(DptscopeError, match="four finite"):
        model.predict(photo_bgr, fusion_scales=(1.0, float("nan"), 1.0, 1.0))


def test_without_companion_the_whole_model_runs_and_says_so_once(
    tiny_model: Path, tmp_path: Path, photo_bgr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny_model, tmp_path / "alone.onnx")
    said: list[str] = []
    monkeypatch.setattr("dptscope.scene.logger.warning", lambda text, *words: said.append(text % words))
    alone, whole = dptscope.load(tmp_path / "alone.onnx"), dptscope.load(tiny_model)
    assert not alone.has_companion
    scales = (0.5, -1.0, 2.0, 1.5)
    scene = alone.prepare(photo_bgr)
    depth = scene.depth(scales)
    scene.depth((2, 1, 1, 1))
    wanted = whole.prepare(photo_bgr).depth(scales)
    np.testing.assert_allclose(depth, wanted, atol=1e-5 * wanted.std())
    assert len(said) == 1
    assert "alone.fusion.onnx is not there" in said[0]


def test_a_companion_of_another_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model, tmp_path / "m.onnx")
    companion = tiny_model.with_name("tiny.fusion.onnx").read_bytes()
    model_id = dptscope.load(tiny_model).card.model_id.encode()
    (tmp_path / "m.fusion.onnx").write_bytes(companion.replace(model_id, b"0" * len(model_id)))
    with pytest.raises(ModelFileError, match=r"expected the companion of m\.onnx .* got that of another model"):
        dptscope.load(tmp_path / "m.onnx")


def test_files_that_are_no_models(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        dptscope.load(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelFileError, match="expected an ONNX model, got something else or a damaged one"):
        dptscope.load(tmp_path / "text.onnx")
    (tmp_path / "half.onnx").write_bytes(tiny_model.read_bytes()[:100_000])
    with pytest.raises(ModelFileError, match="expected an ONNX model, got something else or a damaged one"):
        dptscope.load(tmp_path / "half.onnx")
    with pytest.raises(ModelFileError, match="expected a model, got a fusion companion"):
        dptscope.load(tiny_model.with_name("tiny.fusion.onnx"))
    shutil.copy(Path(ort.__file__).parent / "datasets" / "mul_1.onnx", tmp_path / "mul.onnx")
    with pytest.raises(ModelFileError, match="got an ONNX file of something else"):
        dptscope.load(tmp_path / "mul.onnx")


def test_another_contract_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    key = b"dptscope.contract\x12\x01"
    data = tiny_model.read_bytes()
    assert data.count(key + b"2") == 1
    (tmp_path / "new.onnx").write_bytes(data.replace(key + b"2", key + b"9"))
    with pytest.raises(ModelFileError, match="expected contract 1 or 2, got 9"):
        dptscope.load(tmp_path / "new.onnx")


def test_a_file_of_the_first_version(tiny_model: Path) -> None:
    """Written before contract 2: what it does not say has a stated meaning, and the numbers are the same."""
    first, second = dptscope.load(tiny_model.parent / "version_1" / tiny_model.name), dptscope.load(tiny_model)
    assert (first.card.contract, second.card.contract) == ("1", "2")
    assert (first.card.form, first.card.without) == ("default", ())
    assert (first.card.attention_matrices, first.card.weights_sha256) == (None, "")
    assert second.card.attention_matrices == 1 and len(second.card.weights_sha256) == 64
    assert first.has_companion and first.has_preview
    image = np.random.default_rng(0).normal(size=(1, 3, 56, 98)).astype(np.float32)
    names = [output["name"] for output in first.outputs()]
    for one, other in zip(first.run(image, names).values(), second.run(image, names).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "copied", [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_models_and_scenes_go_to_other_processes(
    tiny_model: Path, photo_bgr: Any, copied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pools of processes, joblib and data loaders send them; from wherever the file was named."""
    monkeypatch.chdir(tiny_model.parent)
    model = dptscope.load(tiny_model.name, threads=1)
    scene = model.prepare(photo_bgr)
    monkeypatch.chdir("/")
    other, scales = copied(model), (1.0, 0.5, -1.0, 1.0)
    assert (other.card, other.has_companion) == (model.card, True)
    np.testing.assert_array_equal(other.predict(photo_bgr).depth, model.predict(photo_bgr).depth)
    np.testing.assert_array_equal(copied(scene).depth(scales), scene.depth(scales))


@pytest.mark.parametrize(
    "providers", ["CPUExecutionProvider", [("CPUExecutionProvider", {})], ["CPUExecutionProvider"]]
)
def test_providers_as_onnxruntime_takes_them(tiny_model: Path, providers: Any) -> None:
    assert dptscope.load(tiny_model, providers).has_companion


@pytest.mark.parametrize("providers", ["CUDAExecutionProvider", [("CUDAExecutionProvider", {"device_id": 1})], [], ""])
def test_providers_that_are_not_there(tiny_model: Path, providers: Any) -> None:
    with pytest.raises(ProviderError, match=r"expected one of the providers .*CPUExecutionProvider"):
        dptscope.load(tiny_model, providers)


def test_bad_arguments(model: dptscope.DepthModel, tiny_model: Path, photo_bgr: Any) -> None:
    with pytest.raises(ImageError):
        model.predict(photo_bgr.astype(np.float32))
    with pytest.raises(SizeError, match="multiple of 14"):
        model.predict(photo_bgr, size=71)
    with pytest.raises(SizeError):
        model.run(np.zeros((1, 3, 70, 71), np.float32), ["depth"])
    with pytest.raises(DptscopeError, match="got 'nothing'"):
        model.run(np.zeros((1, 3, 70, 70), np.float32), ["nothing"])
    scene = model.prepare(photo_bgr)
    with pytest.raises(DptscopeError, match="expected four finite fusion scales"):
        scene.depth((1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(DptscopeError, match="expected four finite fusion scales"):
        scene.depth((1, 2, 3, float("nan")))
    with warnings.catch_warnings(action="error"), pytest.raises(DptscopeError, match="four finite fusion scales"):
        scene.depth((1, 2, 3, 1e39))  # finite, but not in float32
    with pytest.raises(DptscopeError, match="keep_tokens=True"):
        _ = scene.block_tokens
    with pytest.raises(ProviderError, match="got CUDAExecutionProvider"):
        dptscope.load(tiny_model, providers=["CUDAExecutionProvider"])
    for threads in (-1, 0, 1 << 40, 10**30):
        with pytest.raises(ProviderError, match="1 to 1024 threads"):
            dptscope.load(tiny_model, threads=threads)


def test_tokens_that_the_next_layer_would_hide(tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    """Weights of 1e12 in two layers make tokens of 1e24, and the normalisation after them makes zeros of those; NaN in
    onnxruntime 1.20, which is refused as any NaN is."""
    data = tiny_model.read_bytes()
    for layer in ("fc1", "fc2"):
        data = multiplied(data, f"encoder/block_01/mlp/{layer}/weight", 1e12)
    (tmp_path / "m.onnx").write_bytes(data)
    loaded = dptscope.load(tmp_path / "m.onnx")
    for ask in (loaded.predict, loaded.prepare):
        with pytest.raises(
            DptscopeError, match=r"m\.onnx: expected (numbers that float32 can compute with|finite numbers)"
        ):
            ask(photo_bgr)


def test_class_tokens_of_every_block(tiny_model: Path, photo_bgr: Any) -> None:
    model = dptscope.load(tiny_model)
    scene = model.prepare(photo_bgr)
    found = model.run(prepare_image(model.card, photo_bgr), ["block_cls_tokens"])["block_cls_tokens"]
    assert scene.cls_tokens is not None and scene.cls_tokens.shape == (
        len(model.card.blocks),
        model.card.blocks[0].channels,
    )
    np.testing.assert_array_equal(scene.cls_tokens, found[0])


def test_a_notebook_displays_depth_and_norms(tiny_model: Path, photo_bgr: Any) -> None:
    scene = dptscope.load(tiny_model).prepare(photo_bgr)
    depth, norms, switched = scene.show(), scene.show("norms"), scene.show(fusion_scales=(1.0, 0.0, 1.0, 1.0))
    for picture in (depth, norms, switched):
        decoded = cv2.imdecode(np.frombuffer(picture._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(decoded, picture.bgr)
    assert depth.bgr.shape == photo_bgr.shape and not np.array_equal(depth.bgr, switched.bgr)
    assert repr(depth) == f"Picture({photo_bgr.shape[0]} × {photo_bgr.shape[1]}, in .bgr)"
