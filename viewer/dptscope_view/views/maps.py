"""What the map and the tiles of the norm view show of each block: norms, a channel, similarities, or components."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.pictures.norms import colours_picture, map_picture
from dptscope.pictures.scaling import Scale, Scaling, choose_scale
from dptscope.tokens import similarity
from dptscope_view.anchor import Anchor, Place, cell_at
from dptscope_view.changes import channel_index
from dptscope_view.frame import Frame
from dptscope_view.state import Show, State, effective_scaling
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.parts import Picture, PictureCache

MIDDLE: Place = (0.5, 0.5)


class BlockMaps:
    """The maps of one drawing, each made when it is first needed.

    Attributes:
        show: what they show: norms where the state asks for more than the frame has.
        count: how many there are; one a block.
        chosen: index of the one that is shown large.
        anchor: what similarities are to, where one is kept or given.
        place: what they are to otherwise.
    """

    def __init__(
        self,
        state: State,
        frame: Frame,
        place: Place | None,
        kept: PictureCache | None = None,
        anchor: Anchor | None = None,
    ) -> None:
        self.state, self.frame = state, frame
        self.show = _possible(state, frame)
        self.count, self.chosen = len(frame.norms), state.block
        self.anchor: Anchor | None = state.anchor or anchor
        self.place = place or MIDDLE
        token = None if self.anchor is None else self.anchor.special
        special_c = None if token is None else frame.special_token(token, 0)
        self._here = None if self.anchor is None else self.anchor.place_in(frame.question.subject)
        if self._here is not None:
            self.place = self._here  # of the same photo: what is there in this run, not in the one that it was kept in
        elif self.anchor is not None and not self.anchor.tokens and special_c is None:
            # Kept when its tokens were not at hand, and of no use elsewhere; or a register of another run.
            self.anchor = None
        self._finest_cell = cell_at(
            self.place, max((norms_hw.shape for norms_hw in frame.norms), key=lambda shape: shape[0])
        )
        self._kept = PictureCache() if kept is None else kept
        self._scales: dict[int, Scale] = {}

    def values(self, block: int) -> Float32Array:
        """What the mouse reads out of a block, float32 ``[grid_height, grid_width]``."""
        if self.show is Show.SIMILARITY:
            return self._kept.get(("similarity", *self._key(), block), lambda: self._similarity(block))
        if self.show is Show.CHANNEL:
            return self._kept.get(("channel", *self._key(), block), lambda: self._channel(block))
        return self.frame.norms[block]

    @property
    def scaling(self) -> Scaling:
        """What was chosen, as far as it applies."""
        return effective_scaling(self.show, self.state.scaling)

    def scale(self, block: int) -> Scale:
        """How a block's values fill the colours."""
        if block not in self._scales:
            how, signed = self.scaling, self.show is Show.CHANNEL
            every = range(len(self.frame.norms)) if how is Scaling.SHARED else (block,)
            self._scales[block] = choose_scale(how, self.values(block), [self.values(other) for other in every], signed)
        return self._scales[block]

    def picture(self, block: int, rect: Rect) -> Picture:
        """A block's map at a place's size."""
        state, size_hw = self.state, (rect.height, rect.width)
        if self.show is Show.COMPONENTS and self.frame.components is not None:
            found = self.frame.components[block]
            return self._kept.get(
                ("components", self.frame.number, block, size_hw), lambda: colours_picture(found.colours(), size_hw)
            )
        key = ("map", *self._key(), block, state.scaling, state.norm_colours, state.reverse, size_hw)
        return self._kept.get(
            key,
            lambda: map_picture(self.values(block), self.scale(block), size_hw, state.norm_colours, state.reverse),
        )

    def outliers(self, block: int) -> int:
        """How many are marked."""
        return 0 if self.show is Show.COMPONENTS else int(self.scale(block).marks(self.values(block)).sum())

    def extremes(self) -> list[tuple[float, float]]:
        """Least and greatest value of each map."""
        return self._kept.get(
            ("extremes", *self._key()),
            lambda: [(float(values.min()), float(values.max())) for values in map(self.values, range(self.count))],
        )

    def _key(self) -> tuple[Hashable, ...]:
        """What the values depend on."""
        if self.show is Show.SIMILARITY:
            what: Hashable = self.anchor.key if self.anchor is not None else self._finest_cell
        else:
            what = self.state.channel if self.show is Show.CHANNEL else None
        return self.frame.number, self.show, what

    def _channel(self, block: int) -> Float32Array:
        assert self.frame.tokens is not None
        tokens_hwc = self.frame.tokens[block]
        return np.ascontiguousarray(tokens_hwc[..., channel_index(self.state.channel, tokens_hwc.shape[-1])])

    def _similarity(self, block: int) -> Float32Array:
        assert self.frame.tokens is not None
        tokens_hwc = self.frame.tokens[block]
        return similarity(tokens_hwc, self._compared_with(block, tokens_hwc), self.frame.norms[block])

    def _compared_with(self, block: int, tokens_hwc: Float32Array) -> Float32Array | tuple[int, int]:
        if self.anchor is not None and self.anchor.special is not None:
            special_c = self.frame.special_token(self.anchor.special, block)
            if special_c is not None:
                return special_c
        if self.anchor is not None and self.anchor.tokens and self._here is None:
            return self.anchor.tokens[block]
        return cell_at(self.place, tokens_hwc.shape)


def _possible(state: State, frame: Frame) -> Show:
    if state.show in (Show.CHANNEL, Show.SIMILARITY) and frame.tokens is None:
        return Show.NORM
    if state.show is Show.COMPONENTS and frame.components is None:
        return Show.NORM
    if state.show is Show.ATTENTION and frame.attention is None:
        return Show.NORM
    return state.show
