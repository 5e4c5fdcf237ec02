"""Deliberate mistakes: what a test of parity must show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from dptscope_export.models import mmseg_dpt
from dptscope_export.models.dpt import DPT

Mistake = Callable[[pytest.MonkeyPatch, Callable[[], DPT]], DPT]
"""Builds a model with the mistake in it."""


def patched(target: Any, name: str, value: Any) -> Mistake:
    """Made in the code, before the model is built."""

    def make(patch: pytest.MonkeyPatch, build: Callable[[], DPT]) -> DPT:
        patch.setattr(target, name, value)
        return build()

    return make


def broken(change: Callable[[DPT], None]) -> Mistake:
    """Made in the model, after it is built."""

    def make(_patch: pytest.MonkeyPatch, build: Callable[[], DPT]) -> DPT:
        model = build()
        change(model)
        return model

    return make


class _FittedToTheSkips(mmseg_dpt.DoublingFusion):
    """V2's rule: the skip stays as it is, and what is carried is resized to it."""

    def inputs(self, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        skip_1, skip_2, skip_3 = (
            self.get_submodule(f"skip_{k}")(maps[k - 1], maps[k - 1].shape[-2:]) for k in (1, 2, 3)
        )
        return skip_1, skip_2, skip_3, self.spread_4(maps[3], maps[2].shape[-2:])


def fit_what_is_carried(model: DPT) -> None:
    """In the fusion of mmsegmentation's DPT."""
    model.fusion.__class__ = _FittedToTheSkips
