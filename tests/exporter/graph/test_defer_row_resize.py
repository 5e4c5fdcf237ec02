"""Rows interpolated after the convolution: the same map, and only where it gains."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper, parser
from support.graphs import run

from dptscope_export.graph.passes.defer_row_resize import NARROWEST, DeferRowResize, rows_matrix

MADE = 5


def head(channels: int = NARROWEST, height: int | str = "h", width: int | str = "w", second_use: str = "") -> ir.Model:
    """A doubling and the convolution that reads it, with random weights."""
    twice = [2 * side if isinstance(side, int) else f"two_{side}" for side in (height, width)]
    proto = parser.parse_model(f"""
    <ir_version: 10, opset_import: ["" : 20]>
    head (float[batch,{channels},{height},{width}] x) => (float[batch,{MADE},{twice[0]},{twice[1]}] y)
    <float[4] scales = {{1, 1, 2, 2}}>
    {{
        enlarged = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (x, , scales)
        made = Conv <pads = [1, 1, 1, 1]> (enlarged, weight, bias)
        y = Relu (made)
        {second_use}
    }}
    """)
    generator = np.random.default_rng(channels)
    for name, shape in (("weight", (MADE, channels, 3, 3)), ("bias", (MADE,))):
        values = generator.normal(size=shape) / channels**0.5
        proto.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    for node in model.graph:
        node.name = f"head/conv1/{node.op_type}"
    return model


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [(12, 7), (1, 9), (9, 1), (1, 1), (33, 48)])
def test_the_same_map(size: tuple[int, int], fixed: bool) -> None:
    before, after = (head(NARROWEST, *(size if fixed else ())) for _ in range(2))
    assert DeferRowResize()(after).modified
    operators = [node.op_type for node in after.graph]
    assert ("EyeLike" in operators) != fixed
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    x = np.random.default_rng(1).normal(size=(2, NARROWEST, *size)).astype(np.float32)
    wanted = run(before, {"x": x})
    assert wanted.std() > 0.1
    np.testing.assert_allclose(run(after, {"x": x}), wanted, rtol=0, atol=2e-6 * float(np.ptp(wanted)))
    assert not DeferRowResize()(after).modified


@pytest.mark.parametrize("rows", [1, 2, 5, 96])
def test_rows_matrix(rows: int) -> None:
    """Against torch: three maps of one column, doubled, moved by a row of the kernel, and added."""
    x_ar = torch.randn(3, rows, generator=torch.Generator().manual_seed(rows), dtype=torch.float64)
    doubled = F.interpolate(x_ar[None, :, :, None], size=(2 * rows, 1), mode="bilinear", align_corners=True)[0, :, :, 0]
    padded = F.pad(doubled, (1, 1))
    wanted = sum(padded[tap, tap : tap + 2 * rows] for tap in range(3))
    matrix = rows_matrix(rows)
    assert matrix.shape == (2 * rows, 3 * rows)
    np.testing.assert_allclose(matrix @ x_ar.flatten().numpy(), wanted, rtol=0, atol=1e-6)


def test_narrow_maps_stay() -> None:
    assert not DeferRowResize()(head(NARROWEST - 1)).modified


@pytest.mark.parametrize(
    "change",
    [
        ("Resize", ir.AttrString("mode", "nearest")),
        ("Resize", ir.AttrString("coordinate_transformation_mode", "half_pixel")),
        ("Conv", ir.AttrInt64s("strides", [2, 2])),
        ("Conv", ir.AttrInt64s("dilations", [2, 2])),
        ("Conv", ir.AttrInt64s("pads", [0, 0, 0, 0])),
        ("Conv", ir.AttrInt64("group", 2)),
    ],
    ids=lambda change: change[1].name,
)
def test_other_operations_stay(change: tuple[str, ir.Attr]) -> None:
    model = head()
    operator, attribute = change
    next(node for node in model.graph if node.op_type == operator).attributes[attribute.name] = attribute
    assert not DeferRowResize()(model).modified


def test_a_doubling_that_others_read_stays() -> None:
    assert not DeferRowResize()(head(second_use="unused = Relu (enlarged)")).modified
