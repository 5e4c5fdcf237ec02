"""Names for people: every node, value and weight carries the path of the module that it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from posixpath import commonpath

import onnx
import onnx_ir as ir
from onnx_ir.convenience import rename_values
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dptscope.contract import DEFAULT_OPSET, IMAGE, SCALES_AXIS, TensorSpec
from dptscope_export.errors import ExportError
from dptscope_export.graph.constants import SHARED
from dptscope_export.graph.wrappers import MODEL_ATTRIBUTE

_SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's own record: module path by module path, then the operation
_NO_MODULE = "_empty_nn_module_stack"  # how the exporter marks what it reads off the inputs: their sizes
_SIZES = "sizes"
SIZES_SCOPE = {_SCOPES: f"['{_NO_MODULE}', 'size']"}  # for a node that another part of ours adds
_BATCH = re.compile(r"\bbatch\b")
_NUMBER = re.compile(r"_\d+$")
_MODEL_PREFIX = re.compile(rf"^{MODEL_ATTRIBUTE}(\.|$)")


def name_nodes(model: ir.Model) -> None:
    """Name each node ``module/path/Operator``, from what the exporter recorded. Run before anything drops the record."""
    taken: set[str] = set()
    for node in model.graph:
        node.name = _unique(_join(_named_path(node), node.op_type), taken)
        node.metadata_props.clear()  # stack traces of the machine that exported


def name_values(model: ir.Model) -> None:
    """Name values after the node that makes them, and weights after the module that owns or uses them.

    Inputs and outputs of the graph keep their names. Nodes without a name, which simplification may have made, get the
    path that the nodes which feed them have in common, or, where inputs alone do, those that they feed.
    """
    graph = model.graph
    fixed = {value.name for value in (*graph.inputs, *graph.outputs)}
    taken: set[str] = set()
    for node in graph:
        if not node.name or "/" not in node.name:
            node.name = _join(_path_of_neighbours(node), node.op_type)
        node.name = _unique(_NUMBER.sub("", node.name), taken)

    taken = {name for name in fixed if name}
    RemoveUnusedNodesPass()(model)  # and initializers that a pass left over
    constants = [value for name, value in graph.initializers.items() if name not in fixed]
    rename_values(constants, [_unique(_initializer_name(value), taken) for value in constants])
    for node in graph:
        for index, value in enumerate(node.outputs):
            if value.name not in fixed:
                suffix = f".{index}" if len(node.outputs) > 1 else ""
                value.name = _unique(f"{node.name}{suffix}", taken)


def name_axes(model: ir.Model, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Give the graph's inputs and outputs the contract's axes, and say all other sizes in terms of them.

    Raises:
        ExportError: rank or a fixed size differs from the contract.
    """
    graph = model.graph
    words: dict[str, str] = {}
    for value, spec in zip((*graph.outputs, *graph.inputs), (*outputs, *inputs), strict=True):
        dims = tuple(value.shape) if value.shape is not None else ()
        if value.name != spec.name or len(dims) != len(spec.axes):
            raise ExportError(f"expected {spec.name} with axes {spec.axes}, got {value.name} with {dims}")
        axes: list[int | str] = []
        for dim, axis in zip(dims, spec.axes, strict=True):
            if isinstance(axis, int) and dim != axis:
                raise ExportError(f"expected {axis} in {spec.name} {spec.axes}, got {dims}")
            if isinstance(dim, ir.SymbolicDim):
                if isinstance(axis, str):
                    words.setdefault(str(dim.value), axis)
                axes.append(axis)
            else:
                axes.append(axis if axis == SCALES_AXIS else dim)  # a size that this graph fixes stays a number
        value.shape = ir.Shape(axes)
    _respell_sizes(graph, words, {value.name for value in (*graph.inputs, *graph.outputs)})
    _free_scales(graph)


def _respell_sizes(graph: ir.Graph, words: dict[str, str], done: set[str | None]) -> None:
    symbols = {dim: axis for dim, axis in words.items() if dim.isidentifier()}
    pattern = re.compile("|".join(rf"\b{re.escape(symbol)}\b" for symbol in symbols) or r"(?!)")
    for node in graph:
        for value in node.outputs:
            if value.name in done or value.shape is None:
                continue
            dims: list[int | str | None] = []
            for dim in value.shape:
                if not isinstance(dim, ir.SymbolicDim):
                    dims.append(dim)
                    continue
                text = str(dim.value)
                dims.append(words.get(text) or pattern.sub(lambda match: symbols[match.group()], text))
            value.shape = ir.Shape(dims)


