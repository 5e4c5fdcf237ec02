"""What a file with rounded numbers has in place of the parity: how far it is from the file that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Len

from dptscope.contract import STRICT


@dataclass(frozen=True)
class Spread:
    """One figure over all photos."""

    __pydantic_config__: ClassVar[Any] = STRICT

    worst: float
    mean: float


@dataclass(frozen=True)
class Fidelity:
    """How far a file with rounded numbers is from the file that it was made of, measured on photos that it was not fitted to.

    Attributes:
        reference: ``model_id`` of the file that it was made of.
        photos: how many it was measured on.
        calibrated: how many others the ranges of its activations come from; 0 where it needs none.
        delta1: share of the pixels whose depths differ by a factor below 1.25.
        delta105: the same, below 1.05.
        correlation: of the depths.
        moved: correlation of the companion's depths with other fusion scales; None without a companion.
        preview: correlation of the preview's depths with the same scales; None without a preview.
        norms: for each block max |Δ‖token‖| divided by the block's mean norm, on the worst photo.
        worst_photo: name of the photo with the lowest ``delta1``.
        sky: share of the pixels that are sky in both files or in none, as :mod:`dptscope.sky` has it; None where the model
            does not say, as with the next.
        confidence: correlation of the confidences.
        left: what could have been rounded, and was left in float32: names of nodes.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    reference: str
    photos: int
    calibrated: int
    delta1: Spread
    delta105: Spread
    correlation: Spread
    moved: Spread | None
    preview: Spread | None
    norms: Annotated[tuple[float, ...], Len(0, 1000)]
    worst_photo: str
    sky: Spread | None = None
    confidence: Spread | None = None
    left: Annotated[tuple[str, ...], Len(0, 10_000)] = ()
