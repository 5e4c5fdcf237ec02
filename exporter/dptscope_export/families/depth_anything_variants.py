"""Depth Anything's variants, and what each comes down to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dptscope_export.errors import CheckpointError
from dptscope_export.models.dinov2 import DinoV2Config

V1 = "depth-anything-v1"
V2 = "depth-anything-v2"
INDOOR = "depth-anything-v2-metric-indoor"
OUTDOOR = "depth-anything-v2-metric-outdoor"
MAX_DEPTH = {INDOOR: 20.0, OUTDOOR: 80.0}  # metres: Hypersim, Virtual KITTI
VARIANTS = (V1, V2, INDOOR, OUTDOOR)
# Blocks that feed the fusion in V2. ViT-L reads block 4, not 5 as an even spacing would have it.
V2_TAPS = {12: (2, 5, 8, 11), 24: (4, 11, 17, 23), 40: (9, 19, 29, 39)}

# Names of the published sizes, by width and blocks.
ARCHITECTURES = {(384, 12): "vits", (768, 12): "vitb", (1024, 24): "vitl", (1536, 40): "vitg"}


@dataclass(frozen=True)
class Variant:
    """What one variant comes down to.

    Attributes:
        name: one of :data:`VARIANTS`.
        taps: the blocks that feed the fusion, fine to coarse.
        max_depth: metres at the end of a metric model's range, else None.
        evidence: what told it.
        notes: lines that the user should read.
    """

    name: str
    taps: tuple[int, int, int, int]
    max_depth: float | None
    evidence: str
    notes: tuple[str, ...] = ()


def v1_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_least_four(encoder)
    return four(encoder.blocks - 4 + index for index in range(4))


def v2_taps(encoder: DinoV2Config) -> tuple[int, int, int, int]:
    _at_least_four(encoder)
    quarters = (encoder.blocks * quarter // 4 - 1 for quarter in (1, 2, 3, 4))
    return V2_TAPS.get(encoder.blocks) or four(quarters)


def _at_least_four(encoder: DinoV2Config) -> None:
    if encoder.blocks < 4:
        raise CheckpointError(f"expected at least four transformer blocks, got {encoder.blocks}")


def four(values: Iterable[int]) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return first, second, third, fourth
