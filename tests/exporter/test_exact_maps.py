"""What ``dptscope quantise`` makes of the convolutions that give a map: sums of whole numbers, as good as float32's."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper, parser
from support.graphs import run

from dptscope_export.quantise.exact_maps import in_parts, sum_maps_in_integers

CHANNELS = 32


def head(maps: int, kernel: int = 1, bias: bool = True) -> ir.Model:
    """A map of 8-bit numbers, widened, and the convolution that reads it."""
    proto = parser.parse_model(f"""
    <ir_version: 10, opset_import: ["" : 20]>
    head (float[batch,{CHANNELS},h,w] x) => (float[batch,{maps},h,w] y)
    <float step = {{0.02}}, uint8 zero = {{3}}>
    {{
        rounded = QuantizeLinear (x, step, zero)
        widened = DequantizeLinear (rounded, step, zero)
        y = Conv <pads = [{", ".join([str(kernel // 2)] * 4)}]> (widened, weight{", bias" if bias else ""})
    }}
    """)
    generator = np.random.default_rng(maps)
    values = {
        "weight": generator.normal(size=(maps, CHANNELS, kernel, kernel)),
        "bias": 10 + generator.normal(size=maps),
    }
    for name in ("weight", "bias") if bias else ("weight",):
        proto.graph.initializer.append(numpy_helper.from_array(values[name].astype(np.float32), name))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    for node in model.graph:
        node.name = f"head/{node.outputs[0].name}/{node.op_type}"
    return model


@pytest.mark.parametrize(("maps", "bias"), [(1, True), (2, True), (1, False)])
def test_the_same_map(maps: int, bias: bool) -> None:
    before, after = (head(maps, bias=bias) for _ in range(2))
    sum_maps_in_integers(after)
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    assert not {"Conv", "DequantizeLinear"} & {node.op_type for node in after.graph}
    x = np.random.default_rng(0).uniform(0, 5, (2, CHANNELS, 6, 5)).astype(np.float32)
    wanted = run(before, {"x": x})
    # Eight bits of a weight alone would be 2e-3 away, two times eight 7e-5.
    np.testing.assert_allclose(run(after, {"x": x}), wanted, rtol=0, atol=1e-5 * float(wanted.std()))


def test_a_name_that_is_taken() -> None:
    """A preview's head has no module of its own, and calls what it does after a convolution by that one's name."""
    model = head(1)
    model.graph[0].name = "head/y/Add"
    sum_maps_in_integers(model)
    names = [node.name for node in model.graph]
    assert len(set(names)) == len(names), names


def test_parts_of_a_weight() -> None:
    weight_oi = np.random.default_rng(1).normal(size=(3, 50)).astype(np.float32)
    weight_oi[1] *= 1e-4
    weight_oi[2] = 0
    parts, steps = in_parts(weight_oi)
    assert (parts.dtype, parts.shape, steps.shape) == (np.int8, (50, 9), (9, 3))
    largest = np.abs(weight_oi).max(axis=1)
    error = np.abs((parts.astype(np.float64) @ steps).T - weight_oi)
    assert (error.max(axis=1) <= 1e-7 * largest + 1e-30).all()


@pytest.mark.parametrize(("maps", "kernel"), [(5, 1), (1, 3)])
def test_others_stay(maps: int, kernel: int) -> None:
    model = head(maps, kernel)
    sum_maps_in_integers(model)
    assert "Conv" in {node.op_type for node in model.graph}
