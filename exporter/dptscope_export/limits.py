"""Check free memory and disk space before an export starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from dptscope.errors import DptscopeError
from dptscope.process.limits import available_bytes

_MIB = float(1 << 20)
_FLOAT_BYTES = 4

# What an export takes beyond what the imported libraries have taken. A ViT-S (95 MiB of weights) works in a container of
# 850 MiB and not in one of 750; these let it begin where there are about 680.
_LEAST_BYTES = 150 << 20
_LEAST_COPIES = 2.5  # of the weights: PyTorch's, the graph's, onnxruntime's; less than three where files are mapped


def check_memory_and_disk(parameters: int, target: Path) -> None:
    """Refuse an export that cannot fit. What passes may still be too much, but nothing that fits is refused.

    Args:
        parameters: numbers in the model.
        target: the model to write.

    Raises:
        DptscopeError: with what is needed and what is there.
    """
    weights = _FLOAT_BYTES * parameters
    needed, there = _LEAST_BYTES + round(_LEAST_COPIES * weights), available_bytes()
    if there is not None and needed > there:
        raise DptscopeError(
            f"an export of {parameters / 1e6:.0f} million parameters needs at least {needed / _MIB:.0f} MiB of memory, "
            f"got {there / _MIB:.0f} MiB free"
        )
    free = shutil.disk_usage(target.parent).free
    if weights > free:
        raise DptscopeError(
            f"{target}: cannot be written (it needs {weights / _MIB:.1f} MiB, and {free / _MIB:.1f} MiB of the disk are free)"
        )
