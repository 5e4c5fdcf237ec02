"""The readable form computes the same, and reads as one node per block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

import dptscope
from dptscope import contract
from dptscope_export.graph.functions.extract import make_readable

Readable = Callable[[Path], Path]


@pytest.fixture
def readable(tmp_path: Path) -> Readable:
    def convert(flat: Path) -> Path:
        model = ir.load(flat)
        assert make_readable(model)
        ir.save(model, tmp_path / flat.name)
        onnx.checker.check_model(str(tmp_path / flat.name), full_check=True)
        return tmp_path / flat.name

    return convert


def run(path: Path, optimisation: ort.GraphOptimizationLevel) -> dict[str, Any]:
    """All outputs for a seeded input, with scales other than one."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = optimisation
    session = ort.InferenceSession(path, options)
    generator = np.random.default_rng(5)
    sizes = {"batch": 1, "height": 56, "width": 84}
    channels = dptscope.ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map, str(path)).fusion_channels
    feeds = {
        node.name: generator.normal(size=[axis if isinstance(axis, int) else sizes[axis] for axis in node.shape])
        for node in session.get_inputs()
        if node.name == contract.IMAGE
    } or {
        contract.fusion_input_name(k): generator.normal(size=(1, channels, 32 // 2**k, 48 // 2**k))
        for k in contract.FUSION_BLOCKS
    }
    feeds |= {contract.fusion_scale_name(k): np.array([2.0 - k / 2]) for k in contract.FUSION_BLOCKS}
    names = [node.name for node in session.get_outputs()]
    found = session.run(names, {name: value.astype(np.float32) for name, value in feeds.items()})
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.fusion.onnx"])
def test_the_same_numbers(tiny_model: Path, readable: Readable, name: str) -> None:
    """To the bit, but for the layout that onnxruntime chooses for narrow convolutions at its highest level."""
    flat = tiny_model.with_name(name)
    for level, tolerance in (("ORT_ENABLE_EXTENDED", 0.0), ("ORT_ENABLE_ALL", 2e-5)):
        optimisation = getattr(ort.GraphOptimizationLevel, level)
        wanted, found = run(flat, optimisation), run(readable(flat), optimisation)
        assert list(wanted) == list(found)
        for key, value in wanted.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=tolerance * value.std(), err_msg=key)


def test_one_node_a_block(tiny_model: Path, readable: Readable) -> None:
    flat, model = onnx.load(tiny_model), onnx.load(readable(tiny_model))
    calls = {node.name: node.op_type for node in model.graph.node if node.domain == "dptscope"}
    assert len(model.graph.node) - len(calls) <= 2  # the image's sizes, and the class tokens put together
    assert len(flat.graph.node) > 10 * len(model.graph.node)
    blocks = [f"encoder/block_{index:02d}" for index in range(4)]
    stages = [f"{part}_{k}" for part in ("reassemble/stage", "fusion/block") for k in contract.FUSION_BLOCKS]
    inputs = [f"fusion/skip_{k}" for k in contract.FUSION_BLOCKS[:-1]]
    assert set(calls) == {"encoder/embedding", *blocks, *stages, *inputs, "head"}
    assert {calls[block].split("_")[0] for block in blocks} == {"TransformerBlock"}
    assert calls["fusion/block_1"] == calls["fusion/block_2"] == calls["fusion/block_3"]


def test_bodies_read_well(tiny_model: Path, readable: Readable) -> None:
    model = onnx.load(readable(tiny_model))
    block = next(function for function in model.functions if function.name == "TransformerBlock")
    assert block.doc_string
    names = [node.name for node in block.node]
    assert {"attention/qkv/MatMul", "mlp/fc1/MatMul", "norm1/LayerNormalization"} <= set(names)
    assert len(set(names)) == len(names)
    assert {"x", "attention/qkv/weight", "mlp/fc2/bias"} <= set(block.input)
    assert "tokens" in block.output
    functions = [function.name for function in model.functions]
    assert len(set(functions)) == len(functions)


def test_interface_is_untouched(tiny_model: Path, readable: Readable) -> None:
    flat, model = onnx.load(tiny_model), onnx.load(readable(tiny_model))
    for part in ("input", "output"):
        assert list(getattr(model.graph, part)) == list(getattr(flat.graph, part))
    assert {p.key: p.value for p in model.metadata_props} == {p.key: p.value for p in flat.metadata_props}
    assert model.doc_string == flat.doc_string
    weights = {weight.name for weight in flat.graph.initializer if np.prod(weight.dims) > 16}
    assert weights <= {weight.name for weight in model.graph.initializer}


def test_graphs_inside_nodes(readable: Readable, tmp_path: Path) -> None:
    """A scan over heads that takes a small constant and a weight from outside its own graph."""
    from onnx import TensorProto, helper, numpy_helper

    row = [
        helper.make_tensor_value_info(f"encoder/block_00/{name}", TensorProto.FLOAT, [32]) for name in ("row", "out")
    ]
    nodes = [
        helper.make_node(
            "Mul", ["encoder/block_00/row", "constants/B"], ["encoder/block_00/m"], "encoder/block_00/Mul"
        ),
        helper.make_node(
            "Add", ["encoder/block_00/m", "encoder/block_00/w"], ["encoder/block_00/out"], "encoder/block_00/Add"
        ),
    ]
    body = helper.make_graph(nodes, "body", row[:1], row[1:])
    calls = []
    for index in (0, 1):  # two blocks, the second with its own names
        scan = helper.make_node(
            "Scan", [f"x{index}"], [f"x{index + 1}"], f"encoder/block_0{index}/Scan", num_scan_inputs=1
        )
        text = body.SerializeToString().replace(b"block_00", b"block_0%d" % index)
        scan.attribute.append(helper.make_attribute("body", onnx.GraphProto.FromString(text)))
        calls.append(scan)
    weights = [np.array(0.5, np.float32), *np.random.default_rng(2).normal(size=(2, 32)).astype(np.float32)]
    names = ["constants/B", "encoder/block_00/w", "encoder/block_01/w"]
    graph = helper.make_graph(
        calls,
        "two",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [3, 32])],
        [helper.make_tensor_value_info("x2", TensorProto.FLOAT, [3, 32])],
        [numpy_helper.from_array(weight, name) for weight, name in zip(weights, names, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "flat").mkdir()
    onnx.save(model, tmp_path / "flat/two.onnx")
    converted = readable(tmp_path / "flat/two.onnx")
    found = onnx.load(converted)
    assert [node.name for node in found.graph.node] == ["encoder/block_00", "encoder/block_01"]
    image = np.random.default_rng(3).normal(size=(3, 32)).astype(np.float32)
    wanted, got = (
        ort.InferenceSession(path).run(None, {"x0": image})[0] for path in (tmp_path / "flat/two.onnx", converted)
    )
    np.testing.assert_array_equal(got, wanted)


def test_nothing_to_do(tiny_model: Path) -> None:
    model = ir.load(tiny_model)
    assert make_readable(model)
    assert not make_readable(ir.Model(ir.Graph([], [], nodes=[], opset_imports={"": 20}), ir_version=10))
