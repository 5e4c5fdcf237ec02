"""How much memory this process can still have, and whether what is asked of a model can fit at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dptscope.errors import SizeError

if TYPE_CHECKING:
    from dptscope.card import ModelCard

_HEAD_WIDTH = 64  # channels an attention head; every published encoder with global attention has that
_FLOAT_BYTES = 4
_GIB = float(1 << 30)
LEAST_ADDRESS_SPACE = 1 << 30
"""Bytes of address space for the command; most of them stay unused."""

_SIGNS = (
    "allocate memory",  # PyTorch, and the system
    "failed to map segment from shared object",  # the loader of libraries
    "Failed to allocate",  # onnxruntime
    "bad_alloc",
    "bad allocation",
    "Failed to serialize proto",  # protobuf, which says no more; sizes that it cannot take are not written
)


def available_bytes(root: Path = Path("/")) -> int | None:
    """Bytes that can still be had: what the system, the container (cgroup v2 or v1) and the process limit leave; None
    where nothing says."""
    found = (_system(root), _container(root / "sys/fs/cgroup", root / "proc/self/cgroup"), _process_limit(root))
    return min((number for number in found if number is not None), default=None)


def check_address_space() -> None:
    """Refuse a limit (``ulimit -v``) under which the libraries may not even load. How they fail then is not ours to catch:
    segmentation faults and aborts have been seen up to 570 MiB with two threads, and each thread takes more.

    Raises:
        SizeError: with what is needed and what the limit is.
    """
    limit = _address_space()
    if limit is not None and limit < LEAST_ADDRESS_SPACE:
        raise SizeError(
            f"expected at least {LEAST_ADDRESS_SPACE >> 20} MiB of address space to load onnxruntime and OpenCV, "
            f"got a limit of {limit >> 20} MiB (ulimit -v)"
        )


def is_for_memory(error: BaseException) -> bool:
    """Whether an error, or what led to it, says that memory was not to be had: each library says it in its own way."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(sign in str(cause) for sign in _SIGNS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def check_room(card: ModelCard, input_hw: tuple[int, int], batch: int = 1) -> None:
    """Refuse an input that cannot fit, before the system ends the process for it.

    Counts only what cannot be avoided: the outputs and, where the attention is global, the weights of one block's attention,
    heads × tokens² numbers. So what passes may still be too much, but nothing that fits is refused.

    Raises:
        SizeError: with what is needed and what is there.
    """
    needed, there = least_bytes(card, input_hw) * batch, available_bytes()
    if there is not None and needed > there:
        height, width = input_hw
        raise SizeError(
            f"{height} × {width} pixels need at least {needed / _GIB:.1f} GiB of memory, got {there / _GIB:.1f} GiB free; "
            "take a smaller --size, or --square for a photo that is long and narrow"
        )


def least_bytes(card: ModelCard, input_hw: tuple[int, int]) -> int:
    """Bytes that a run cannot do without: see :func:`check_room`."""
    height, width = input_hw
    tokens = [(height // block.stride) * (width // block.stride) for block in card.blocks]
    outputs = sum(count * block.channels for count, block in zip(tokens, card.blocks, strict=True)) + height * width
    attention = 0
    if card.has_cls:  # the windows of the others are small
        attention = max(1, card.blocks[0].channels // _HEAD_WIDTH) * tokens[0] ** 2
    return _FLOAT_BYTES * (outputs + attention)


def _system(root: Path) -> int | None:
    """``MemAvailable`` of Linux; other systems swap, and say it when that is full."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return int(found.split()[1]) * 1024 if found is not None else None


def _container(cgroups: Path, own: Path) -> int | None:
    """What the memory limit of the container leaves. Pages of files count as used, and are given back when needed."""
    try:
        mine = {
            parts[1]: parts[2].lstrip("/") for parts in (line.split(":", 2) for line in own.read_text().splitlines())
        }
    except OSError:
        mine = {}
    for folder, limit, usage, pages in (
        (cgroups / mine.get("", ""), "memory.max", "memory.current", "file"),
        (cgroups / "memory" / mine.get("memory", ""), "memory.limit_in_bytes", "memory.usage_in_bytes", "cache"),
        (cgroups, "memory.max", "memory.current", "file"),
        (cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "cache"),
    ):
        try:
            most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        return None if most == "max" else max(0, int(most) - used + int(statistics.get(pages, 0)))
    return None


def _process_limit(root: Path) -> int | None:
    """What ``ulimit -v`` leaves."""
    limit = _address_space()
    if limit is None:
        return None
    try:
        used = int((root / "proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
    return max(0, limit - used)


def _address_space() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit
