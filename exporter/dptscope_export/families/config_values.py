"""Values out of a config.json, which may hold anything, by the rules of transformers, whose file it is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from dptscope_export.errors import CheckpointError
from dptscope_export.models.reassemble import STAGES


def whole_numbers(value: object, count: int, low: int, high: int) -> tuple[int, ...] | None:
    """A list of so many whole numbers in that range out of a config, or None where it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    fine = all(isinstance(item, int) and not isinstance(item, bool) and low <= item <= high for item in value)
    return tuple(value) if fine else None


def expect(name: str, config: Mapping[str, Any], allowed: Mapping[str, tuple[object, ...]]) -> None:
    """Hold values of a config against those that the models here compute with; one that is not there is the first of them.

    Raises:
        CheckpointError: another value.
    """
    for key, values in allowed.items():
        if key in config and config[key] not in values:
            wanted = " or ".join(str(value) for value in values)
            raise CheckpointError(f"{name}: expected {key} {wanted} in config.json, got {config[key]!r:.80}")


def out_indices(name: str, backbone: Mapping[str, Any], count: int, what: str = "blocks") -> tuple[int, int, int, int]:
    """Which four of its blocks or stages a backbone gives, counted from 1, as BackboneConfigMixin of transformers has it.

    There the embedding counts as 0 and is called "stem", so that block 3 is 3 or "stage3"; negative numbers count from the
    end. Indices or names may be absent; both must say the same, in ascending order.

    Raises:
        CheckpointError: anything else.
    """
    stages = ["stem", *(f"stage{number}" for number in range(1, count + 1))]
    numbers, names = backbone.get("out_indices"), backbone.get("out_features")
    if numbers is None:
        numbers = backbone.get("segmentation_indices")  # what BEiT's configs said before
    by_number = whole_numbers(numbers, len(STAGES), -len(stages), count)
    by_name = None
    if isinstance(names, list) and len(names) == len(STAGES) and all(stage in stages for stage in names):
        by_name = tuple(stages.index(stage) for stage in names)
    found = {tuple(index % len(stages) for index in by_number)} if by_number is not None else set()
    found |= {by_name} if by_name is not None else set()
    one = found.pop() if len(found) == 1 else ()
    unread = (numbers is not None and by_number is None) or (names is not None and by_name is None)
    if unread or not one or one[0] == 0 or any(a >= b for a, b in pairwise(one)):
        raise CheckpointError(
            f"{name}: expected four out_indices of {count} {what}, or their out_features, in ascending order, "
            f"got {numbers!r:.80} and {names!r:.120}"
        )
    first, second, third, fourth = one
    return first, second, third, fourth
