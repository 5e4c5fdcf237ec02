"""Attention head by head: the same arithmetic, with one head's weights in memory at a time instead of all of them.

The weights of all heads of ViT-S at 518 × 518 pixels take 45 MB, and 720 MB at 1036 × 1036. One head's stay in the
processor's cache between the product that makes them, the softmax and the product that uses them, which is faster, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

HEADS_AXIS = 0  # the models put the heads first, so that a head is one piece of memory


@dataclass(frozen=True)
class _Attention:
    """The nodes of one attention over all heads: (query × scale) @ key (+ bias), softmax, @ value."""

    scale: ir.Node
    key: ir.Node
    logits: ir.Node
    bias: ir.Node | None
    softmax: ir.Node
    mixed: ir.Node

    @property
    def nodes(self) -> list[ir.Node]:
        between = [] if self.bias is None else [self.bias]
        return [self.scale, self.key, self.logits, *between, self.softmax, self.mixed]


class ScanAttentionHeads(ir.passes.InPlacePass):
    """Put every attention with a heads axis into a Scan over that axis."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        matches = [_match(node) for node in model.graph if node.op_type == "Softmax"]
        found = [attention for attention in matches if attention is not None]
        for attention in found:
            _replace(attention)
        return ir.passes.PassResult(model, bool(found))


def _match(softmax: ir.Node) -> _Attention | None:
    """The attention around a softmax, or None where it has another form, such as that of shifted windows."""
    source = softmax.inputs[0]
    before = source.producer() if source is not None else None
    bias = before if before is not None and before.op_type == "Add" else None
    logits = _producer(bias, 0) if bias is not None else before
    users = softmax.outputs[0].consumers()
    if logits is None or logits.op_type != "MatMul" or len(users) != 1 or users[0].op_type != "MatMul":
        return None
    scale, key = _producer(logits, 0), _producer(logits, 1)
    if scale is None or key is None or (scale.op_type, key.op_type) != ("Mul", "Transpose"):
        return None
    factor = scale.inputs[1]
    if factor is None or factor.const_value is None:
        return None
    shape = logits.outputs[0].shape
    if shape is None or len(shape) != 4 or not isinstance(shape[HEADS_AXIS], int):
        return None
    return _Attention(scale, key, logits, bias, softmax, users[0])


def _producer(node: ir.Node, index: int) -> ir.Node | None:
    value = node.inputs[index]
    return value.producer() if value is not None else None


def _replace(attention: _Attention) -> None:
    graph = attention.mixed.graph
    assert isinstance(graph, ir.Graph)
    key_bnd = _key_rows(attention.key)
    outside = [attention.scale.inputs[0], key_bnd, attention.mixed.inputs[1]]
    if attention.bias is not None:
        outside.append(attention.bias.inputs[1])
    mixed = attention.mixed.outputs[0]
    scan = ir.node(
        "Scan",
        outside,
        attributes={"body": _body(attention), "num_scan_inputs": len(outside)},
        outputs=[ir.Value(name=mixed.name, type=mixed.type, shape=mixed.shape)],
        name=f"{(attention.softmax.name or '').rpartition('/')[0]}/Scan",
    )
    graph.insert_before(attention.mixed, scan)
    mixed.replace_all_uses_with(scan.outputs[0], replace_graph_outputs=True)
    graph.remove(reversed(attention.nodes), safe=True)


def _key_rows(transpose: ir.Node) -> ir.Value:
    """The keys as rows, ``[heads, batch, tokens, width]``: whatever the transpose does, but for its swap of the last two
    axes, which the product inside the loop takes over."""
    *rest, last_but_one, last = transpose.attributes["perm"].as_ints()
    order = [*rest, last, last_but_one]
    source = transpose.inputs[0]
    assert source is not None
    if order == sorted(order):
        return source
    shape = transpose.outputs[0].shape
    assert shape is not None
    node = ir.node("Transpose", [source], attributes={"perm": order}, name=transpose.name)
    node.outputs[0].name = f"{transpose.name}/rows"
    node.outputs[0].shape = ir.Shape([*shape[:-2], shape[-1], shape[-2]])
    node.outputs[0].type = transpose.outputs[0].type
    graph = transpose.graph
    assert isinstance(graph, ir.Graph)
    graph.insert_before(transpose, node)
    return node.outputs[0]


def _constant(node: ir.Node) -> ir.TensorProtocol:
    value = node.inputs[1]
    assert value is not None and value.const_value is not None
    return ir.tensor(value.const_value.numpy())


def _body(attention: _Attention) -> ir.Graph:
    """One head: queries, keys and values ``[batch, tokens, width]``, and the bias ``[1, tokens, tokens]``."""
    path = (attention.softmax.name or "").rpartition("/")[0] + "/head"

    def value(name: str) -> ir.Value:
        return ir.Value(name=f"{path}/{name}", type=ir.TensorType(ir.DataType.FLOAT))

    def step(operator: str, inputs: list[ir.Value | None], **attributes: object) -> ir.Node:
        node = ir.node(operator, inputs, attributes=attributes or None, name=f"{path}/{operator}")  # type: ignore[arg-type]
        node.outputs[0].name = node.name
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        return node

    query, key, values = value("query"), value("key"), value("value")
    inputs = [query, key, values]
    # A constant of its own: a loop inside a model-local function sees nothing of the graph.
    factor = step("Constant", [], value=_constant(attention.scale))
    scaled = step("Mul", [query, factor.outputs[0]])
    turned = step("Transpose", [key], perm=[0, 2, 1])
    logits = step("MatMul", [scaled.outputs[0], turned.outputs[0]])
    nodes = [factor, scaled, turned, logits]
    if attention.bias is not None:
        bias = value("bias")
        inputs.append(bias)
        nodes.append(step("Add", [logits.outputs[0], bias]))
    softmax = step("Softmax", [nodes[-1].outputs[0]], axis=-1)
    mixed = step("MatMul", [softmax.outputs[0], values])
    mixed.name = f"{path}/MatMul_2"
    mixed.outputs[0].name = mixed.name
    return ir.Graph(inputs, [mixed.outputs[0]], nodes=[*nodes, softmax, mixed], name=path)
