"""Models that are published in two files: DINOv2's depthers, as a backbone and the head that was trained on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dptscope_export.checkpoints.contents import Contents
from dptscope_export.errors import CheckpointError

_HEAD = re.compile(r"(dinov2_vit[sblg]14)_(?:nyu|kitti)_dpt_head\.pth")
_IN_HEAD = "state_dict."  # beside it the file keeps Adam's moments, twice as large
_ENCODER = "backbone."


def other_half(head: Path) -> Path | None:
    """The backbone's file that lies beside a head's, or None for any other file.

    Raises:
        CheckpointError: it is not there.
    """
    match = _HEAD.fullmatch(head.name)
    if match is None:
        return None
    backbone = head.with_name(f"{match[1]}_pretrain.pth")
    if not backbone.is_file():
        raise CheckpointError(f"{head}: expected {backbone.name} beside it: this file holds the head alone")
    return backbone


def one_of_two_halves(names: Sequence[str]) -> list[str]:
    """The head's name alone, where a folder holds it and its backbone and nothing else; else all names."""
    heads = [match for match in map(_HEAD.fullmatch, names) if match is not None]
    pair = len(names) == 2 and len(heads) == 1 and f"{heads[0][1]}_pretrain.pth" in names
    return [heads[0].string] if pair else list(names)


def join(backbone: Contents, head: Contents) -> Contents:
    """The tensors of both, under the names that they have in a file of both."""
    tensors = {_ENCODER + name: tensor for name, tensor in backbone.tensors.items()}
    tensors |= {
        name.removeprefix(_IN_HEAD): tensor for name, tensor in head.tensors.items() if name.startswith(_IN_HEAD)
    }
    return Contents(tensors)
