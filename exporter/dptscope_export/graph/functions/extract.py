"""The readable form of a graph: one node per transformer block, reassembly and fusion block, as ONNX model-local functions.

Nothing is computed differently: runtimes put the bodies back in place when they load the file. Weights stay initializers of
the graph and are handed to the functions as inputs, so that blocks of one kind share one body. Small constants (axes,
shapes, indices) move into the bodies.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnx_ir.traversal import RecursiveGraphIterator

from dptscope_export.errors import ExportError
from dptscope_export.graph.functions.group import Kind, find_groups
from dptscope_export.graph.functions.names import rename_body

DOMAIN = "dptscope"
_VERSION = 1
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
    RemoveUnusedNodesPass()(model)  # initializers, too
    return True


def _replace(model: ir.Model, name: str, kind: Kind, nodes: list[ir.Node], library: dict[object, ir.Function]) -> None:
    """Put one group's nodes into a function of the library, and a call of it into the graph."""
    graph = model.graph
    members = dict.fromkeys(RecursiveGraphIterator(ir.GraphView([], [], nodes=nodes)))
    used = dict.fromkeys(value for node in members for value in node.inputs if value is not None)
    outside = [value for value in used if value.graph is graph and value.producer() not in members]
    flows = [value for value in outside if not value.is_initializer() or value.is_graph_input()]
    weights = [value for value in outside if value not in flows and not _is_small_constant(value)]
    made = [value for node in nodes for value in node.outputs]
    outputs = [value for value in made if value.is_graph_output() or any(u not in members for u in value.consumers())]
    inputs = [*flows, *weights]

    body = ir.convenience.extract(graph, inputs, outputs)
    interface = {value.name for value in (*graph.inputs, *graph.outputs)}
    _turn_into_nodes(body)
    rename_body(body, name, len(weights), interface)
    function = _function(model, kind, body, library)
    call = ir.Node(DOMAIN, function.name, inputs, num_outputs=len(outputs), name=name)
    graph.insert_after(nodes[-1], call)
    for old, new in zip(outputs, call.outputs, strict=True):
        final, shape, kind_of_value, doc = old.name, old.shape, old.type, old.doc_string
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        old.name = None
        new.name, new.shape, new.type, new.doc_string = final, shape, kind_of_value, doc
    for node in members:  # nodes in graphs of their own use nothing any more, either
        for index in range(len(node.inputs)):
            node.replace_input_with(index, None)
    graph.remove(nodes, safe=True)


def _is_small_constant(value: ir.Value) -> bool:
    """Axes, shapes, indices and the like: what belongs into a body rather than to the weights."""
    tensor, name = value.const_value, value.name or ""
    # One number a head, which the contract promises by name: a position bias with the class token, the factor of cosines.
    of_heads = value.dtype == ir.DataType.FLOAT and ("/relative_bias/" in name or name.endswith("/attention/Mul/B"))
    is_weight = name.endswith(("/weight", "/bias")) or of_heads
    return tensor is not None and tensor.size <= _LARGEST_CONSTANT and not is_weight


def _turn_into_nodes(body: ir.Graph) -> None:
    """Make nodes of a body's initializers, in the order of use: a function has none, nor defaults of its inputs."""
    used = (value for node in RecursiveGraphIterator(body) for value in node.inputs if value is not None)
    constants = dict.fromkeys(v for v in used if v.is_initializer() and not v.is_graph_input())
    body.initializers.clear()
    first = body[0]
    for value in constants:
        name = "constants/" + (value.name or "").rpartition("/")[2]
        constant = ir.node("Constant", [], {"value": value.const_value}, name=name)
        constant.outputs[0].shape, constant.outputs[0].type = value.shape, value.type
        value.replace_all_uses_with(constant.outputs[0])
        body.insert_before(first, constant)


def _function(model: ir.Model, kind: Kind, body: ir.Graph, library: dict[object, ir.Function]) -> ir.Function:
    """The function with this body: one that is there already if it is the same, else a new one."""
    key = (
        kind.function,
        tuple(value.name for value in (*body.inputs, *body.outputs)),
        tuple(map(_signature, body)),
    )
    if key not in library:
        number = 1 + sum(function.doc_string == kind.meaning for function in library.values())
        name = kind.function + (f"_{number}" if number > 1 else "")
        function = ir.Function(DOMAIN, name, graph=body, attributes=[])
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
