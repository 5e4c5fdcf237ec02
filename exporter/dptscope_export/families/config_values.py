"""Values out of a config.json, which may hold anything."""

from __future__ import annotations


def whole_numbers(value: object, count: int, low: int, high: int) -> tuple[int, ...] | None:
    """A list of so many whole numbers in that range out of a config, or None where it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    fine = all(isinstance(item, int) and not isinstance(item, bool) and low <= item <= high for item in value)
    return tuple(value) if fine else None