def _free_scales(graph: ir.Graph) -> None:
    """The scales were traced with length one; what only reshapes them has their axis, too."""
    scales = [value for value in graph.inputs if value.shape is not None and list(value.shape) == [SCALES_AXIS]]
    for node in (node for scale in scales for node in scale.consumers()):
        for value in node.outputs:
            if value.shape is not None:
                value.shape = ir.Shape([SCALES_AXIS, *list(value.shape)[1:]])
    _name_scaled_batches(graph, scales)


def _name_scaled_batches(graph: ir.Graph, scales: Sequence[ir.Value]) -> None:
    """What a scale of several numbers has multiplied is as many photos, and so is no longer of the batch that it came from:
    runtimes take one name for one size, and would give it the memory of the smaller. The deepest scale comes first. In the
    whole model the head's maps keep the batch's name: they are larger than all that comes before the scales."""
    outputs = set(graph.outputs)
    is_whole = any(value.name == IMAGE for value in graph.inputs)
    reached = {scale: number for number, scale in enumerate(scales, 1)}
    for node in graph:
        numbers = [reached[value] for value in node.inputs if value in reached]
        for value in node.outputs if numbers else ():
            reached[value] = min(numbers)
            if value not in outputs and value.shape is not None and not (is_whole and _is_of_the_head(value.shape)):
                value.shape = ir.Shape([_scaled(dim, min(numbers)) for dim in value.shape])


def _is_of_the_head(shape: ir.Shape) -> bool:
    return not any("fusion_" in str(dim) for dim in shape)


def _scaled(dim: int | ir.SymbolicDim, number: int) -> int | str | None:
    if isinstance(dim, int):
        return dim
    return None if dim.value is None else _BATCH.sub(f"batch_{number}", dim.value)


def module_path(node: ir.Node) -> str:
    """The dotted path of the module that a node was traced in, from what the exporter recorded."""
    scopes = node.metadata_props.get(_SCOPES)
    if scopes is None:
        return ""
    *modules, _operation = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
    return modules[-1] if modules else ""


def _named_path(node: ir.Node) -> str:
    path = module_path(node)
    if path.startswith(_NO_MODULE):
        return _SIZES
    return _MODEL_PREFIX.sub("", path).replace(".", "/")


def _path_of_neighbours(node: ir.Node) -> str:
    producers = (value.producer() for value in node.inputs if value is not None)
    for neighbours in (producers, (user for value in node.outputs for user in value.consumers())):
        paths = [n.name.rpartition("/")[0] for n in neighbours if n is not None and n.name and "/" in n.name]
        if paths:
            return commonpath(paths) or paths[0]
    return ""


def _initializer_name(value: ir.Value) -> str:
    """A module's own parameter keeps its path; a constant gets its user's path and the name of the operand."""
    name = value.name or ""
    if name.startswith(f"{MODEL_ATTRIBUTE}."):
        return _MODEL_PREFIX.sub("", name).replace(".", "/")
    uses = list(value.uses())
    if not uses or name.startswith(f"{SHARED}/"):
        return name
    if value.shape is not None and len(value.shape) == 2:
        for node, index in uses:  # the exporter transposed a linear layer's weight and lost its name
            if node.op_type == "MatMul" and index == 1:
                return _join((node.name or "").rpartition("/")[0], "weight")
    node, index = uses[0]
    path = (node.name or "").rpartition("/")[0]
    if any((user.name or "").rpartition("/")[0] != path for user, _ in uses[1:]):
        return _join(SHARED, _operand(node, index))
    return _join(node.name or "", _operand(node, index))


def _operand(node: ir.Node, index: int) -> str:
    opsets = node.graph.opset_imports if node.graph else {}
    parameters = onnx.defs.get_schema(node.op_type, opsets.get("", DEFAULT_OPSET)).inputs
    return parameters[min(index, len(parameters) - 1)].name


def _join(path: str, leaf: str) -> str:
    return f"{path}/{leaf}" if path else leaf


def _unique(name: str, taken: set[str]) -> str:
    """The name, or the name with the first free number from 2 on."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    return free
