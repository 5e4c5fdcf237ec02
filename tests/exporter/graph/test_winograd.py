"""Convolutions by Winograd's algorithm: the same map, and only where it gains."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper, parser
from support.graphs import run

from dptscope_export.graph.naming import name_values
from dptscope_export.graph.passes.winograd import Winograd, matrices

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
WIDE = 128


def convolution(
    taken: int = WIDE, made: int = WIDE, sides: tuple[int | str, int | str] = ("h", "w"), bias: str = ", bias"
) -> ir.Model:
    """A 3×3 convolution with random weights."""
    taken_sides = f"{sides[0]},{sides[1]}"
    proto = parser.parse_model(f"""
    <ir_version: 10, opset_import: ["" : 20]>
    head (float[batch,{taken},{taken_sides}] x) => (float[batch,{made},y_height,y_width] y)
    {{
        made = Conv <pads = [1, 1, 1, 1]> (x, weight{bias})
        y = Relu (made)
    }}
    """)
    generator = np.random.default_rng(taken)
    for name, shape in (("weight", (made, taken, 3, 3)), ("bias", (made,)))[: 2 if bias else 1]:
        values = generator.normal(size=shape) / (3 * taken**0.5)
        proto.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    model = ir.from_proto(proto)
    for node in model.graph:
        node.name = f"head/conv1/{node.op_type}"
        source = node.inputs[0]
        assert source is not None and source.shape is not None
        node.outputs[0].shape = ir.Shape([source.shape[0], made, *source.shape[2:]])
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    return model


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def test_the_matrices_are_those_of_a_convolution() -> None:
    generator = np.random.default_rng(0)
    window, weights = generator.normal(size=6), generator.normal(size=3)
    results, values, kernel = matrices()
    wanted = np.correlate(window, weights, "valid")
    np.testing.assert_allclose(results @ ((values @ window) * (kernel @ weights)), wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [(12, 8), (1, 9), (9, 1), (1, 1), (4, 4), (34, 47)])
def test_the_same_map(size: tuple[int, int], fixed: bool) -> None:
    before, after = (convolution(sides=size if fixed else ("h", "w")) for _ in range(2))
    assert Winograd()(after).modified
    assert ("Shape" in operators(after)) != fixed
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    x = np.random.default_rng(1).normal(size=(2, WIDE, *size)).astype(np.float32)
    wanted = run(before, {"x": x})
    assert wanted.std() > 0.1
    np.testing.assert_allclose(run(after, {"x": x}), wanted, rtol=0, atol=3e-6 * float(np.ptp(wanted)))
    assert not Winograd()(after).modified


def test_without_a_bias() -> None:
    """As residual units of the doubling decoders have none."""
    before, after = (convolution(sides=(6, 7), bias="") for _ in range(2))
    assert Winograd()(after).modified
    assert "Einsum" in operators(after) and "Add" not in operators(after) and operators(after).count("Conv") == 1
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    x = np.random.default_rng(1).normal(size=(2, WIDE, 6, 7)).astype(np.float32)
    wanted = run(before, {"x": x})
    np.testing.assert_allclose(run(after, {"x": x}), wanted, rtol=0, atol=3e-6 * float(np.ptp(wanted)))


def test_an_output_keeps_its_name_and_its_axes() -> None:
    """As ``fusion_input_1`` to ``fusion_input_4`` of a ViT-B or ViT-L, which convolutions without a bias make."""
    model = convolution(bias="")
    conv, relu = model.graph
    model.graph.outputs[0] = conv.outputs[0]
    model.graph.remove(relu, safe=True)
    axes = ["batch", WIDE, "fusion_4_height", "fusion_4_width"]
    conv.outputs[0].name, conv.outputs[0].shape = "fusion_input_4", ir.Shape(axes)
    assert Winograd()(model).modified
    (output,) = model.graph.outputs
    assert output.name == "fusion_input_4"
    assert output.shape == ir.Shape(axes)
    onnx.checker.check_model(ir.to_proto(model))


def test_against_exact_arithmetic() -> None:
    """At most ten times as far as torch's own float32, which is why the points are what they are."""
    model = convolution(512, 256)
    floats = (model.graph.initializers[name].const_value.numpy().copy() for name in ("weight", "bias"))
    weight, bias = map(torch.from_numpy, floats)
    assert Winograd()(model).modified
    x = np.random.default_rng(2).normal(size=(1, 512, 24, 24)).astype(np.float32)
    exact = F.relu(F.conv2d(torch.from_numpy(x).double(), weight.double(), bias.double(), padding=1)).numpy()
    torchs = F.relu(F.conv2d(torch.from_numpy(x), weight, bias, padding=1)).numpy()
    ours, theirs = (float(np.sqrt(np.mean((map_bchw - exact) ** 2))) for map_bchw in (run(model, {"x": x}), torchs))
    assert 0 < ours < 10 * theirs and ours < 3e-6 * exact.std()


@pytest.mark.parametrize(
    ("side", "cut"), [("4*h", False), ("8*(h//14)", False), ("h", True), ("2*h", True), (20, False)]
)
def test_tiles_are_cut_off_only_where_some_may_be_too_much(side: str | int, cut: bool) -> None:
    model = convolution()
    for value in (model.graph.inputs[0], *(node.outputs[0] for node in model.graph)):
        assert value.shape is not None
        value.shape = ir.Shape([*value.shape[:2], ir.SymbolicDim(side) if isinstance(side, str) else side, 4])
    assert Winograd()(model).modified
    assert ("Slice" in operators(model)) == cut


@pytest.mark.parametrize(
    ("taken", "made", "changes"),
    [(256, 256, True), (256, 128, True), (96, 256, True), (96, 96, False), (128, 32, False)],
)
def test_only_wide_maps(taken: int, made: int, changes: bool) -> None:
    model = convolution(taken, made)
    assert Winograd()(model).modified == changes
    assert (operators(model) == ["Conv", "Relu"]) != changes


@pytest.mark.parametrize(
    "attribute",
    [
        ir.AttrInt64s("strides", [2, 2]),
        ir.AttrInt64s("dilations", [2, 2]),
        ir.AttrInt64s("pads", [0, 0, 0, 0]),
        ir.AttrInt64("group", 2),
    ],
    ids=lambda attribute: attribute.name,
)
def test_other_convolutions_stay(attribute: ir.Attr) -> None:
    model = convolution()
    model.graph[0].attributes[attribute.name] = attribute
    assert not Winograd()(model).modified


def test_names_are_for_people() -> None:
    model = convolution()
    assert Winograd()(model).modified
    name_values(model)
    names = {name for name in model.graph.initializers if name.startswith("constants/")}
    assert names == {"constants/winograd_values", "constants/winograd_kernel", "constants/winograd_results"}
    assert "head/conv1/kernel/Einsum" in {node.name for node in model.graph}
