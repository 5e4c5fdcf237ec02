"""The model families. To add one, write its module and name it in :data:`FAMILIES`; nothing else knows families."""

from __future__ import annotations

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import UnknownFamilyError, VariantError, first_few
from dptscope_export.families.base import ExportOptions, ExportPlan, Family
from dptscope_export.families.beit import BeitFamily
from dptscope_export.families.depth_anything import DepthAnythingFamily
from dptscope_export.families.depth_anything_3 import DepthAnything3Family
from dptscope_export.families.depth_anything_3_any_view import DepthAnything3AnyViewFamily
from dptscope_export.families.dpt_dinov2 import DptDinov2Family
from dptscope_export.families.midas_vit import MidasViTFamily
from dptscope_export.families.preprocessor import with_preprocessor
from dptscope_export.families.swinv2 import SwinV2Family
from dptscope_export.families.tips import TipsFamily

FAMILIES: tuple[Family, ...] = (
    DptDinov2Family(),  # before Depth Anything, whose encoder has the same names on the hub
    DepthAnythingFamily(),
    DepthAnything3Family(),
    DepthAnything3AnyViewFamily(),
    BeitFamily(),
    SwinV2Family(),
    MidasViTFamily(),
    TipsFamily(),
)


def recognise(checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
    """Tell family, layout, variant and sizes of a checkpoint.

    Args:
        checkpoint: what was read.
        options: what the user said about it.

    Raises:
        UnknownFamilyError: no family knows these tensors.
        CheckpointError: a family knows them, but some are missing or malformed.
        VariantError: nothing tells the variant, or the user contradicts the checkpoint.
    """
    if options.max_depth is not None and not 1e-3 <= options.max_depth <= 1e6:  # NaN neither
        raise VariantError(f"expected --max-depth from 0.001 to 1000000 metres, got {options.max_depth:g}")
    for family in FAMILIES:
        if family.knows(checkpoint):
            return with_preprocessor(family.recognise(checkpoint, options), checkpoint)
    known = ", ".join(family.title for family in FAMILIES)
    keys = f", in a file with the keys {first_few(checkpoint.keys, 12)}" if checkpoint.keys else ""
    raise UnknownFamilyError(
        f"{checkpoint.name}: expected a checkpoint of {known}, got {len(checkpoint.tensors)} tensors "
        f"such as {first_few(list(checkpoint.tensors))}{keys}"
    )


__all__ = ["FAMILIES", "ExportOptions", "ExportPlan", "Family", "recognise"]
