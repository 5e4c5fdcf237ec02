"""The token that others are compared with: one of a photo, kept when another photo comes, or the class token."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dptscope.arrays import Float32Array

if TYPE_CHECKING:
    from dptscope_view.engine import Frame

Place = tuple[float, float]
"""From the left and from above, as shares 0 … 1 of what is shown of the photo."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """A token in every block.

    Attributes:
        photo: index of its photo, or None: the class token of whatever photo is shown.
        place: where it is there.
        tokens: float32 ``[channels]``, one a block; none where the tokens were not at hand, or for the class token.
        name: for the user.
        key: tells it from others: equal for what was made of the same token.
    """

    photo: int | None
    place: Place | None
    tokens: tuple[Float32Array, ...]
    name: str
    key: Hashable


CLASS_TOKEN = Anchor(None, None, (), "the class token", "class token")


def cell_at(place: Place, shape_hw: Sequence[int]) -> tuple[int, int]:
    """Row and column of the grid cell at a place."""
    rows, columns = shape_hw[0], shape_hw[1]
    return max(0, min(int(place[1] * rows), rows - 1)), max(0, min(int(place[0] * columns), columns - 1))


def place_of(cell: tuple[int, int], shape_hw: Sequence[int]) -> Place:
    """The middle of a grid cell."""
    return (cell[1] + 0.5) / shape_hw[1], (cell[0] + 0.5) / shape_hw[0]


def anchor_at(frame: Frame, place: Place, photo_name: str) -> Anchor:
    """The token at a place of the photo that is shown."""
    tokens = tuple(tokens_hwc[cell_at(place, tokens_hwc.shape)].copy() for tokens_hwc in frame.tokens or ())
    finest = max((norms_hw.shape for norms_hw in frame.norms), key=lambda shape: shape[0])
    key = frame.number, cell_at(place, finest)
    return Anchor(frame.question.subject.photo, place, tokens, f"a token of {photo_name}", key)
