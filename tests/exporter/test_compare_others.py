"""``dptscope compare`` with files that other exporters wrote, and with what it cannot take for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import dptscope
from dptscope.commands import app as cli

FIXED = {"size": 70, "square": True}


class DepthAlone(torch.nn.Module):
    """What transformers gives, but for what its exports leave out."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values).predicted_depth


@pytest.fixture(scope="module")
def exports(v2_hugging_face: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One checkpoint twice: by dptscope, and by torch's own exporter as others do it, for one size."""
    theirs = tmp_path_factory.mktemp("both") / "theirs.onnx"
    program = torch.onnx.export(
        DepthAlone(v2_hugging_face.oracle).eval(),
        (torch.zeros(1, 3, 70, 70),),
        input_names=["pixel_values"],
        output_names=["predicted_depth"],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(theirs))
    return v2_hugging_face.exported.model, theirs


def test_another_exporters_file_of_the_same_checkpoint(
    exports: tuple[Path, Path], photo_bgr: Any, photo_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Depth alone, and it is the same."""
    ours, theirs = exports
    found = dptscope.compare(ours, theirs, [photo_bgr], **FIXED)
    assert found.norms == () and found.first_beyond is None
    assert found.correlation.worst > 1 - 1e-6 and found.delta1.worst > 0.999
    assert 0 < found.largest.worst < 1e-3
    told = ["compare", str(ours), str(theirs), str(photo_path), "--size", "70", "--square"]
    assert cli.run(told) == 0
    assert "blocks were not compared: theirs.onnx gives no tokens" in capsys.readouterr().out
    assert cli.run([*told, "--plot", str(ours.with_name("plot.png"))]) == 2
    assert "expected the tokens of every block for --plot, got depth alone" in capsys.readouterr().err
    assert not ours.with_name("plot.png").exists()


def test_a_size_that_the_other_does_not_take(exports: tuple[Path, Path], photo_bgr: Any) -> None:
    """Without one the photo is squeezed into the only size that it does take."""
    (found,) = dptscope.compare(*exports, [photo_bgr]).photos
    assert found == dptscope.compare(*exports, [photo_bgr], **FIXED).photos[0]
    with pytest.raises(
        dptscope.SizeError, match=r"theirs.onnx: expected photos prepared to 70 × 70, got 84 × 126; leave"
    ):
        dptscope.compare(*exports, [photo_bgr], size=84)


def written(
    path: Path, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], kind: int = TensorProto.FLOAT
) -> Path:
    """A model whose outputs are all the mean of the first input's channels."""
    name = next(iter(inputs))
    nodes = [
        helper.make_node("ReduceMean", [name, "axes"], [output], keepdims=int(len(axes) == 4))
        for output, axes in outputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, axes) for name, axes in inputs.items()],
        [helper.make_tensor_value_info(name, kind, axes) for name, axes in outputs.items()],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def test_a_size_that_only_a_run_finds_wrong(exports: tuple[Path, Path], photo_bgr: Any, tmp_path: Path) -> None:
    """Axes that say any, and a Reshape behind them that takes one: exports traced at one size are often so."""
    model = onnx.load(exports[1])
    for side in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = f"any_{side.dim_value}"
    onnx.save(model, tmp_path / "theirs.onnx")
    ours, theirs = exports[0], tmp_path / "theirs.onnx"
    assert dptscope.compare(ours, theirs, [photo_bgr], **FIXED).correlation.worst > 0.999
    with pytest.raises(
        dptscope.ModelFileError, match=r"cannot run it .*; a file that was traced at one size .* --square"
    ):
        dptscope.compare(ours, theirs, [photo_bgr], size=84)


PHOTO = ["n", "c", "h", "w"]
FLAT = ["n", "h", "w"]


@pytest.mark.parametrize("depth", [FLAT, ["n", 1, "h", "w"], ["n", "other", "names"]])
def test_depths_of_several_shapes(depth: list[Any], tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    theirs = written(tmp_path / "theirs.onnx", {"x": PHOTO}, {"d": depth})
    found = dptscope.compare(tiny_model, theirs, [photo_bgr])
    assert abs(found.correlation.worst) < 1 and np.isfinite(found.largest.worst)


def test_an_output_of_many(tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    several = {"sky": FLAT, "far": FLAT}
    theirs = written(tmp_path / "several.onnx", {"x": PHOTO}, several)
    with pytest.raises(dptscope.ModelFileError, match=r"got sky, far; say which is the depth: --depth-output NAME"):
        dptscope.compare(tiny_model, theirs, [photo_bgr])
    told = dptscope.compare(tiny_model, theirs, [photo_bgr], depth_output="far")
    named = written(tmp_path / "named.onnx", {"x": PHOTO}, {"sky": FLAT, "predicted_depth": FLAT})
    assert dptscope.compare(tiny_model, named, [photo_bgr]).largest == told.largest
    with pytest.raises(dptscope.ModelFileError, match=r"expected an output 'near', got sky, far"):
        dptscope.compare(tiny_model, theirs, [photo_bgr], depth_output="near")


@pytest.mark.parametrize(
    ("inputs", "outputs", "kind", "message"),
    [
        ({"x": FLAT}, {"d": FLAT}, TensorProto.FLOAT, r"expected one input, .* got x, tensor\(float\) of n × h × w"),
        ({"x": ["n", 4, "h", "w"]}, {"d": FLAT}, TensorProto.FLOAT, r"batch × 3 × height × width, got x, .* n × 4 × h"),
        ({"x": [2, 3, "h", "w"]}, {"d": FLAT}, TensorProto.FLOAT, r"got x, tensor\(float\) of 2 × 3 × h × w"),
        ({"x": PHOTO, "k": ["k"]}, {"d": FLAT}, TensorProto.FLOAT, r"got x, .*; k, tensor\(float\) of k; only files"),
        ({"x": PHOTO}, {"d": FLAT}, TensorProto.FLOAT16, r"tensor\(float\) of batch .*, got x, tensor\(float16\)"),
    ],
)
def test_what_cannot_be_told_is_refused(
    inputs: Any, outputs: Any, kind: int, message: str, tiny_model: Path, photo_bgr: Any, tmp_path: Path
) -> None:
    theirs = written(tmp_path / "theirs.onnx", inputs, outputs, kind)
    with pytest.raises(dptscope.ModelFileError, match=message):
        dptscope.compare(tiny_model, theirs, [photo_bgr])


def test_a_depth_that_is_none(tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    """One of another size, and one of several maps."""
    theirs = written(tmp_path / "theirs.onnx", {"x": PHOTO}, {"d": FLAT})
    model = onnx.load(theirs)
    model.graph.initializer[0].CopyFrom(helper.make_tensor("axes", TensorProto.INT64, [1], [2]))
    onnx.save(model, theirs)
    with pytest.raises(dptscope.ModelFileError, match=r"expected d of 70 × 98, as tiny.onnx has it, got 3 × 98"):
        dptscope.compare(tiny_model, theirs, [photo_bgr])
    model.graph.node[0].op_type = "Identity"
    del model.graph.node[0].input[1], model.graph.node[0].attribute[:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("d", TensorProto.FLOAT, PHOTO))
    onnx.save(model, theirs)
    with pytest.raises(dptscope.ModelFileError, match=r"a depth of 1 × height × width in d, got \(1, 3, 70, 98\)"):
        dptscope.compare(tiny_model, theirs, [photo_bgr])
