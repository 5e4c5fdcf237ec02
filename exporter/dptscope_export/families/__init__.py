"""The model families. To add one, write its module and name it in :data:`FAMILIES`; nothing else knows families."""

from __future__ import annotations

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import UnknownFamilyError, VariantError, first_few
from dptscope_export.families.base import Family, Recognition, Wishes
from dptscope_export.families.beit import BeitFamily
from dptscope_export.families.depth_anything import DepthAnythingFamily
from dptscope_export.families.swinv2 import SwinV2Family

FAMILIES: tuple[Family, ...] = (DepthAnythingFamily(), BeitFamily(), SwinV2Family())


def recognise(checkpoint: Checkpoint, wishes: Wishes) -> Recognition:
    """Tell family, layout, variant and sizes of a checkpoint.

    Args:
        checkpoint: what was read.
        wishes: what the user said about it.

    Raises:
        UnknownFamilyError: no family knows these tensors.
        CheckpointError: a family knows them, but some are missing or malformed.
        VariantError: nothing tells the variant, or the user contradicts the checkpoint.
    """
    if wishes.max_depth is not None and not 1e-3 <= wishes.max_depth <= 1e6:  # NaN neither
        raise VariantError(f"expected --max-depth from 0.001 to 1000000 metres, got {wishes.max_depth:g}")
    for family in FAMILIES:
        if family.knows(checkpoint):
            return family.recognise(checkpoint, wishes)
    known = ", ".join(family.title for family in FAMILIES)
    raise UnknownFamilyError(
        f"{checkpoint.name}: expected a checkpoint of {known}, got {len(checkpoint.tensors)} tensors "
        f"such as {first_few(list(checkpoint.tensors))}"
    )


__all__ = ["FAMILIES", "Family", "Recognition", "Wishes", "recognise"]
