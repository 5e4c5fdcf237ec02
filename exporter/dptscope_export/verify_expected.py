"""What PyTorch expects of an exported graph, and by how much it differs from itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import torch

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope_export.families.base import ExportPlan
from dptscope_export.models.dpt import DPT, Features

# A deep stack of convolutions may be noisier than a limit: a random ResNet-50 differs by 6e-6 of the mean norm between two of
# PyTorch's own kernels; and peaked attention enlarges, block by block and into the depth, what differs before it. So a value
# beyond its limit is measured against what PyTorch then differs by from itself.
NOISE = 3.0


def expected_outputs(model: DPT, features: Features, plan: ExportPlan) -> dict[str, Float32Array]:
    """All outputs of the whole graph with the fusion scales at one, by name."""
    maps = model.maps(features.fusion_inputs)
    expected = {name: map_bhw.numpy() for name, map_bhw in zip(plan.maps(), maps, strict=True)}
    expected[contract.EMBEDDED_TOKENS] = features.embedded_tokens.numpy()
    for index, tokens in enumerate(features.block_tokens):
        expected[contract.block_tokens_name(index)] = tokens.numpy()
    if features.block_cls_tokens is not None:
        expected[contract.BLOCK_CLS_TOKENS] = features.block_cls_tokens.numpy()
    if features.block_register_tokens is not None:
        expected[contract.BLOCK_REGISTER_TOKENS] = features.block_register_tokens.numpy()
    for k, fusion_input in zip(contract.FUSION_BLOCKS, features.fusion_inputs, strict=True):
        expected[contract.fusion_input_name(k)] = fusion_input.numpy()
    return expected


class OtherKernels:
    """What PyTorch gives for an image where its convolutions are plain matrix products: as right, rounded otherwise. Computed
    when it is asked for, since few models ever need it.

    Args:
        model: the torch model.
        image: ``[batch, 3, height, width]``.
        plan: what the export is for.
    """

    def __init__(self, model: DPT, image: torch.Tensor, plan: ExportPlan) -> None:
        self._model, self._image, self._plan = model, image, plan

    @cached_property
    def _features(self) -> Features:
        with _plain_products():
            return self._model.features(self._image)

    @cached_property
    def outputs(self) -> dict[str, Float32Array]:
        """See :func:`expected_outputs`."""
        with _plain_products():
            return expected_outputs(self._model, self._features, self._plan)

    def depth(self, scales: tuple[torch.Tensor, ...]) -> Float32Array:
        """Depth with these fusion scales."""
        with _plain_products():
            return self._model.depth(self._features.fusion_inputs, scales).numpy()


@contextmanager
def _plain_products() -> Iterator[None]:
    with torch.no_grad(), warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False):
        yield
