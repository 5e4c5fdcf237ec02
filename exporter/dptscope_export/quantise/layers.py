"""What of a graph can be computed in int8, by the names of its nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from dptscope import contract
from dptscope.errors import DptscopeError
from dptscope_export.graph.constants import SHARED

QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"})
"""Operators of a graph that computes in int8 already, or that a tool for it has written."""

# Tables of positions are products with a constant, too, and no layers: BEiT's and Swin V2's biases, DINOv2's embedding. What
# a readout makes of the class token is one row, that all patches are moved by.
_NO_LAYER = re.compile(r"/(position|relative_positions|relative_bias|position_bias|from_cls)/")
_READS_OUTLIERS = re.compile(r"/mlp/(fc2|w3)/|/readout_\d/")
# With this one in int8, which makes the tokens, their norms differ three times as much, for 1 % of the arithmetic.
_MAKES_TOKENS = "encoder/patch_embed/Conv"
_WINOGRAD = f"{SHARED}/winograd_kernel"


@dataclass(frozen=True)
class Layers:
    """Names of nodes.

    Attributes:
        linear: products of tokens with a weight.
        exposed: those of them that read what no normalisation has passed, where a few tokens may be hundreds of times as
            large as the others: those that end a block's MLP, after the activation, and readouts, of tokens as they leave
            a block.
        convolutions: those with a constant kernel, but for those that make the tokens and the maps that the model gives.
        scaled: those of the convolutions that read what fusion scales change.
        winograd: how many convolutions are there in another shape, which cannot be quantised.
    """

    linear: tuple[str, ...]
    exposed: tuple[str, ...]
    convolutions: tuple[str, ...]
    scaled: tuple[str, ...]
    winograd: int


def find_layers(model: onnx.ModelProto, source: str) -> Layers:
    """Look for them.

    Args:
        model: one of a model's graphs.
        source: name of the file, for the message.

    Raises:
        DptscopeError: it is quantised already, or its weights are float16, whatever made them so.
    """
    constants = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    done = next((node.op_type for node in _nodes(model) if node.op_type in QUANTISED), None)
    if done is not None:
        raise DptscopeError(
            f"{source}: expected a file that computes in float32, got one with {done}: quantised already"
        )
    if any(weight.data_type == onnx.TensorProto.FLOAT16 for weight in model.graph.initializer):
        raise DptscopeError(
            f"{source}: expected weights in float32, got float16; take the float32 file that it was made of"
        )
    linear = tuple(
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and constants.get(node.input[1]) == 2 and not _NO_LAYER.search(node.name)
    )
    float_ones = {_MAKES_TOKENS} | _last_convolutions(model.graph)
    convolutions = tuple(
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and node.name not in float_ones and node.input[1] in constants and _is_layer(node)
    )
    changed = _after_scales(model.graph)
    return Layers(
        linear=linear,
        exposed=tuple(name for name in linear if _READS_OUTLIERS.search(name)),
        convolutions=convolutions,
        scaled=tuple(name for name in convolutions if name in changed),
        winograd=sum(node.op_type == "Einsum" and _WINOGRAD in node.input for node in model.graph.node),
    )


def _is_layer(node: onnx.NodeProto) -> bool:
    """Not the cutting of a map into windows, which is a convolution with a constant of the algorithm."""
    return not node.input[1].startswith(f"{SHARED}/")


def _last_convolutions(graph: onnx.GraphProto) -> set[str]:
    """Names of those that no other comes after: they give a channel of depth, sky or confidence, in which every step of its
    8 bits would be seen."""
    read_on: set[str] = set()
    last = set()
    for node in reversed(graph.node):  # from the end
        leads_on = not read_on.isdisjoint(node.output)
        if node.op_type == "Conv" and not leads_on:
            last.add(node.name)
        if node.op_type == "Conv" or leads_on:
            read_on.update(node.input)
    return last


def _after_scales(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that read what a fusion scale changes, directly or not."""
    values = {contract.fusion_scale_name(k) for k in contract.FUSION_BLOCKS}
    nodes = set()
    for node in graph.node:  # in an order in which they can run
        if values & set(node.input):
            nodes.add(node.name)
            values.update(node.output)
    return nodes


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from model.graph.node
    for function in model.functions:
        yield from function.node
