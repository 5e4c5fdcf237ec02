"""Edits of an exported graph: traps made by hand, and seeded changes of its structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.random import Generator
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from fuzz.cases import Expected
from fuzz.mutate import pick

Edit = Callable[[ModelProto], ModelProto]


def _move_depth(model: ModelProto) -> None:
    """Give the node that makes the depth another name for it."""
    for node in model.graph.node:
        node.output[:] = ["the_real_depth" if name == "depth" else name for name in node.output]


def depth_over_zero(model: ModelProto) -> ModelProto:
    return change_depth(model, helper.make_node("Div", ["the_real_depth", "the_number"], ["depth"]), 0.0)


def zero_over_zero(model: ModelProto) -> ModelProto:
    """NaN in a file where every weight is finite."""
    model = change_depth(model, helper.make_node("Div", ["zeros", "the_number"], ["depth"]), 0.0)
    model.graph.node.insert(
        len(model.graph.node) - 1, helper.make_node("Sub", ["the_real_depth", "the_real_depth"], ["zeros"])
    )
    return model


def change_depth(model: ModelProto, node: NodeProto, value: float) -> ModelProto:
    _move_depth(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), "the_number"))
    model.graph.node.append(node)
    return model


def _weights(pattern: str, value: float, every: bool = False) -> Edit:
    def edit(model: ModelProto) -> ModelProto:
        tensor = next(t for t in model.graph.initializer if pattern in t.name and len(t.raw_data) >= 16)
        array = numpy_helper.to_array(tensor).copy()
        if every:
            array *= value
        else:
            array.flat[len(array.flat) // 2] = value
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return model

    return edit


def _layers(block: str, value: float) -> Edit:
    """Every weight is small enough, what two layers make of them is not: the next normalisation divides it to zero."""

    def edit(model: ModelProto) -> ModelProto:
        for layer in ("fc1", "fc2"):
            model = _weights(f"{block}/mlp/{layer}/weight", value, every=True)(model)
        return model

    return edit


def _constant(model: ModelProto) -> ModelProto:
    return change_depth(model, helper.make_node("Mul", ["the_real_depth", "the_number"], ["depth"]), 0.0)


def _remove(output: str) -> Edit:
    def edit(model: ModelProto) -> ModelProto:
        kept = [value for value in model.graph.output if value.name != output]
        model.graph.ClearField("output")
        model.graph.output.extend(kept)
        return model

    return edit


def _squeeze(output: str, axes: list[int], add: bool) -> Edit:
    """Another number of axes than the contract says."""

    def edit(model: ModelProto) -> ModelProto:
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = ["real" if name == output else name for name in names]
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(axes, np.int64), "the_axes"))
        model.graph.node.append(helper.make_node("Unsqueeze" if add else "Squeeze", ["real", "the_axes"], [output]))
        for value in model.graph.output:
            if value.name == output:
                value.type.tensor_type.ClearField("shape")
        return model

    return edit


def _half_depth(model: ModelProto) -> ModelProto:
    """Depth smaller than the image, behind axes that say otherwise."""
    for name, number in {"starts": 0, "ends": 7, "axes": 1}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray([number], np.int64), name))
    _move_depth(model)
    model.graph.node.append(helper.make_node("Slice", ["the_real_depth", "starts", "ends", "axes"], ["depth"]))
    return model


def _as_double(model: ModelProto) -> ModelProto:
    _move_depth(model)
    model.graph.node.append(helper.make_node("Cast", ["the_real_depth"], ["depth"], to=TensorProto.DOUBLE))
    for value in model.graph.output:
        if value.name == "depth":
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return model


def _needs_more(model: ModelProto) -> ModelProto:
    model.graph.input.append(helper.make_tensor_value_info("password", TensorProto.FLOAT, [1]))
    return model


def _rename_image(model: ModelProto) -> ModelProto:
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "image" else name for name in node.input]
    return model


def _large_constant(model: ModelProto) -> ModelProto:
    """A terabyte, from twenty bytes; computed before the first run if anybody folds it."""
    shape = numpy_helper.from_array(np.asarray([1 << 38], np.int64), "a_large_shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["a_large_shape"], ["large"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["large"], ["the_number_0"], keepdims=0))
    _move_depth(model)
    model.graph.node.append(helper.make_node("Add", ["the_real_depth", "the_number_0"], ["depth"]))
    return model


def _large_expand(model: ModelProto) -> ModelProto:
    """The same, by a shape that is known only when the graph runs."""
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([1 << 20, 1, 1, 1], np.int64), "many"))
    model.graph.node.append(helper.make_node("Tile", ["image", "many"], ["large"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["large"], ["the_number_0"], keepdims=0))
    _move_depth(model)
    model.graph.node.append(helper.make_node("Add", ["the_real_depth", "the_number_0"], ["depth"]))
    return model


def endless_loop(model: ModelProto) -> ModelProto:
    """A loop that counts to the largest number there is."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x_in"], ["x_out"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_out", TensorProto.FLOAT, None),
        ],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.asarray((1 << 63) - 1, np.int64), "turns"))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(True), "yes"))
    _move_depth(model)
    model.graph.node.append(helper.make_node("Loop", ["turns", "yes", "the_real_depth"], ["depth"], body=body))
    return model


