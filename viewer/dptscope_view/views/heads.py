"""The attention of one token in the chosen block: a map a head, and their mean."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.maps import Attention, BlockAttention, Token
from dptscope.norms import special_names
from dptscope.pictures.scaling import Scale, Scaling, choose_scale, weights_scale
from dptscope_view.anchor import Anchor, Place, cell_at
from dptscope_view.frame import Frame
from dptscope_view.state import Show, State
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.parts import PictureCache


class HeadMaps(BlockMaps):
    """Maps of heads in place of blocks; the one after the last head is their mean.

    Attributes:
        attention: of the token that is kept, where it is of this photo or before the grid; else of the one under the mouse.
    """

    def __init__(
        self, state: State, frame: Frame, attention: BlockAttention, place: Place | None, kept: PictureCache
    ) -> None:
        super().__init__(state, frame, place, kept)
        special = None if self.anchor is None else self.anchor.special
        if self._here is None and special is None:
            self.anchor = None  # of another photo, where nothing attends to this one
        shape = frame.norms[frame.question.attention or 0].shape
        self._token: Token = cell_at(self.place, shape) if special is None else special
        self.attention: Attention = kept.get(
            ("attention", frame.number, self._token),
            lambda: attention.of(self._token),
        )
        self.count = len(self.attention.row)
        self.chosen = self.count if state.head is None else min(state.head, self.count - 1)

    def values(self, index: int) -> Float32Array:
        """Weights of a head, float32 ``[grid_height, grid_width]``, or their mean over all heads."""
        weights = self.attention.column if self.state.attended else self.attention.row
        return np.asarray(weights.mean(axis=0) if index == self.count else weights[index])

    def scale(self, block: int) -> Scale:
        """How a head's weights fill the colours."""
        if block not in self._scales:
            how, values_hw = self.scaling, self.values(block)
            every = [self.values(index) for index in range(self.count)] if how is Scaling.SHARED else []
            log = how is Scaling.LOG
            self._scales[block] = weights_scale(values_hw) if log else choose_scale(how, values_hw, every, signed=False)
        return self._scales[block]

    def _key(self) -> tuple[Hashable, ...]:
        return self.frame.number, self.show, self._token, self.state.attended

    def beside_the_grid(self) -> dict[str, float]:
        """The mean weight on the class token and on each register, or of theirs, by name; empty where there are none."""
        special_hs = self.attention.column_special if self.state.attended else self.attention.row_special
        names = special_names(special_hs.shape[1])
        return dict(zip(names, special_hs.mean(axis=0).tolist(), strict=True))


def head_count(frame: Frame, kept: PictureCache) -> int:
    """Heads of the block whose attention is shown."""
    attention = frame.attention
    assert attention is not None
    return kept.get(("heads", frame.number), lambda: len(attention.of((0, 0)).row))


def maps_of(
    state: State, frame: Frame, place: Place | None, kept: PictureCache, anchor: Anchor | None = None
) -> BlockMaps:
    """The maps that the norm view shows: of heads for attention, else of blocks."""
    if state.show is Show.ATTENTION and frame.attention is not None:
        return HeadMaps(state, frame, frame.attention, place, kept)
    return BlockMaps(state, frame, place, kept, anchor)
