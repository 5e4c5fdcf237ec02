"""What this process may use: CPUs and memory, as the system, its control groups and its own limits allow.

Control groups (containers, systemd's slices) are read in one way for both: from the own group to the root, versions 2 and 1,
and the smallest limit counts. A file that is not there, or that says something else than a limit, is none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dptscope.errors import SizeError

if TYPE_CHECKING:
    from dptscope.card import ModelCard

_FLOAT_BYTES = 4
_GIB = float(1 << 30)
_NOT_ASKED = 32 << 20  # bytes: who cannot get these will not get far, and asking reads dozens of files

_OUT_OF_MEMORY_MESSAGES = (
    "allocate memory",  # PyTorch, and the system
    "failed to map segment from shared object",  # the loader of libraries
    "Failed to allocate",  # onnxruntime
    "bad_alloc",
    "bad allocation",
    "Failed to serialize proto",  # protobuf, which says no more; sizes that it cannot take are not written
)


def available_cpus(root: Path = Path("/")) -> int:
    """CPUs that this process may use, one or more: its affinity, cut to the quota of its control groups."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(root, "cpu") if (quota := _cpu_quota(group)) is not None]
    return max(1, min([cpus, *(math.ceil(quota) for quota in quotas)]))


def available_bytes(root: Path = Path("/")) -> int | None:
    """Bytes of memory that can still be had; None where nothing says."""
    found = [_system(root), _process_limit(root), *(_memory_left(group) for group in _groups(root, "memory"))]
    return min((number for number in found if number is not None), default=None)


def is_for_memory(error: BaseException) -> bool:
    """Tell whether an error, or what led to it, says that memory was not to be had: each library says it in its own way."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(message in str(cause) for message in _OUT_OF_MEMORY_MESSAGES):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def check_memory(
    card: ModelCard,
    input_hw: tuple[int, int],
    batch: int = 1,
    way_out: Callable[[int], str] = lambda _bytes: "take a smaller one",
) -> None:
    """Refuse an input that cannot fit, before the system ends the process for it.

    What passes may still be too much, but nothing that fits is refused: see :func:`least_bytes`.

    Args:
        card: the model's card.
        input_hw: height and width of the input.
        batch: how many of them.
        way_out: says what to do, told how many bytes there are.

    Raises:
        SizeError: with what is needed, what is there, and what to do.
    """
    needed = least_bytes(card, input_hw) * batch
    there = available_bytes() if needed > _NOT_ASKED else None
    if there is not None and needed > there:
        height, width = input_hw
        raise SizeError(
            f"{height} × {width} pixels need at least {needed / _GIB:.1f} GiB of memory, got {there / _GIB:.1f} GiB free; "
            f"{way_out(there)}"
        )


def least_bytes(card: ModelCard, input_hw: tuple[int, int]) -> int:
    """Bytes that a run cannot do without: its outputs, and the attention matrices that the graph holds at once, as far as the
    card says how many."""
    height, width = input_hw
    tokens = [(height // block.stride) * (width // block.stride) for block in card.blocks]
    outputs = sum(count * block.channels for count, block in zip(tokens, card.blocks, strict=True)) + height * width
    attention = (card.attention_matrices or 0) * max(tokens) ** 2
    return _FLOAT_BYTES * (outputs + attention)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control groups, each from its own to the root of what is mounted. In a container the path may
    be the host's, of which only the root is there."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/", f"1:{controller}:/"]
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, own = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        parts = [part for part in own.split("/") if part not in ("", "..")]
        for mount in (mounts / controllers, mounts / controller) if controllers else (mounts, mounts / "unified"):
            for depth in range(len(parts), -1, -1):
                yield mount.joinpath(*parts[:depth])


def _cpu_quota(group: Path) -> float | None:
    """CPUs' worth of time a period that a control group allows."""
    words = _read(group / "cpu.max").split() or [
        *_read(group / "cpu.cfs_quota_us").split(),
        *_read(group / "cpu.cfs_period_us").split(),
    ]
    numbers = [int(word) for word in words if word.isdecimal()]  # "max" and -1 are no limit
    return numbers[0] / numbers[1] if len(numbers) == 2 and numbers[1] else None


def _memory_left(group: Path) -> int | None:
    """Read what a control group's limit leaves. Pages of files count as used, and are given back when needed."""
    for limit, usage, pages in (
        ("memory.max", "memory.current", "file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "cache"),
    ):
        most, used = _read(group / limit), _read(group / usage)
        if most.isdecimal() and used.isdecimal():
            counted = dict(line.split() for line in _read(group / "memory.stat").splitlines() if line.count(" ") == 1)
            freed = counted.get(pages, "")
            return max(0, int(most) - int(used) + (int(freed) if freed.isdecimal() else 0))
    return None


def _read(path: Path) -> str:
    """A file's text; none where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _system(root: Path) -> int | None:
    """``MemAvailable`` of Linux; other systems swap, and say it when that is full."""
    found = next((line for line in _read(root / "proc/meminfo").splitlines() if line.startswith("MemAvailable:")), None)
    return int(found.split()[1]) * 1024 if found is not None else None


def _process_limit(root: Path) -> int | None:
    """Read what ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _read(root / "proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not used:
        return None
    return max(0, limit - int(used[0]) * os.sysconf("SC_PAGE_SIZE"))
