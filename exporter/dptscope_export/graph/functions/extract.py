"""The readable form of a graph: one node per transformer block, reassembly and fusion block, as ONNX model-local functions.

Nothing is computed differently: runtimes put the bodies back in place when they load the file. Weights stay initializers of
the graph and are handed to the functions as inputs, so that blocks of one kind share one body. Small constants (axes,
shapes, indices) move into the bodies.
"""

from __future__ import annotations

import onnx_ir as ir

from dptscope_export.errors import ExportError
from dptscope_export.graph.functions.clone import (
    LocalNames,
    captured,
    copy_constant,
    copy_node,
    is_small_constant,
    nodes_within,
)
from dptscope_export.graph.functions.group import Kind, find_groups

DOMAIN = "dptscope"
_VERSION = 1


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
    members = {inner for node in nodes for inner in (node, *nodes_within(node))}
    inputs: list[ir.Value] = []
    constants: list[ir.Value] = []
    for node in nodes:
        for value in (*node.inputs, *captured(node)):
            if value is None or value.producer() in members or value in inputs or value in constants:
                continue
            (constants if is_small_constant(value) else inputs).append(value)
    made = [value for node in nodes for value in node.outputs]
    outputs = [value for value in made if value.is_graph_output() or any(u not in members for u in value.consumers())]
    inputs.sort(key=lambda value: value.is_initializer())  # what flows first, then the weights

    names = LocalNames(name)
    body_of: dict[ir.Value, ir.Value] = {}
    for value in inputs:
        body_of[value] = ir.Value(name=names.of_input(value), shape=value.shape, type=value.type)
    body = [copy_constant(value, body_of, names) for value in constants]
    body += [copy_node(node, body_of, names) for node in nodes]

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
        for inner in nodes_within(node):  # what they took from outside is no longer used by them
            for index in range(len(inner.inputs)):
                inner.replace_input_with(index, None)
        graph.remove(node, safe=True)


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
        if isinstance(value, ir.Graph):
            attributes.append((attribute.name, tuple(v.name for v in value.inputs), tuple(map(_signature, value))))
        elif isinstance(value, ir.TensorProtocol):
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
