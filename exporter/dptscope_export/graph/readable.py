"""The readable form of a graph: one node per transformer block, reassembly and fusion block, as ONNX model-local functions.

Nothing is computed differently: runtimes put the bodies back in place when they load the file. Weights stay initializers of
the graph and are handed to the functions as inputs, so that blocks of one kind share one body. Small constants (axes,
shapes, indices) move into the bodies.
"""

from __future__ import annotations

import re
from collections import Counter

import onnx_ir as ir

from dptscope_export.errors import ExportError
from dptscope_export.graph.groups import Kind, find_groups

DOMAIN = "dptscope"
_VERSION = 1
_NUMBER = re.compile(r"_\d+$")
_LARGEST_CONSTANT = 16  # values; larger initializers are weights, and stay where they are


def make_readable(model: ir.Model) -> bool:
    """Put the nodes of each group into a function, and one call of it in their place.

    Returns:
        whether anything changed.

    Raises:
        ExportError: groups feed each other in a circle.
    """
    groups = find_groups(model.graph)
    if not groups:
        return False
    library: dict[object, ir.Function] = {}
    for name, (kind, nodes) in groups.items():
        _replace(model, name, kind, nodes, library)
    model.opset_imports[DOMAIN] = _VERSION
    try:
        model.graph.sort()
    except ValueError as error:
        raise ExportError("expected groups that do not feed each other in a circle") from error
    for initializer in [value for value in model.graph.initializers.values() if not value.uses()]:
        if not initializer.is_graph_input():
            del model.graph.initializers[initializer.name or ""]
    return True


def _replace(model: ir.Model, name: str, kind: Kind, nodes: list[ir.Node], library: dict[object, ir.Function]) -> None:
    """Put one group's nodes into a function of the library, and a call of it into the graph."""
    members = set(nodes)
    inputs: list[ir.Value] = []
    constants: list[ir.Value] = []
    for node in nodes:
        for value in node.inputs:
            if value is None or value.producer() in members or value in inputs or value in constants:
                continue
            (constants if _is_small_constant(value) else inputs).append(value)
    made = [value for node in nodes for value in node.outputs]
    outputs = [value for value in made if value.is_graph_output() or any(u not in members for u in value.consumers())]
    inputs.sort(key=lambda value: value.is_initializer())  # what flows first, then the weights

    names = _LocalNames(name)
    body_of: dict[ir.Value, ir.Value] = {}
    for value in inputs:
        body_of[value] = ir.Value(name=names.of_input(value), shape=value.shape, type=value.type)
    body: list[ir.Node] = []
    for value in constants:
        tensor = value.const_value
        assert tensor is not None
        local = names.unique("constants/" + (value.name or "").rpartition("/")[2])
        constant = ir.Node("", "Constant", [], attributes=[ir.AttrTensor("value", tensor)], name=local)
        constant.outputs[0].name = local
        body_of[value] = constant.outputs[0]
        body.append(constant)
    for node in nodes:
        copy = ir.Node(
            node.domain,
            node.op_type,
            [None if value is None else body_of[value] for value in node.inputs],
            attributes=list(node.attributes.values()),
            num_outputs=len(node.outputs),
            name=names.of_node(node),
        )
        for index, (old, new) in enumerate(zip(node.outputs, copy.outputs, strict=True)):
            new.name = names.of_output(old, copy.name or "", index)
            new.shape, new.type = old.shape, old.type
            body_of[old] = new
        body.append(copy)

    function = _function(model, kind, [body_of[v] for v in inputs], [body_of[v] for v in outputs], body, library)
    call = ir.Node(DOMAIN, function.name, inputs, num_outputs=len(outputs), name=name)
    graph = model.graph
    graph.insert_after(nodes[-1], call)
    for old, new in zip(outputs, call.outputs, strict=True):
        final, shape, kind_of_value, doc = old.name, old.shape, old.type, old.doc_string
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        old.name = None
        new.name, new.shape, new.type, new.doc_string = final, shape, kind_of_value, doc
    for node in reversed(nodes):
        graph.remove(node, safe=True)


def _is_small_constant(value: ir.Value) -> bool:
    tensor = value.const_value
    return (
        tensor is not None
        and value.is_initializer()
        and not value.is_graph_input()
        and tensor.size <= _LARGEST_CONSTANT
        and not (value.name or "").endswith(("/weight", "/bias"))
    )


class _LocalNames:
    """Names inside a function: the path below the group's own, the same in every group of one make."""

    def __init__(self, group: str) -> None:
        self.group = group.removesuffix("/embedding")
        self.taken: Counter[str] = Counter()

    def unique(self, name: str) -> str:
        name = _NUMBER.sub("", name)
        self.taken[name] += 1
        return name if self.taken[name] == 1 else f"{name}_{self.taken[name]}"

    def of_input(self, value: ir.Value) -> str:
        if value.is_initializer() and not value.is_graph_input():
            return self.unique(self._below(value.name or ""))
        if value.is_graph_input():
            return self.unique(_word(value.name or ""))
        return self.unique("sizes" if value.dtype == ir.DataType.INT64 else "x")

    def of_node(self, node: ir.Node) -> str:
        return self.unique(self._below(node.name or ""))

    def of_output(self, value: ir.Value, node: str, index: int) -> str:
        if value.is_graph_output():
            return self.unique(_word(value.name or ""))
        return node if index == 0 else f"{node}.{index}"

    def _below(self, name: str) -> str:
        if name.startswith(f"{self.group}/"):
            return name.removeprefix(f"{self.group}/")
        return re.sub(r"^\w+/(?:(?:stage|readout)_\d+/)?", "", name)


def _word(name: str) -> str:
    """``tokens`` for ``block_03_tokens``, ``fusion_scale`` for ``fusion_scale_2``."""
    return re.sub(r"^block_\d+_", "", _NUMBER.sub("", name))


def _function(
    model: ir.Model,
    kind: Kind,
    inputs: list[ir.Value],
    outputs: list[ir.Value],
    body: list[ir.Node],
    library: dict[object, ir.Function],
) -> ir.Function:
    """The function with this body: one that is there already if it is the same, else a new one."""
    key = (kind.function, tuple(v.name for v in inputs), tuple(v.name for v in outputs), tuple(map(_signature, body)))
    if key not in library:
        number = 1 + sum(function.doc_string == kind.meaning for function in library.values())
        graph = ir.Graph(inputs, outputs, nodes=body, opset_imports={"": model.opset_imports[""]})
        function = ir.Function(DOMAIN, kind.function + (f"_{number}" if number > 1 else ""), graph=graph, attributes=[])
        function.doc_string = kind.meaning
        model.functions[function.identifier()] = function
        library[key] = function
    return library[key]


def _signature(node: ir.Node) -> tuple[object, ...]:
    attributes: list[tuple[object, ...]] = []
    for attribute in node.attributes.values():
        value = attribute.value
        if isinstance(value, ir.TensorProtocol):
            array = value.numpy()
            attributes.append((attribute.name, str(array.dtype), array.shape, array.tobytes()))
        else:
            attributes.append((attribute.name, repr(value)))
    return (
        node.domain,
        node.op_type,
        node.name,
        tuple(None if value is None else value.name for value in node.inputs),
        tuple(sorted(attributes, key=lambda attribute: str(attribute[0]))),
    )
