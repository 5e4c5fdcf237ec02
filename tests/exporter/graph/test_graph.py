"""What an exported graph looks like to someone who opens it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import dptscope
from dptscope import contract


@pytest.fixture(scope="module")
def graph(v2_hugging_face: Any) -> onnx.GraphProto:
    return onnx.load(v2_hugging_face.exported.model).graph


def test_checker_accepts_both_files(v2_hugging_face: Any) -> None:
    for path in (v2_hugging_face.exported.model, v2_hugging_face.exported.companion):
        onnx.checker.check_model(str(path), full_check=True)


def test_every_name_is_a_path_of_modules(graph: onnx.GraphProto) -> None:
    names = [node.name for node in graph.node]
    assert all("/" in name for name in names)
    assert max(Counter(names).values()) == 1
    assert "encoder/block_03/attention/qkv/MatMul" in names
    assert "fusion/block_4/residual_unit/conv1/Conv" in names
    weights = {weight.name for weight in graph.initializer}
    assert {"encoder/block_04/mlp/fc1/weight", "reassemble/stage_1/resize/bias", "head/conv3/weight"} <= weights
    meant = {spec.name for spec in contract.fusion_scale_inputs()}
    assert all("/" in name or name in meant for name in weights)
    outputs = {output.name for output in graph.output}
    assert all("/" in name or name in outputs for node in graph.node for name in node.output)


def test_what_scales_do_is_called_the_same(v2_hugging_face: Any) -> None:
    """In the companion and in the preview, which averages the finer maps first."""
    found = []
    for path in (v2_hugging_face.exported.companion, v2_hugging_face.exported.preview):
        scales = {spec.name for spec in contract.fusion_scale_inputs()}
        shaped = [node for node in onnx.load(path).graph.node if scales & set(node.input)]
        given = {node.output[0] for node in shaped}
        found.append([node.name for node in onnx.load(path).graph.node if node in shaped or given & set(node.input)])
    numbers = ["", "_2", "_3", "_4"]
    assert found[0] == found[1] == [f"fusion/{kind}{n}" for n in numbers for kind in ("Unsqueeze", "Mul")]


def test_no_trace_of_the_machine(v2_hugging_face: Any) -> None:
    data = v2_hugging_face.exported.model.read_bytes()
    for word in (b"site-packages", b"stack_trace", b"/tmp/", b"/home/", b"pkg.torch"):
        assert word not in data


def test_attention_reshapes_are_constants(graph: onnx.GraphProto) -> None:
    constants = {weight.name for weight in graph.initializer}
    reshapes = [node for node in graph.node if node.op_type == "Reshape" and "/attention/" in node.name]
    assert len(reshapes) == 5 * 4
    assert all(node.input[1] in constants for node in reshapes)


def test_sizes_read_well(graph: onnx.GraphProto) -> None:
    def axes(value: onnx.ValueInfoProto) -> list[object]:
        return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]

    known = {value.name: axes(value) for value in (*graph.value_info, *graph.output)}
    assert known["depth"] == ["batch", "height", "width"]
    assert known["encoder/patch_embed/Conv"] == ["batch", 128, "grid_height", "grid_width"]
    assert known["head/conv2/Conv"] == ["batch", 16, "height", "width"]


def test_scales_broadcast_over_a_batch(v2_hugging_face: Any) -> None:
    """Scales of length one serve a whole batch; with the companion, one photo takes many scalings in one run."""
    model = dptscope.load(v2_hugging_face.exported.model)
    image = np.random.default_rng(0).normal(size=(2, 3, 42, 56)).astype(np.float32)
    names = [contract.DEPTH, *(contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS)]
    found = model.run(image, names)
    one = [found[name][:1] for name in names[1:]]
    settings = np.array([[1, 1, 1, 1], [0.5, 1, 1, 1], [1, 1, -1, 0]], dtype=np.float32)
    several = model.fuse(one, settings)
    assert several.shape == (3, 42, 56)
    np.testing.assert_allclose(several[0], found["depth"][0], atol=1e-5 * found["depth"].std())
    for setting, depth in zip(settings, several, strict=True):
        alone = model.fuse(one, tuple(float(s) for s in setting))[0]
        np.testing.assert_allclose(depth, alone, atol=1e-5 * found["depth"].std())


def test_plain_image_is_enough(v2_hugging_face: Any) -> None:
    """Any ONNX tool that feeds the image alone gets the depth."""
    session = ort.InferenceSession(v2_hugging_face.exported.model)
    image = np.random.default_rng(1).normal(size=(1, 3, 70, 70)).astype(np.float32)
    (depth,) = session.run(["depth"], {"image": image})
    assert depth.shape == (1, 70, 70)
    assert [node.name for node in session.get_inputs()] == ["image"]
    assert len(session.get_overridable_initializers()) == 4


def test_metadata(v2_hugging_face: Any) -> None:
    card = dptscope.load(v2_hugging_face.exported.model).card
    assert card == v2_hugging_face.exported.card
    assert card.parity is not None
    assert len(card.parity.sizes) >= 5
    assert card.evidence == "config.json"


def test_weight_and_arithmetic(v2_hugging_face: Any, graph: onnx.GraphProto) -> None:
    """Counted on the torch model, held against the graph: every weight, and the block's matrix products by hand."""
    card = v2_hugging_face.exported.card
    weights = sum(int(np.prod(weight.dims)) for weight in graph.initializer if "/" in weight.name)
    assert card.parameters is not None and card.flops is not None
    assert weights * 0.95 < card.parameters < weights * 1.05  # the graph has sizes and axes, too, and fewer positions
    rows, columns = (side // card.patch_size for side in card.native_size)
    tokens, width = rows * columns + 1, card.blocks[0].channels
    encoder = len(card.blocks) * (2 * tokens * width * width * 4 + 4 * tokens * tokens * width)  # without the MLP
    assert encoder < card.flops < 50 * encoder


def test_the_graph_says_what_it_is(v2_hugging_face: Any) -> None:
    model = onnx.load(v2_hugging_face.exported.model)
    assert model.doc_string == model.graph.doc_string
    for word in ("relative inverse depth", "image", "fusion_scale_1", "block_NN_tokens", "depth-anything-v2"):
        assert word in model.doc_string
    assert all(value.doc_string for value in (*model.graph.input, *model.graph.output))


# What only computes sizes. Transformer blocks, fusion and head have none of it; positions and sizes depend on the image.
SHAPE_ARITHMETIC = {"Shape", "Size", "Range", "Cast", "Equal", "Where", "Expand", "ConstantOfShape", "NonZero"}
BUDGET = {"encoder/block_": 34, "reassemble/stage_": 3, "fusion/skip_": 5, "fusion/block_": 9, "head/": 8}


def test_node_budget(graph: onnx.GraphProto) -> None:
    for prefix, most in BUDGET.items():
        parts: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            if node.name.startswith(prefix):
                parts.setdefault("/".join(node.name.split("/")[: 1 if prefix == "head/" else 2]), []).append(node)
        assert parts, prefix
        for part, nodes in parts.items():
            assert len(nodes) <= most, (part, len(nodes))
            if part != "fusion/block_4":  # the one that does not always double: its result's size is looked up
                assert not {node.op_type for node in nodes} & SHAPE_ARITHMETIC, part
    assert sum(node.op_type in SHAPE_ARITHMETIC for node in graph.node) <= 20
