"""What the families with mmsegmentation's decoder share in their checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dptscope_export.checkpoints.key_map import Source
from dptscope_export.models.mmseg_dpt import no_bias

_UNIT = re.compile(r"fusion\.(?:skip_\d|block_\d\.residual_unit)\.conv\d")


def without_biases(modules: Mapping[str, str | tuple[str, ...]]) -> dict[str, Source]:
    """The biases of the residual units among our modules: no file has them."""
    return {
        f"{ours}.bias": Source((f"{theirs}.weight",), no_bias)
        for ours, theirs in modules.items()
        if _UNIT.fullmatch(ours)
    }
