"""Whether a graph's inputs and outputs are those of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from dptscope.contract import TensorSpec
from dptscope.errors import ModelFileError

_FLOAT32 = "tensor(float)"


class Node(Protocol):
    """What onnxruntime says about an input or output."""

    name: str
    type: str
    shape: Sequence[int | str | None]


def check_inputs(path: Path, inputs: Iterable[Node], specs: Sequence[TensorSpec]) -> None:
    """Check the inputs that must be given: exactly these.

    Raises:
        ModelFileError: one is missing, too many, or of another type or shape.
    """
    found = {node.name: node for node in inputs}
    known = {spec.name for spec in specs}
    strange = [name for name in found if name not in known]
    if strange:
        raise ModelFileError(f"{path}: expected the inputs {', '.join(sorted(known))}, got {strange[0][:80]!r} too")
    _check(path, "input", found, specs)


def check_outputs(path: Path, outputs: Iterable[Node], specs: Sequence[TensorSpec]) -> None:
    """Check the outputs: at least these.

    Raises:
        ModelFileError: one is missing, or of another type or shape.
    """
    _check(path, "output", {node.name: node for node in outputs}, specs)


def _check(path: Path, what: str, found: dict[str, Node], specs: Sequence[TensorSpec]) -> None:
    for spec in specs:
        node = found.get(spec.name)
        if node is None:
            raise ModelFileError(f"{path}: expected the {what} {spec.name}, which is not there; export it again")
        axes = list(node.shape or ())
        if node.type != _FLOAT32 or not _fits(axes, spec.axes):
            expected, got = " × ".join(map(str, spec.axes)), " × ".join(map(str, axes)) or "no axes"
            raise ModelFileError(
                f"{path}: expected the {what} {spec.name} as {_FLOAT32} of {expected}, got {node.type} of {got[:200]}"
            )


def _fits(got: Sequence[int | str | None], expected: Sequence[int | str]) -> bool:
    """Numbers must be the same; an axis with a name may be a number in a file for one size."""
    return len(got) == len(expected) and all(
        axis == wanted or (isinstance(wanted, str) and isinstance(axis, int) and axis > 0)
        for axis, wanted in zip(got, expected, strict=True)
    )