def _recursive_function(model: ModelProto) -> ModelProto:
    """A function that calls itself."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    call = helper.make_node("Again", ["x"], ["y"], domain="local")
    model.functions.append(helper.make_function("local", "Again", ["x"], ["y"], [call], opsets))
    model.opset_import.append(helper.make_opsetid("local", 1))
    _move_depth(model)
    model.graph.node.append(helper.make_node("Again", ["the_real_depth"], ["depth"], domain="local"))
    return model


def _cycle(model: ModelProto) -> ModelProto:
    _move_depth(model)
    model.graph.node.append(helper.make_node("Add", ["the_real_depth", "round"], ["depth"]))
    model.graph.node.append(helper.make_node("Identity", ["depth"], ["round"]))
    return model


def _operator(name: str, domain: str) -> Edit:
    def edit(model: ModelProto) -> ModelProto:
        _move_depth(model)
        model.graph.node.append(helper.make_node(name, ["the_real_depth"], ["depth"], domain=domain))
        model.opset_import.append(helper.make_opsetid(domain, 1))
        return model

    return edit


def _version(model: ModelProto) -> ModelProto:
    model.ir_version = 1 << 40
    return model


def _opset(model: ModelProto) -> ModelProto:
    model.opset_import[0].version = 9999
    return model


def _twice(model: ModelProto) -> ModelProto:
    model.graph.node.append(model.graph.node[-1])
    return model


def _lying_shape(shape: list[int]) -> Edit:
    def edit(model: ModelProto) -> ModelProto:
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        tensor.dims[:] = shape
        return model

    return edit


def edited_graphs() -> dict[str, tuple[Edit, Expected, str]]:
    """Name: the edit, what must come of it, and a word of the message."""
    return {
        "nothing": (lambda model: model, "works", ""),
        "NaN in the depth": (zero_over_zero, "refused", "expected finite numbers in depth"),
        "infinity in the depth": (depth_over_zero, "refused", "expected finite numbers in depth"),
        "NaN in an encoder weight": (_weights("block_01", np.nan), "refused", "expected finite weights"),
        "infinity in an encoder weight": (_weights("block_01", np.inf), "refused", "expected finite weights"),
        "a fusion weight that overflows": (_weights("fusion", 3e38), "refused", "expected finite weights"),
        "NaN in a head weight": (_weights("head/conv2", np.nan), "refused", "expected finite weights"),
        "infinity that a ReLU hides": (_weights("head/conv2/bias", -np.inf), "refused", "expected finite weights"),
        "tokens that overflow": (_weights("block_01/mlp/fc2/weight", 1e20, every=True), "refused", "m.onnx"),
        "tokens that only the next layer would hide": (_layers("block_01", 1e12), "refused", "too large"),
        "a head that overflows": (_weights("head/conv1/weight", 1e18, every=True), "either", "m.onnx"),
        "constant depth": (_constant, "works", ""),
        "no depth": (_remove("depth"), "refused", "depth"),
        "no tokens": (_remove("block_02_tokens"), "refused", "block_02_tokens"),
        "depth with four axes": (_squeeze("depth", [1], add=True), "refused", "depth"),
        "tokens with five axes": (_squeeze("block_03_tokens", [0], add=True), "refused", "block_03_tokens"),
        "half the depth": (_half_depth, "refused", "depth"),
        "depth in double precision": (_as_double, "refused", "depth"),
        "one more input": (_needs_more, "refused", "password"),
        "no image": (_rename_image, "refused", "image"),
        "a terabyte at once": (_large_constant, "refused", "m.onnx"),
        "a terabyte later": (_large_expand, "refused", "m.onnx"),
        "an endless loop": (endless_loop, "refused", "Loop"),
        "a function that calls itself": (_recursive_function, "refused", "m.onnx"),
        "a cycle": (_cycle, "refused", "m.onnx"),
        "an operator of nobody": (_operator("Explode", ""), "refused", "m.onnx"),
        "an operator of another domain": (_operator("Explode", "com.example"), "refused", "m.onnx"),
        "a version of the far future": (_version, "refused", "m.onnx"),
        "an operator set of the far future": (_opset, "refused", "m.onnx"),
        "a node twice": (_twice, "refused", "m.onnx"),
        "a huge shape": (_lying_shape([1 << 31, 1 << 31]), "refused", "m.onnx"),
        "a shape that overflows": (_lying_shape([1 << 62, 4, 4, 4]), "refused", "m.onnx"),
        "a negative shape": (_lying_shape([-1, -5]), "refused", "m.onnx"),
        "a shape of nothing": (_lying_shape([0]), "refused", "m.onnx"),
    }


def mutate_graph(model: ModelProto, random: Generator) -> ModelProto:
    """One to three random changes that leave a file onnx can write."""
    for _ in range(1 + int(random.integers(0, 3))):
        pick(_CHANGES, random)(model, random)
    return model


def _node(model: ModelProto, random: Generator) -> NodeProto:
    return pick(model.graph.node, random)


def _value(model: ModelProto, random: Generator) -> str:
    names = [name for node in model.graph.node for name in (*node.input, *node.output) if name]
    return pick(names + [tensor.name for tensor in model.graph.initializer], random)


def _other_operator(model: ModelProto, random: Generator) -> None:
    _node(model, random).op_type = pick(sorted({schema.name for schema in onnx.defs.get_all_schemas()}), random)


def _rewire_input(model: ModelProto, random: Generator) -> None:
    node = _node(model, random)
    if node.input:
        node.input[int(random.integers(0, len(node.input)))] = _value(model, random) if random.random() < 0.9 else ""


def _rewire_output(model: ModelProto, random: Generator) -> None:
    node = _node(model, random)
    node.output[int(random.integers(0, len(node.output)))] = _value(model, random)


def _drop_node(model: ModelProto, random: Generator) -> None:
    del model.graph.node[int(random.integers(0, len(model.graph.node)))]


def _drop_input(model: ModelProto, random: Generator) -> None:
    node = _node(model, random)
    if node.input:
        del node.input[-1]


def _attribute(model: ModelProto, random: Generator) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    attribute = pick(pick(nodes, random).attribute, random)
    numbers = (0, 1, -1, 2, 7, 1 << 31, (1 << 63) - 1, -(1 << 63))
    attribute.i = pick(numbers, random)
    if attribute.ints:
        attribute.ints[int(random.integers(0, len(attribute.ints)))] = pick(numbers, random)
    attribute.f = pick((0.0, -1.0, np.inf, np.nan, 1e38), random)


def _dims(model: ModelProto, random: Generator) -> None:
    tensor = pick(model.graph.initializer, random)
    if tensor.dims:
        sides = (0, 1, -1, 3, 65, 1 << 20, 1 << 40, (1 << 63) - 1)
        tensor.dims[int(random.integers(0, len(tensor.dims)))] = pick(sides, random)


def _type(model: ModelProto, random: Generator) -> None:
    pick(model.graph.initializer, random).data_type = int(random.integers(0, 24))


def _numbers(model: ModelProto, random: Generator) -> None:
    """Whole numbers steer shapes, so these are the ones to change."""
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.INT64]
    if tensors:
        tensor = pick(tensors, random)
        array = numpy_helper.to_array(tensor).copy()
        array.flat[:1] = pick((0, -1, -2, 3, 1 << 20, 1 << 31, (1 << 63) - 1, -(1 << 63)), random)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _value_type(model: ModelProto, random: Generator) -> None:
    values = [*model.graph.input, *model.graph.output]
    value = pick(values, random).type.tensor_type
    if random.random() < 0.5 or not value.shape.dim:
        value.elem_type = int(random.integers(0, 20))
    else:
        pick(value.shape.dim, random).dim_value = pick((0, 1, 3, 28, 1 << 40), random)


_CHANGES: tuple[Callable[[ModelProto, Generator], None], ...] = (
    _other_operator, _rewire_input, _rewire_output, _drop_node, _drop_input, _attribute, _dims, _type, _numbers, _value_type,
)  # fmt: skip
