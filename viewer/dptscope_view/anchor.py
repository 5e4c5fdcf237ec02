"""The token that others are compared with: one of a photo, kept when another photo comes, the class token or a register."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dptscope.arrays import Float32Array
from dptscope.attention.maps import Token

if TYPE_CHECKING:
    from dptscope_view.frame import Frame, Subject

Place = tuple[float, float]
"""From the left and from above, as shares 0 … 1 of what is shown of the photo."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """A token in every block.

    Attributes:
        photo: index of its photo, or None: a token before the grid, of whatever photo is shown.
        place: where it is there, as shares of the whole photo, whatever was cropped.
        tokens: float32 ``[channels]``, one a block; none where the tokens were not at hand, or for one before the grid.
        name: for the user.
        key: tells it from others: equal for what was made of the same token.
        special: which token before the grid it is; None for one of the grid.
    """

    photo: int | None
    place: Place | None
    tokens: tuple[Float32Array, ...]
    name: str
    key: Hashable
    special: Token | None = None

    def place_in(self, subject: Subject) -> Place | None:
        """Where it is in what is shown; None where that is another photo, or a part without it."""
        if self.place is None or self.photo != subject.photo:
            return None
        left, top, right, bottom = subject.crop
        x, y = (self.place[0] - left) / (right - left), (self.place[1] - top) / (bottom - top)
        return (x, y) if 0 <= x < 1 and 0 <= y < 1 else None


CLASS_TOKEN = Anchor(None, None, (), "the class token", "class token", "class")


@cache
def register_anchor(number: int) -> Anchor:
    """One of the registers, those that the model was trained with before those that are added."""
    return Anchor(None, None, (), f"register {number}", ("register", number), ("register", number))


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
    subject = frame.question.subject
    left, top, right, bottom = subject.crop
    whole = left + place[0] * (right - left), top + place[1] * (bottom - top)
    return Anchor(subject.photo, whole, tokens, f"a token of {photo_name}", key)


def next_outlier(frame: Frame, block: int, kept: Anchor | None, photo_name: str) -> tuple[Anchor | None, str]:
    """The outlier of a block that follows the token that is kept, longest first, and in words where else it is one; None
    where the block has no outliers."""
    statistics, shape = frame.statistics[block], frame.norms[block].shape
    cells = [(row, column) for row, column, _ in statistics.outliers]
    if not cells:
        return None, f"no outliers in block {block}"
    here = None if kept is None else kept.place_in(frame.question.subject)
    cell = None if here is None else cell_at(here, shape)
    index = (cells.index(cell) + 1) % len(cells) if cell in cells else 0
    place = place_of(cells[index], shape)
    where = [
        str(other.block)
        for other in frame.statistics
        if cell_at(place, other.grid) in [(row, column) for row, column, _ in other.outliers]
    ]
    norm = statistics.outliers[index][2]
    told = f"outlier {index + 1} of {len(cells)}: norm {norm:.4g}; one in blocks {', '.join(where)}"
    return anchor_at(frame, place, photo_name), told
