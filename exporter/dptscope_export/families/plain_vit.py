"""What the families with a plain vision transformer read off a checkpoint alike: grid, taps, sizes and readouts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from dptscope_export.checkpoints.key_map import Source
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families.base import ExportOptions, Sizes
from dptscope_export.families.sizes import plan_sizes

TRIAL_GRIDS = ((2, 2), (7, 9), (12, 4), (3, 13))  # small, odd, tall, wide
TRACED_GRID = (5, 8)
QUARTERS = (1, 2, 3, 4)


def native_grid(checkpoint: Checkpoint, positions: str) -> int:
    """Patches a side of the square grid that positions were learned for, of a tensor ``[1, 1 + grid², channels]``.

    Raises:
        CheckpointError: it is of another shape.
    """
    shape = checkpoint.shape(positions)
    grid = math.isqrt(max(shape[1] - 1, 0)) if len(shape) == 3 else 0
    if grid < 1 or 1 + grid * grid != shape[1]:
        raise CheckpointError(f"{checkpoint.name}: expected positions of a class token and a square grid, got {shape}")
    return grid


def last_of_each_quarter(checkpoint: Checkpoint, blocks: int) -> tuple[int, int, int, int]:
    """The blocks that feed the fusion where nothing says otherwise.

    Raises:
        CheckpointError: there are fewer than four blocks.
    """
    if blocks < len(QUARTERS):
        raise CheckpointError(f"{checkpoint.name}: expected at least four transformer blocks, got {blocks}")
    first, second, third, fourth = (blocks * quarter // 4 - 1 for quarter in QUARTERS)
    return first, second, third, fourth


def plan_any_size(options: ExportOptions, native_side: int, patch: int) -> Sizes:
    """Sizes of a model that takes any number of patches, and photos of ``native_side`` pixels by nature."""
    return plan_sizes(
        options,
        native=(native_side, native_side),
        multiple=patch,
        dynamic=options.fixed is None,
        traced_grid=TRACED_GRID,
        trial_grids=TRIAL_GRIDS,
    )


def readout_sources(stage: int, layer: str) -> dict[str, Source]:
    """Where both halves of a stage's readout are: side by side in one layer of the checkpoint."""
    ours = f"reassemble.readout_{stage}"
    return {
        f"{ours}.from_patch.weight": Source((f"{layer}.weight",), _first_columns),
        f"{ours}.from_cls.weight": Source((f"{layer}.weight",), _last_columns),
        f"{ours}.from_cls.bias": Source((f"{layer}.bias",)),
    }


def _first_columns(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0].chunk(2, dim=1)[0]


def _last_columns(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0].chunk(2, dim=1)[-1]
