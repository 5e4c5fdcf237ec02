"""What a model costs: parameters, the arithmetic of one run at its native size, and the attention matrices of a block."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from dptscope_export.families import ExportPlan
from dptscope_export.models import beit, dinov2


@dataclass(frozen=True)
class Cost:
    """See :func:`cost`.

    Attributes:
        parameters: numbers that the graph uses; a checkpoint may hold a few more.
        flops: floating-point operations of one image at the native size: those of matrix products and convolutions, two a
            multiply-add.
        heads: attention heads of a block in which every token attends to every other; None where windows keep them apart.
        has_bias: whether a block makes a position bias of heads × tokens × tokens numbers in every run.
    """

    parameters: int
    flops: int
    heads: int | None
    has_bias: bool

    def attention_matrices(self, one_head_at_a_time: bool) -> int | None:
        """Matrices of tokens × tokens that a block holds at once, at least; None where that is not known."""
        return 1 if self.heads is not None and one_head_at_a_time and not self.has_bias else self.heads


def cost(plan: ExportPlan) -> Cost:
    """Count on a model without memory, which costs neither time nor room."""
    height, width = plan.sizes.native
    with torch.device("meta"), torch.no_grad():
        model = plan.build().eval().requires_grad_(False)
        image = torch.empty(1, 3, height, width)
        scales = tuple(torch.empty(1) for _ in range(4))
        with FlopCounterMode(display=False) as counter:
            model.maps(model.features(image).fusion_inputs, scales)
    kinds = (beit.Attention, dinov2.Attention)
    attention = next((module for module in model.modules() if isinstance(module, kinds)), None)
    return Cost(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        flops=counter.get_total_flops(),
        heads=None if attention is None else attention.heads,
        has_bias=isinstance(attention, beit.Attention) and plan.sizes.dynamic,
    )
