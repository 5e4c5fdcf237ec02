"""What a model weighs: parameters, and the arithmetic of one run at its native size."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from dptscope_export.families import Recognition


def cost(plan: Recognition) -> tuple[int, int]:
    """Count on a model without memory, which costs neither time nor room.

    Returns:
        parameters that the graph uses (a checkpoint may hold a few more), and floating-point operations of one image at
        the native size: those of matrix products and convolutions, two a multiply-add.
    """
    height, width = plan.sizes.native
    with torch.device("meta"), torch.no_grad():
        model = plan.build().eval().requires_grad_(False)
        image = torch.empty(1, 3, height, width)
        scales = tuple(torch.empty(1) for _ in range(4))
        with FlopCounterMode(display=False) as counter:
            model.depth(model.features(image).fusion_inputs, scales)
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops()
