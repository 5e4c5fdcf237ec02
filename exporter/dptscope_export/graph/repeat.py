"""One transformer block traced for all that are alike.

Blocks of an encoder are one program with other weights, and following a program through torch's exporter is what an export
spends its time on. So the first block is traced; each later one that is built alike and called alike becomes one node
(:func:`traced_once`), in whose place the nodes of the first are put again, with the later one's weights (:func:`repeat`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.tensor_adapters import TorchTensor
from torch import Tensor, nn

from dptscope_export.errors import ExportError
from dptscope_export.graph.naming import module_path

_BLOCK_PATH = re.compile(r".*?\bblock_\d\d(?!\d)")  # fusion blocks have one digit
_DOMAIN = "dptscope.trace"
_OPERATOR = "Repeat"


@dataclass(frozen=True)
class _Call:
    """The traced call of a block: its module's path, the tokens that it was given, and those that it gave."""

    path: str
    tokens: Tensor
    result: Tensor
    others: tuple[Any, ...]  # kept, so that no other object gets the identity of one


@contextmanager
def traced_once(root: nn.Module) -> Iterator[None]:
    """Let each block below ``root`` that equals an earlier one become a node that stands for it."""
    blocks = {
        path: module for path, module in root.named_modules() if _BLOCK_PATH.fullmatch(path) and not _is_hooked(module)
    }
    calls: dict[Hashable, _Call] = {}
    for path, module in blocks.items():
        module.forward = _standing_in(path, module, calls)
    try:
        yield
    finally:
        for module in blocks.values():
            del module.forward


def _standing_in(path: str, module: nn.Module, calls: dict[Hashable, _Call]) -> Callable[..., Any]:
    forward, program = module.forward, built(module)

    def call(tokens: Tensor, *others: Any) -> Any:
        key = (program, _shape(tokens), *map(id, others))
        first = calls.get(key)
        if first is None:
            result = forward(tokens, *others)
            if isinstance(result, Tensor) and _shape(result) == _shape(tokens):
                calls[key] = _Call(path, tokens, result, others)
            return result
        return torch.onnx.ops.symbolic(
            f"{_DOMAIN}::{_OPERATOR}",
            (tokens, first.tokens, first.result),
            {"of": first.path, "path": path},
            dtype=tokens.dtype,
            shape=tokens.shape,
            version=1,
        )

    return call


def _is_hooked(module: nn.Module) -> bool:
    """Whether something else than the modules has a say in what they compute, such as registers that are added."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))  # comparing symbolic sizes would bind the trace to what it finds


def built(module: nn.Module) -> Hashable:
    """All that tells one module's program from another's: kinds of parts, their settings, and shapes of weights."""

    def settings(part: nn.Module) -> str:
        return repr(sorted((name, value) for name, value in vars(part).items() if not name.startswith("_")))

    def shapes(part: nn.Module) -> tuple[tuple[str, tuple[int, ...]], ...]:
        tensors = (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
        return tuple((name, tuple(tensor.shape)) for name, tensor in tensors)

    return tuple((path, type(part), settings(part), shapes(part)) for path, part in module.named_modules())


def repeat(model: ir.Model, root: nn.Module) -> None:
    """Put the nodes of the first block in the place of every node that stands for it.

    Args:
        model: what became of ``root``.
        root: the module that was traced: the exporter leaves out weights that nothing reads.

    Raises:
        ExportError: a block is not what :func:`traced_once` takes it for.
    """
    graph = model.graph
    stand_ins = [node for node in graph if node.domain == _DOMAIN]
    firsts = {_attribute(node, "of") for node in stand_ins}
    blocks: dict[str, list[ir.Node]] = {path: [] for path in firsts}
    for node in graph:
        owner = _BLOCK_PATH.match(module_path(node))
        if owner and owner[0] in blocks and node.domain != _DOMAIN:
            blocks[owner[0]].append(node)
    for node in stand_ins:
        _replace(graph, node, blocks[_attribute(node, "of")], root.state_dict())
    model.opset_imports.pop(_DOMAIN, None)


def _replace(graph: ir.Graph, stand_in: ir.Node, block: list[ir.Node], weights: Mapping[str, Tensor]) -> None:
    of, path = _attribute(stand_in, "of"), _attribute(stand_in, "path")
    tokens, first_tokens, first_result = stand_in.inputs
    values: dict[ir.Value | None, ir.Value | None] = {first_tokens: tokens}
    for name, value in list(graph.initializers.items()):
        if name.startswith(f"{of}."):
            own = path + name.removeprefix(of)
            values[value] = counterpart = _like(value, own, TorchTensor(weights[own], own))
            graph.register_initializer(counterpart)
    copies = []
    for node in block:
        copy = ir.Node(
            node.domain,
            node.op_type,
            [values.get(value, value) for value in node.inputs],
            node.attributes.values(),
            overload=node.overload,
            outputs=[_like(value, f"{value.name}_of_{path}") for value in node.outputs],
            version=node.version,
            name=f"{path}/{node.name}",
            metadata_props={key: text.replace(of, path) for key, text in node.metadata_props.items()},
        )
        values.update(zip(node.outputs, copy.outputs, strict=True))
        copies.append(copy)
    result = values.get(first_result)
    if result is None or stand_in.outputs[0].is_graph_output():
        raise ExportError(f"expected the tokens that leave {of} among what its own nodes give, got {first_result}")
    graph.insert_before(stand_in, copies)
    ir.convenience.replace_all_uses_with(stand_in.outputs[0], result)
    graph.remove(stand_in, safe=True)


def _like(value: ir.Value, name: str, tensor: ir.TensorProtocol | None = None) -> ir.Value:
    shape = None if value.shape is None else ir.Shape(value.shape)
    props = dict(value.metadata_props)
    return ir.Value(name=name, shape=shape, type=value.type, const_value=tensor, metadata_props=props)


def _attribute(node: ir.Node, name: str) -> str:
    return node.attributes[name].as_string()
