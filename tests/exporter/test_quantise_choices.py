"""What ``dptscope quantise`` takes: layers, photos; and that 8-bit products are exact on every processor."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

import dptscope
from dptscope.errors import DptscopeError
from dptscope.fidelity import Fidelity, Spread
from dptscope.ort import open_session, products_saturate, settings_of
from dptscope.session import Session
from dptscope_export.publish import save
from dptscope_export.quantise.layers import find_layers
from dptscope_export.quantise.measure import below
from dptscope_export.quantise.photos import choose_photos


def test_convolutions_that_stay_float32() -> None:
    """That which makes the tokens, and the last before each map; one in a branch, and one whose result is divided."""
    model = parser.parse_model("""
    <ir_version: 9, opset_import: ["" : 20]>
    whole (float[1,3,8,8] image) => (float[1,1,8,8] depth, float[1,1,8,8] sky)
    {
        tokens = Conv (image, a)
        middle = Conv (tokens, b)
        bins = Conv (middle, b)
        sums = Conv (bins, c)
        above, below = Split <axis = 1, num_outputs = 2> (sums)
        depth = Div (above, below)
        branch = Conv (middle, b)
        sky = Conv (branch, d)
    }
    """)
    for node in model.graph.node:
        node.name = f"head/{node.output[0]}/{node.op_type}"
    model.graph.node[0].name = "encoder/patch_embed/Conv"
    for name, shape in (("a", (4, 3, 1, 1)), ("b", (4, 4, 1, 1)), ("c", (2, 4, 1, 1)), ("d", (1, 4, 1, 1))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    found = find_layers(model, "whole.onnx")
    assert found.convolutions == ("head/middle/Conv", "head/bins/Conv", "head/branch/Conv")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float16), "another tool's"))
    with pytest.raises(DptscopeError, match=r"whole\.onnx: expected weights in float32, got float16"):
        find_layers(model, "whole.onnx")


def test_a_photo_twice_is_one(tmp_path: Path) -> None:
    """Under another name and in another format, too: it would be measured on after ranges were taken from it."""
    first, second = (np.full((8, 9, 3), shade, np.uint8) for shade in (7, 8))
    for name, pixels in (("a.png", first), ("b.bmp", first), ("c.png", second)):
        cv2.imwrite(str(tmp_path / name), pixels)
    chosen = choose_photos([tmp_path, tmp_path / "c.png"], calibrate=True)
    assert (chosen.calibration, chosen.held_out) == ((tmp_path / "a.png",), (tmp_path / "c.png",))
    copies = [
        f"{tmp_path / copy}: the same as {tmp_path / of}" for copy, of in (("b.bmp", "a.png"), ("c.png", "c.png"))
    ]
    assert chosen.notes == tuple(f"left out: {copy}" for copy in copies)
    (tmp_path / "IMG_0001.heic").write_bytes(b"")
    told = f"{tmp_path}: HEIC photos are left out (1, beside 3 that can be read); convert them to JPEG first"
    assert choose_photos([tmp_path], calibrate=True).notes[0] == told
    with pytest.raises(DptscopeError, match=r"expected two photos or more, .*, got 1; left out: .*b\.bmp"):
        choose_photos([tmp_path / "a.png", tmp_path / "b.bmp"], calibrate=True)


def test_products_of_8_bits_are_exact(tmp_path: Path) -> None:
    """Without VNNI, AVX2 adds 255 × 127 twice in 16 bits."""
    model = parser.parse_model("""
    <ir_version: 9, opset_import: ["" : 20]>
    product (float[rows,64] x) => (float[rows,32] y)
    {
        bytes, scale, zero = DynamicQuantizeLinear (x)
        sums = MatMulInteger (bytes, weight, zero)
        y = Cast <to = 1> (sums)
    }
    """)
    generator = np.random.default_rng(0)
    weight = generator.integers(-127, 128, (64, 32)).astype(np.int8)
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    onnx.save(model, tmp_path / "product.onnx")
    x = generator.random((16, 64), np.float32)
    (exact,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert np.abs(exact).max() > 2**15
    np.testing.assert_array_equal(Session(tmp_path / "product.onnx").run(["y"], {"x": x})[0], exact)


def test_the_processor_is_asked_by_a_product() -> None:
    """Exact products cost twice the time where a processor multiplies 8 bits as well as it can."""
    probe = Path(dptscope.__file__).parent / "assets/eight_bit_product.onnx"
    made = parser.parse_model("""
    <ir_version: 8, opset_import: ["" : 13]>
    eight_bit_product (uint8[m,k] a, int8[k,n] b) => (int32[m,n] sums) { sums = MatMulInteger (a, b) }
    """)
    assert onnx.load(probe) == made
    generator = np.random.default_rng(0)
    a = generator.integers(0, 256, (16, 64)).astype(np.uint8)
    b = generator.choice([-127, 127], (64, 32)).astype(np.int8)
    (sums,) = onnxruntime.InferenceSession(probe, providers=["CPUExecutionProvider"]).run(None, {"a": a, "b": b})
    assert products_saturate() == bool((sums != a.astype(np.int32) @ b).any())


def test_exact_products_only_where_they_are_needed(tiny_model: Path) -> None:
    setting = "session.x64quantprecision"
    saturating, exact = settings_of(1, spin=False), settings_of(1, spin=False)
    for settings in (saturating, exact):
        with patch("dptscope.ort.products_saturate", return_value=settings is saturating):
            open_session(str(tiny_model), settings, ["CPUExecutionProvider"])
    assert saturating.get_session_config_entry(setting) == "1"
    with pytest.raises(RuntimeError, match=setting):
        exact.get_session_config_entry(setting)


def test_weights_beside_the_graph_come_along(tiny_model: Path, tmp_path: Path) -> None:
    """A graph that has been read from two files, and whose weights fit into one."""
    onnx.save(onnx.load(tiny_model), tmp_path / "two.onnx", save_as_external_data=True, location="two.onnx.data")
    (tmp_path / "one").mkdir()
    save(ir.load(tmp_path / "two.onnx"), tmp_path / "one" / "one.onnx")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["one.onnx"]
    assert Session(tmp_path / "one" / "one.onnx").outputs


def test_a_figure_just_below_the_floor_is_not_told_as_the_floor() -> None:
    one = Spread(1.0, 1.0)
    found = Fidelity("a", 1, 0, Spread(0.98996, 0.995), one, one, None, None, (), "a.png")
    assert below(found, 0.99) == "δ1 of the depth of 0.9899 at worst, 0.9950 in the mean"
    assert below(found, 0.98996) is None
