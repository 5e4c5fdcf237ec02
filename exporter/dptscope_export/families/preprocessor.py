"""What a Hugging Face ``preprocessor_config.json`` says about the photo's colours, by the rules of transformers.

A model that was trained on other means and deviations than the published ones gives another depth with those: half of its
range away. So they are kept, in the card, where they differ. The size that the file says is not: how large a photo is made is
the original project's rule, and ``--size`` is there for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isclose
from typing import Any

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families.base import ExportPlan

_Three = tuple[float, float, float]
_BYTE = 255  # what values of a photo are divided by, before mean and deviation


def with_preprocessor(plan: ExportPlan, checkpoint: Checkpoint) -> ExportPlan:
    """Put what the folder's preprocessor says in place of the published mean and deviation, with a note where it differs.

    Raises:
        CheckpointError: it says something that no photo can be prepared with.
    """
    said = checkpoint.preprocessor
    if said is None:
        return plan
    normalises, rescales = said.get("do_normalize", True) is not False, said.get("do_rescale", True) is not False
    mean = _three(checkpoint.name, said, "image_mean") if normalises else (0.0, 0.0, 0.0)
    std = _three(checkpoint.name, said, "image_std") if normalises else (1.0, 1.0, 1.0)
    factor = _number(said.get("rescale_factor", 1 / _BYTE)) if rescales else 1.0
    if factor is None or factor <= 0 or min(std) <= 0:
        raise CheckpointError(
            f"{checkpoint.name}: expected a rescale_factor and image_std above zero in preprocessor_config.json, "
            f"got {said.get('rescale_factor')!r:.80} and {std}"
        )
    # (value * factor - mean) / std is (value / 255 - mean / k) / (std / k)
    k = factor * _BYTE
    mean, std = (mean[0] / k, mean[1] / k, mean[2] / k), (std[0] / k, std[1] / k, std[2] / k)
    published = plan.preparation
    pairs = zip((*mean, *std), (*published.mean, *published.std), strict=True)
    if all(isclose(ours, theirs, rel_tol=1e-4) for ours, theirs in pairs):
        return plan
    note = (
        f"preprocessor_config.json says mean {_listed(mean)} and std {_listed(std)}, not {_listed(published.mean)} and "
        f"{_listed(published.std)} as published: photos are prepared as it says"
    )
    return replace(plan, preparation=replace(published, mean=mean, std=std), notes=(*plan.notes, note))


def _three(name: str, said: Mapping[str, Any], key: str) -> _Three:
    """Three numbers, or one for all. Where there are none, DPT's image processor takes a half."""
    value = said.get(key)
    kind = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "DPT")
    if value is None and kind.startswith("DPT"):
        value = 0.5
    values = value if isinstance(value, list) else [value] * 3
    numbers = [number for number in map(_number, values) if number is not None]
    if len(values) != 3 or len(numbers) != 3:
        raise CheckpointError(
            f"{name}: expected {key} with three numbers in preprocessor_config.json, got {said.get(key)!r:.80}"
        )
    return numbers[0], numbers[1], numbers[2]


def _number(value: object) -> float | None:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool) and -1e4 < value < 1e4  # NaN neither
    return float(value) if fine else None  # type: ignore[arg-type]


def _listed(values: _Three) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
