"""Small tensors that are made once: copying them to a device anew would make every step wait for it."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor


@cache
def constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """A float32 tensor of these (nested) values on the device."""
    return torch.tensor(values, dtype=torch.float32, device=device)
