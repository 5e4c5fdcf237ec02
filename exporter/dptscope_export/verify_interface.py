"""Names, axes and types of an exported file's inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

from dptscope.contract import TensorSpec
from dptscope.session import Session
from dptscope_export.errors import VerificationError


def check_interface(
    session: Session,
    inputs: Sequence[TensorSpec],
    optional: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    dynamic: bool,
) -> None:
    """Compare them with what the contract says.

    Args:
        session: of the file.
        inputs: that must be fed.
        optional: inputs that have a default.
        outputs: as the two before.
        dynamic: whether the file takes any size.

    Raises:
        VerificationError: with the first that differs.
    """
    groups = (
        ("inputs", session.inputs, inputs),
        ("optional inputs", session.optional_inputs, optional),
        ("outputs", session.outputs, outputs),
    )
    for what, nodes, specs in groups:
        got = {node.name: node for node in nodes}
        expected = {spec.name: spec for spec in specs}
        if set(got) != set(expected):
            raise VerificationError(f"expected the {what} {sorted(expected)}, got {sorted(got)}")
        for name, spec in expected.items():
            _check_axes(name, got[name].shape, spec, dynamic)
            if got[name].type != f"tensor({spec.element})":
                raise VerificationError(f"expected {spec.element} in {name}, got {got[name].type}")


def _check_axes(name: str, axes: Sequence[int | str | None], spec: TensorSpec, dynamic: bool) -> None:
    """Named axes must carry the contract's names; in a graph for one size, all but the batch may be numbers."""
    fits = len(axes) == len(spec.axes) and all(
        got == want or (isinstance(want, str) and not dynamic and isinstance(got, int))
        for got, want in zip(axes, spec.axes, strict=True)
    )
    if not fits:
        raise VerificationError(f"expected {name} with axes {spec.axes}, got {tuple(axes)}")
