"""Whether a model with its weights computes with finite numbers throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dptscope.finite import has_finite_squares
from dptscope_export.errors import CheckpointError
from dptscope_export.families import ExportPlan
from dptscope_export.models.dpt import DPT
from dptscope_export.verify import lively_image


def check_inside(model: DPT, plan: ExportPlan, name: str) -> None:
    """Run the model once, at the smallest size that it is verified at, and look at what every module gives.

    What comes out at the end does not tell: a ReLU takes minus infinity for zero, and a depth made of zeros looks like one.

    Args:
        model: with its weights.
        plan: what the export is for.
        name: of the checkpoint, for the message.

    Raises:
        CheckpointError: with the first module whose output is not finite.
    """
    height, width = min((plan.sizes.native, *plan.sizes.trial), key=lambda size: size[0] * size[1])
    with torch.no_grad(), _watched(model, name):
        model(lively_image(1, height, width, torch.Generator().manual_seed(0)))


@contextmanager
def _watched(model: nn.Module, name: str) -> Iterator[None]:
    places = {module: path for path, module in model.named_modules()}

    def look(module: nn.Module, _inputs: object, output: object) -> None:
        for part in output if isinstance(output, tuple) else (output,):
            if isinstance(part, Tensor) and part.is_floating_point() and not has_finite_squares(part.numpy()):
                raise CheckpointError(
                    f"{name}: expected weights that float32 can compute with, got numbers beyond 1e19, infinity or NaN in "
                    f"what {places[module]} gives"
                )

    handles = [module.register_forward_hook(look) for module in places]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
