"""Which nodes of a graph belong together: those of one transformer block or bottleneck, one reassembly, one fusion
block."""

from __future__ import annotations

import re
from dataclasses import dataclass

import onnx_ir as ir

_LAYOUT = frozenset(("Slice", "Gather", "Reshape", "Squeeze", "Unsqueeze", "Concat"))


@dataclass(frozen=True)
class Kind:
    """One kind of group.

    Attributes:
        pattern: matches the beginning of the node names that belong together; what it matches names the group.
        function: name of the function.
        meaning: for people.
    """

    pattern: str
    function: str
    meaning: str


BLOCK = Kind(
    r"encoder/(?:stage_\d+/)?block_\d+",
    "TransformerBlock",
    "Attention and MLP, each on the residual stream; beside the stream, its patch tokens as a grid and its class token.",
)
EMBEDDING = Kind(
    r"encoder(?=/)", "Embedding", "The image, or a map, cut into patches, each made a token, with its position added."
)
KINDS = (
    BLOCK,
    Kind(r"encoder/merge_\d+", "MergePatches", "Four neighbouring tokens become one, with twice the channels."),
    Kind(
        r"encoder/relative_positions",
        "RelativePositions",
        "Where the tokens of this size lie in the tables of positions.",
    ),
    Kind(r"encoder/rotary_positions", "RotaryPositions", "How far queries and keys turn at each place of this size."),
    Kind(r"encoder/camera_token", "CameraToken", "A token for the camera takes the class token's place."),
    EMBEDDING,
    Kind(r"resnet/stem", "Stem", "The image at a quarter of its size: a wide convolution and a maximum."),
    Kind(r"resnet/stage_\d+/block_\d+", "Bottleneck", "Three convolutions, each normalised, around a shortcut."),
    Kind(
        r"reassemble/(?:stage|readout)_(\d+)",
        "Reassemble",
        "Tokens of one block, or a map, as a map for one fusion block.",
    ),
    Kind(r"fusion/skip_\d+", "FusionInput", "First residual unit of a fusion block: no scale can change it."),
    Kind(
        r"fusion/spread_4",
        "Spread",
        "A map of half a grid's size at the size of the grid: each value in two rows and columns.",
    ),
    Kind(r"fusion/block_\d+", "FusionBlock", "Adds the scaled map from below, refines it and doubles its size."),
    Kind(r"head(?=/)", "Head", "The finest fused map to depth at the image's size."),
)


Label = tuple[str, Kind]  # name and kind of the group that a node is in


def find_groups(graph: ir.Graph) -> dict[str, tuple[Kind, list[ir.Node]]]:
    """Kind and nodes of each group, by its name, in the graph's order. No group feeds itself through nodes outside it."""
    labels: dict[ir.Node, Label] = {}
    left: dict[ir.Node, set[str]] = {}  # groups that something on the way to a node has left again
    for node in graph:
        producers = {producer for value in node.inputs if value is not None and (producer := value.producer())}
        for label in (_label(node), _only_label(node, producers, labels)):
            left[node] = _left(producers, labels, left, label)
            if label is not None and label[0] not in left[node]:  # else the group would feed itself from outside
                labels[node] = label
                break
        else:
            left[node] = _left(producers, labels, left, None)
    for node in reversed(graph):  # what is left over goes to the one group that it serves
        users = [user for value in node.outputs for user in value.consumers()]
        served = {labels.get(user) for user in users}
        if node not in labels and len(served) == 1 and not any(value.is_graph_output() for value in node.outputs):
            (label,) = served
            if label is not None and _same_room(node, label[0]):
                labels[node] = label
    groups: dict[str, tuple[Kind, list[ir.Node]]] = {}
    for node in graph:
        if node in labels:
            name, kind = labels[node]
            groups.setdefault(name, (kind, []))[1].append(node)
    return groups


def _left(
    producers: set[ir.Node], labels: dict[ir.Node, Label], left: dict[ir.Node, set[str]], label: Label | None
) -> set[str]:
    """Names of the groups that are no more once this node, in the group of ``label``, is reached."""
    return {
        name for p in producers for name in left[p] | ({labels[p][0]} if p in labels and labels[p] != label else set())
    }


def _only_label(node: ir.Node, producers: set[ir.Node], labels: dict[ir.Node, Label]) -> Label | None:
    """The label that all of a node's inputs share, but for sizes: what only takes on from a group belongs to it."""
    flows = [p for p in producers if any(value.dtype != ir.DataType.INT64 for value in p.outputs)]
    found = {labels.get(p) for p in flows or producers if not (p.name or "").startswith("sizes/")}
    label = found.pop() if len(found) == 1 else None
    return label if label is not None and (node.op_type in _LAYOUT or _same_room(node, label[0])) else None


def _label(node: ir.Node) -> Label | None:
    for kind in KINDS:
        match = re.match(kind.pattern, node.name or "")
        if match:
            return _group_name(match, kind), kind
    return None


def _group_name(match: re.Match[str], kind: Kind) -> str:
    if match.groups():
        return f"reassemble/stage_{match.group(1)}"  # a readout belongs to its stage
    return f"{match.group()}/embedding" if kind is EMBEDDING else match.group()


def _same_room(node: ir.Node, group: str) -> bool:
    return (node.name or "").split("/")[0] == group.split("/")[0]
