"""A Resize with the channels last: the same map to the bit, only where it gains, and onnxruntime keeps it so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser
from support.graphs import run

from dptscope_export.graph.passes.channels_last_resize import ChannelsLastResize

WIDTH = 16  # channels: onnxruntime's blocked layout wants a multiple of its block


def head(factor: float = 1.75, read_by: str = "Conv <pads = [1, 1, 1, 1]> (enlarged, weight, bias)") -> ir.Model:
    """Two convolutions, and the map that grows between them."""
    proto = parser.parse_model(f"""
    <ir_version: 10, opset_import: ["" : 20]>
    head (float[batch,{WIDTH},h,w] x) => (float[batch,{WIDTH},H,W] y)
    <float[4] scales = {{1, 1, {factor}, {factor}}}>
    {{
        made = Conv <pads = [1, 1, 1, 1]> (x, weight, bias)
        enlarged = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (made, , scales)
        y = {read_by}
    }}
    """)
    generator = np.random.default_rng(1)
    for name, shape in (("weight", (WIDTH, WIDTH, 3, 3)), ("bias", (WIDTH,))):
        values = generator.normal(size=shape) / WIDTH
        proto.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    for node in model.graph:
        node.name = f"head/{node.outputs[0].name}/{node.op_type}"
    return model


@pytest.mark.parametrize("factor", [1.75, 0.875])
@pytest.mark.parametrize("size", [(12, 7), (2, 9), (33, 48)])
def test_the_same_map(size: tuple[int, int], factor: float) -> None:
    before, after = head(factor), head(factor)
    assert ChannelsLastResize()(after).modified
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    x = np.random.default_rng(2).normal(size=(2, WIDTH, *size)).astype(np.float32)
    wanted = run(before, {"x": x})
    assert wanted.std() > 0.1
    np.testing.assert_array_equal(run(after, {"x": x}), wanted)
    assert not ChannelsLastResize()(after).modified


def test_onnxruntime_keeps_the_order(tmp_path: Path) -> None:
    """It takes away Transposes that it sees to cancel, and then nothing would be gained."""
    model = head()
    ChannelsLastResize()(model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(options.optimized_model_filepath).graph
    resize = next(node for node in graph.node if node.op_type == "Resize")
    scales = next(numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name == resize.input[2])
    assert scales.tolist() == [1, 1.75, 1.75, 1]


@pytest.mark.parametrize("factor", [2, 1])
def test_whole_factors_stay(factor: float) -> None:
    assert not ChannelsLastResize()(head(factor)).modified


@pytest.mark.parametrize(
    "change",
    [ir.AttrString("mode", "nearest"), ir.AttrString("mode", "cubic")],
    ids=lambda change: change.as_string(),
)
def test_other_resizes_stay(change: ir.Attr) -> None:
    model = head()
    next(node for node in model.graph if node.op_type == "Resize").attributes["mode"] = change
    assert not ChannelsLastResize()(model).modified


@pytest.mark.parametrize("read_by", ["Relu (enlarged)", "Identity (enlarged)\n other = Conv (enlarged, weight, bias)"])
def test_maps_that_others_read_stay(read_by: str) -> None:
    assert not ChannelsLastResize()(head(read_by=read_by)).modified


def test_a_map_that_is_given_stays() -> None:
    model = head()
    resize = next(node for node in model.graph if node.op_type == "Resize")
    model.graph.outputs.append(resize.outputs[0])
    assert not ChannelsLastResize()(model).modified
