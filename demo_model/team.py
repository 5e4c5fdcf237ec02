"""A few processes that train one model together.

One thread in each of two processes, which meet once a step, keeps two cores busier than two threads of one process when
other programs run on them too: threads meet at every operation, and each time the faster one waits for the slower.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class Team:
    """Where a process stands: ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share_gradients(self, model: nn.Module) -> None:
        """Replace each process's gradients by their mean, so that all take the same step."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat_n = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat_n)
        flat_n /= self.size
        parts = flat_n.split([gradient.numel() for gradient in gradients])
        for gradient, part_n in zip(gradients, parts, strict=True):
            gradient.copy_(part_n.view_as(gradient))


def _leave_with(parent: int) -> None:
    """End this process once its parent is gone, so that stopping a run stops all of it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _member(rank: int, size: int, meeting_point: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    dist.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=size)
    try:
        work(Team(rank, size), *arguments)
    finally:
        dist.destroy_process_group()


def run_team(work: Callable[..., None], size: int, *arguments: Any) -> None:
    """Call ``work(team, *arguments)`` in ``size`` processes, or here when it is one."""
    if size == 1:
        work(Team(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = str(Path(folder) / "meet")
        torch.multiprocessing.spawn(_member, (size, meeting_point, work, arguments), nprocs=size)
