"""From the tensor names of a checkpoint layout to the names of our modules, and strict loading through that map."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, first_few

_WEIGHT_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

Combine = Callable[[Sequence[Tensor]], Tensor]


def stack_rows(tensors: Sequence[Tensor]) -> Tensor:
    """One below the other: queries, keys and values that a layout keeps apart."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), dim=0)


@dataclass(frozen=True)
class Source:
    """Where one of our tensors comes from.

    Attributes:
        names: tensors of the checkpoint.
        combine: makes one tensor of them.
    """

    names: tuple[str, ...]
    combine: Combine = stack_rows


@dataclass(frozen=True)
class KeyMap:
    """How one checkpoint layout names what our modules hold.

    Attributes:
        modules: path of one of our modules to the module(s) that the layout keeps it in; covers all its tensors.
        tensors: exceptions and bare parameters: the full name of one of our tensors to its source.
        unused: patterns of tensors that published checkpoints carry and the model does not use; they may be absent.
    """

    modules: Mapping[str, str | tuple[str, ...]]
    tensors: Mapping[str, Source] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def source(self, ours: str) -> Source:
        """Find where the tensor that we call ``ours`` comes from."""
        if ours in self.tensors:
            return self.tensors[ours]
        module, _, leaf = ours.rpartition(".")
        theirs = self.modules[module]
        return Source(tuple(f"{name}.{leaf}" for name in ((theirs,) if isinstance(theirs, str) else theirs)))


def load_strictly(model: nn.Module, checkpoint: Checkpoint, key_map: KeyMap) -> None:
    """Fill a model, built on any device, with a checkpoint's tensors as float32. Float32 tensors are not copied.

    Raises:
        CheckpointError: tensors are missing, unexpected, of another shape or type, or not finite; names the first
            few in the checkpoint's own words and counts the rest.
    """
    expected = model.state_dict()
    sources = {ours: key_map.source(ours) for ours in expected}
    _check_names(checkpoint, key_map, list(dict.fromkeys(name for s in sources.values() for name in s.names)))
    _check_shapes(checkpoint, sources, {ours: tuple(tensor.shape) for ours, tensor in expected.items()})
    _check_types(checkpoint, sources.values())
    state = {
        ours: source.combine([checkpoint.tensors[name] for name in source.names]).to(torch.float32)
        for ours, source in sources.items()
    }
    valued = {ours: tensor for ours, tensor in state.items() if not tensor.is_meta}  # those have shapes only
    bad = [" + ".join(sources[ours].names) for ours, tensor in valued.items() if not _is_finite(tensor)]
    if bad:
        raise CheckpointError(f"{checkpoint.name}: {len(bad)} tensors hold NaN or infinity: {first_few(bad)}")
    model.load_state_dict(state, assign=True)


def _is_finite(tensor: Tensor) -> bool:
    """Whether no number is NaN or infinite. Both show in the smallest or the largest, found in less than half the time of
    a look at each."""
    return all(math.isfinite(end) for end in torch.aminmax(tensor))


def _check_types(checkpoint: Checkpoint, sources: Iterable[Source]) -> None:
    """Whole numbers would be taken for weights without a word."""
    wrong = [
        f"{name} ({str(checkpoint.tensors[name].dtype).removeprefix('torch.')})"
        for source in sources
        for name in source.names
        if checkpoint.tensors[name].dtype not in _WEIGHT_TYPES
    ]
    if wrong:
        raise CheckpointError(
            f"{checkpoint.name}: expected weights of 16, 32 or 64-bit floating point, got {len(wrong)} others: "
            f"{first_few(wrong)}"
        )


def _check_names(checkpoint: Checkpoint, key_map: KeyMap, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in checkpoint.tensors]
    if missing:
        raise CheckpointError(
            f"{checkpoint.name}: {len(missing)} of {len(needed)} expected tensors are missing: {first_few(missing)}"
        )
    unused = re.compile("|".join(key_map.unused) or r"(?!)")
    known = set(needed)
    unexpected = [name for name in checkpoint.tensors if name not in known and not unused.fullmatch(name)]
    if unexpected:
        raise CheckpointError(f"{checkpoint.name}: {len(unexpected)} unexpected tensors: {first_few(unexpected)}")


def _check_shapes(
    checkpoint: Checkpoint, sources: Mapping[str, Source], expected: Mapping[str, tuple[int, ...]]
) -> None:
    wrong = []
    for ours, source in sources.items():
        tensors = [checkpoint.tensors[name].to("meta") for name in source.names]
        got: object
        try:
            got = tuple(source.combine(tensors).shape)
        except (RuntimeError, IndexError):  # parts that do not fit together, or lack an axis
            got = " + ".join(str(tuple(tensor.shape)) for tensor in tensors)
        if got != expected[ours]:
            wrong.append(f"{' + '.join(source.names)} (expected {expected[ours]}, got {got})")
    if wrong:
        raise CheckpointError(f"{checkpoint.name}: {len(wrong)} tensors of another shape: {first_few(wrong)}")
