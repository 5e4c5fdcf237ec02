"""Rewrites of the graph for speed: they change what they should, nothing else, and no number beyond rounding."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import parser
from support.graphs import run

from dptscope_export.graph.passes.pad_matmul_rows import ALIASING_STRIDE, PADDING, PadMatmulRows
from dptscope_export.graph.passes.scan_attention_heads import ScanAttentionHeads

ATTENTION = """
<ir_version: 10, opset_import: ["" : 20]>
attention (float[2,b,n,8] q, float[2,b,8,n] k, float[2,b,n,8] v, float[2,1,n,n] bias) => (float[2,b,n,8] y)
<float s = {0.3}>
{
    scaled = Mul (q, s)
    key = Transpose <perm = [0, 1, 3, 2]> (keys)
    logits = MatMul (scaled, key)
    biased = Add (logits, bias)
    weights = Softmax <axis = -1> (biased)
    y = MatMul (weights, v)
}
"""


def attention(bias: bool, perm: list[int]) -> ir.Model:
    """An attention as the exporter leaves it: heads first, keys transposed from ``[batch, tokens, heads, width]`` or so."""
    text = ATTENTION.replace("float[2,b,8,n] k", "float[b,n,2,8] keys").replace("[0, 1, 3, 2]", str(perm))
    if perm == [0, 1, 3, 2]:
        text = text.replace("float[b,n,2,8] keys", "float[2,b,n,8] keys")
    if not bias:
        text = text.replace(", float[2,1,n,n] bias", "").replace("    biased = Add (logits, bias)\n", "")
        text = text.replace("(biased)", "(logits)")
    proto = onnx.shape_inference.infer_shapes(parser.parse_model(text))
    model = ir.from_proto(proto)
    for index, node in enumerate(model.graph):
        node.name = f"block/attention/{node.op_type}_{index}"
    return model


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("perm", [[0, 1, 3, 2], [2, 0, 3, 1]])
def test_attention_head_by_head(bias: bool, perm: list[int]) -> None:
    generator = np.random.default_rng(0)
    keys = (2, 3, 5, 8) if perm == [0, 1, 3, 2] else (3, 5, 2, 8)
    shapes = {"q": (2, 3, 5, 8), "keys": keys, "v": (2, 3, 5, 8)} | ({"bias": (2, 1, 5, 5)} if bias else {})
    feeds = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    model = attention(bias, perm)
    wanted = run(model, feeds)
    assert ScanAttentionHeads()(model).modified
    assert [node.op_type for node in model.graph if node.op_type != "Transpose"] == ["Scan"]
    np.testing.assert_allclose(run(model, feeds), wanted, rtol=0, atol=1e-6)
    assert not ScanAttentionHeads()(model).modified


def test_attention_without_heads_first_stays() -> None:
    """Windows have an axis more; their heads are small already."""
    text = ATTENTION.replace("float[2,b,8,n] k, ", "float[2,b,w,n,8] keys, ").replace("[0, 1, 3, 2]", "[0, 1, 2, 4, 3]")
    text = text.replace("float[2,b,n,8] q", "float[2,b,w,n,8] q").replace("float[2,b,n,8] v", "float[2,b,w,n,8] v")
    text = text.replace("float[2,1,n,n]", "float[2,1,1,n,n]").replace("(float[2,b,n,8] y)", "(float[2,b,w,n,8] y)")
    model = ir.from_proto(onnx.shape_inference.infer_shapes(parser.parse_model(text)))
    assert not ScanAttentionHeads()(model).modified


def mlp(width: int, hidden: int) -> ir.Model:
    """Two linear layers around GELU, with random weights."""
    generator = np.random.default_rng(1)
    text = f"""
    <ir_version: 10, opset_import: ["" : 20]>
    mlp (float[n,{width}] x) => (float[n,{width}] y)
    {{
        a = MatMul (x, w1)
        b = Add (a, b1)
        c = Gelu (b)
        y = MatMul (c, w2)
    }}
    """
    proto = parser.parse_model(text)
    for name, shape in (("w1", (width, hidden)), ("b1", (hidden,)), ("w2", (hidden, width))):
        weight = generator.normal(size=shape).astype(np.float32) / np.sqrt(shape[0])
        proto.graph.initializer.append(onnx.numpy_helper.from_array(weight.astype(np.float32), name))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    for node in model.graph:
        node.name = f"block/mlp/{node.outputs[0].name}"
    return model


@pytest.mark.parametrize(
    ("width", "hidden", "pads", "rows"),
    [
        (64, ALIASING_STRIDE, 0, (64, ALIASING_STRIDE + PADDING)),  # the first layer makes the zeros
        (ALIASING_STRIDE, 96, 1, (ALIASING_STRIDE + PADDING, 96)),  # nothing before it that could
        (ALIASING_STRIDE, 2 * ALIASING_STRIDE, 1, (ALIASING_STRIDE + PADDING, 2 * ALIASING_STRIDE + PADDING)),
    ],
)
def test_bad_rows_are_lengthened(width: int, hidden: int, pads: int, rows: tuple[int, int]) -> None:
    model = mlp(width, hidden)
    feeds = {"x": np.random.default_rng(2).normal(size=(7, width)).astype(np.float32)}
    wanted = run(model, feeds)
    assert PadMatmulRows()(model).modified
    lengths = [node.inputs[1].const_value.shape[0] for node in model.graph if node.op_type == "MatMul"]
    assert lengths == list(rows)
    assert sum(node.op_type == "Pad" for node in model.graph) == pads
    np.testing.assert_allclose(run(model, feeds), wanted, rtol=0, atol=2e-6)
    assert not PadMatmulRows()(model).modified


def test_good_rows_stay() -> None:
    model = mlp(64, 96)
    assert not PadMatmulRows()(model).modified
    assert [node.op_type for node in model.graph] == ["MatMul", "Add", "Gelu", "MatMul"]


@pytest.mark.parametrize(("axis", "modified"), [(0, True), (1, False)])
def test_rows_may_be_taken_out_of_a_weight_that_gets_more(axis: int, modified: bool) -> None:
    """As registers at test time do it; columns may not."""
    model = mlp(64, ALIASING_STRIDE)
    last = [node for node in model.graph if node.op_type == "MatMul"][-1]
    taken = ir.val("taken", const_value=ir.tensor(np.array([5, 0]), name="taken"))
    model.graph.register_initializer(taken)
    model.graph.append(ir.node("Gather", [last.inputs[1], taken], {"axis": axis}))
    assert PadMatmulRows()(model).modified == modified
