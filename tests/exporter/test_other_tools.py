"""Our files in the hands of other people's tools: what docs/other_tools.md says of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import compose
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed, make_input_shape_fixed
from onnxruntime.transformers.float16 import convert_float_to_float16
from support.seeded import write_tiny

import dptscope
from dptscope.commands.info import describe
from dptscope.contract import companion_path
from dptscope_export.pipeline import export

ROOT = Path(__file__).parents[2]
SIZE = (84, 126)


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portable")
    return export(write_tiny(folder / "tiny.safetensors"), folder / "tiny.onnx", form="portable").model


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the tools leave files where they are called."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def image() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(1, 3, *SIZE)).astype(np.float32)


def quiet() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return options


def depth(model: Any, feeds: dict[str, Any], output: str = "depth") -> np.ndarray[Any, Any]:
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return np.asarray(ort.InferenceSession(data, quiet()).run([output], feeds)[0])


def off(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> float:
    """The largest difference, in the range of what is wanted."""
    return float(np.abs(got.reshape(wanted.shape) - wanted).max() / np.ptp(wanted))


@pytest.mark.parametrize("by", ["dimensions", "input"])
def test_sizes_fixed_by_onnxruntimes_tool(by: str, tiny_model: Path, tmp_path: Path, image: Any) -> None:
    model = onnx.load(tiny_model)
    if by == "dimensions":
        for name, size in {"batch": 1, "height": SIZE[0], "width": SIZE[1]}.items():
            make_dim_param_fixed(model.graph, name, size)
    else:
        make_input_shape_fixed(model.graph, "image", [1, 3, *SIZE])
    onnx.save(model, tmp_path / "m.onnx")
    fixed = dptscope.load(tmp_path / "m.onnx")
    assert (fixed.card.dynamic, fixed.card.native_size) == (False, SIZE)
    assert off(fixed.run(image, ["depth"])["depth"], depth(tiny_model, {"image": image})) < 1e-5
    assert describe(fixed)["changed"] == []  # the weights are the same
    with pytest.raises(dptscope.SizeError, match="84 × 126 pixels only"):
        fixed.run(image[..., :70], ["depth"])


def test_a_part_taken_out(portable: Path, tmp_path: Path, image: Any) -> None:
    """extract_model leaves metadata out: it is no dptscope file any more, and says so. In onnxruntime it runs as before."""
    scales = [f"fusion_scale_{k}" for k in (1, 2, 3, 4)]
    onnx.utils.extract_model(str(portable), str(tmp_path / "m.onnx"), ["image", *scales], ["depth"])
    feeds = {"image": image, "fusion_scale_1": np.array([0, 1], np.float32)}
    assert off(depth(tmp_path / "m.onnx", feeds), depth(portable, feeds)) < 1e-5
    with pytest.raises(dptscope.ModelFileError, match="or one whose metadata a tool has left out"):
        dptscope.load(tmp_path / "m.onnx")


def test_quantised(tiny_model: Path, tmp_path: Path, image: Any) -> None:
    """Runs, is another model, and info says that the parity is not its own."""
    quantize_dynamic(tiny_model, tmp_path / "m.onnx", weight_type=QuantType.QInt8)
    shutil.copy(tiny_model.with_name("tiny.fusion.onnx"), tmp_path / "m.fusion.onnx")
    described = describe(dptscope.load(tmp_path / "m.onnx"))
    assert (described["changed"], described["parity"]) == (["m.onnx"], None)
    assert off(depth(tmp_path / "m.onnx", {"image": image}), depth(tiny_model, {"image": image})) > 1e-3


@pytest.mark.parametrize("form", ["default", "portable"])
def test_prepared_for_quantisation(form: str, tiny_model: Path, portable: Path, tmp_path: Path, image: Any) -> None:
    source = tiny_model if form == "default" else portable
    with pytest.raises(
        Exception, match="Incomplete symbolic shape inference"
    ):  # a new release may know how: say so then
        quant_pre_process(str(source), str(tmp_path / "m.onnx"))
    quant_pre_process(str(source), str(tmp_path / "m.onnx"), skip_symbolic_shape=True)
    assert off(depth(tmp_path / "m.onnx", {"image": image}), depth(source, {"image": image})) < 1e-5
    assert describe(dptscope.load(tmp_path / "m.onnx"))["changed"] == []


@pytest.mark.parametrize("form", ["default", "portable"])
@pytest.mark.parametrize("keep", [True, False])
def test_half_precision(keep: bool, form: str, tiny_model: Path, portable: Path, tmp_path: Path, image: Any) -> None:
    source = tiny_model if form == "default" else portable
    with warnings.catch_warnings(action="ignore"):
        model = convert_float_to_float16(onnx.load(source), keep_io_types=keep)
    kind = np.float32 if keep else np.float16
    for scales in ({}, {"fusion_scale_2": np.array([0.5])}):
        wanted = depth(source, {"image": image} | {name: scale.astype(np.float32) for name, scale in scales.items()})
        got = depth(model, {name: array.astype(kind) for name, array in ({"image": image} | scales).items()})
        assert 0 < off(got.astype(np.float32), wanted) < 1e-2
    onnx.save(model, tmp_path / "m.onnx")
    if keep:
        described = describe(dptscope.load(tmp_path / "m.onnx"))
        assert (described["changed"], described["parity"]) == (["m.onnx"], None)
    else:
        with pytest.raises(dptscope.ModelFileError, match=r"image as tensor\(float\) of .*, got tensor\(float16\)"):
            dptscope.load(tmp_path / "m.onnx")


def test_model_and_companion_in_one_file(portable: Path, image: Any) -> None:
    """Two scalings of one photo, though nothing between model and companion is an output any more."""
    model, companion = onnx.load(portable), onnx.load(companion_path(portable))
    companion.ClearField("metadata_props")
    merged = compose.merge_models(
        model,
        compose.add_prefix(companion, "again/"),
        io_map=[(f"fusion_input_{k}", f"again/fusion_input_{k}") for k in (1, 2, 3, 4)],
        outputs=["depth", "again/depth"],
    )
    feeds = {"image": image, "again/fusion_scale_1": np.array([0, 1], np.float32)}
    both = depth(merged, feeds, "again/depth")
    assert both.shape == (2, *SIZE)
    for got, scale in zip(both, (0, 1), strict=True):
        assert off(got, depth(portable, {"image": image, "fusion_scale_1": np.array([scale], np.float32)})[0]) < 1e-5


_OPENCV = """
import sys, cv2, numpy
net = cv2.dnn.readNetFromONNX(sys.argv[1])
for name, array in numpy.load(sys.argv[2]).items():
    net.setInput(array, name)
numpy.save(sys.argv[3], net.forward("depth"))
"""


@pytest.mark.parametrize("scaled", [False, True])
def test_portable_in_opencv(scaled: bool, portable: Path, tmp_path: Path, image: Any) -> None:
    """In a process of its own: OpenCV's reader ends it at operators that it does not know."""
    feeds, source = {"image": image}, portable
    if scaled:
        source = tmp_path / "required.onnx"
        subprocess.run([sys.executable, ROOT / "examples/required_scales.py", portable, source], check=True)
        feeds |= {f"fusion_scale_{k}": np.array([scale], np.float32) for k, scale in enumerate((0.5, 1, -1, 1), 1)}
    np.savez(tmp_path / "feeds.npz", **feeds)
    command = [sys.executable, "-c", _OPENCV, source, tmp_path / "feeds.npz", tmp_path / "depth.npy"]
    subprocess.run(command, check=True, capture_output=True)
    assert off(np.load(tmp_path / "depth.npy"), depth(source, feeds)) < 5e-5
