"""A second photo in the norm view: the chosen block of it, with the mouse linked.

Over either photo the token under the mouse is marked in both: at the same place, or, where similarities are shown, where the
other has its most similar token.
"""

from __future__ import annotations

import numpy as np

from dptscope.pictures.text import BOLD
from dptscope_view.anchor import Anchor, Place, anchor_at, place_of
from dptscope_view.frame import Frame
from dptscope_view.state import Show
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.map_pane import draw_map
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.norm_words import token_in_words
from dptscope_view.views.parts import Part, ViewInput
from dptscope_view.views.photo import photo_aspect, relative_position


class Beside:
    """The kept photo in the area of the tiles, and what its being there changes in the shown one."""

    def __init__(self, shown: ViewInput, beside: Frame, area: Rect) -> None:
        self.shown, self.frame = shown, beside
        self.caption, room = area.cut_top(round(shown.measures.font * 1.7))
        self.rect = room.fit(photo_aspect(beside))
        self.hovered = relative_position(shown.pointer, self.rect)

    def anchor(self, frame: Frame, place: Place | None) -> Anchor | None:
        """The token under the mouse, which both photos are compared with."""
        if self.shown.state.show is not Show.SIMILARITY:
            return None
        if self.hovered is not None:
            return anchor_at(self.frame, self.hovered, self._name(self.frame))
        return None if place is None else anchor_at(frame, place, self._name(frame))

    def linked(self, maps: BlockMaps, place: Place | None) -> Place | None:
        """Where a place of the other photo is found in the photo of these maps."""
        if place is None or maps.show is not Show.SIMILARITY:
            return place
        values_hw = maps.values(self.shown.state.block)
        row, column = np.unravel_index(int(values_hw.argmax()), values_hw.shape)
        return place_of((int(row), int(column)), values_hw.shape)

    def parts(self, anchor: Anchor | None, place: Place | None) -> list[Part]:
        """Caption and map; ``place`` is the one under the mouse in the shown photo."""
        maps = self._maps(anchor)
        marked = self.hovered if self.hovered is not None else self.linked(maps, place)
        return [
            Part("beside-title", self.caption, lambda canvas, rect, hover: self._draw_caption(canvas, rect)),
            Part("beside", self.rect, lambda canvas, rect, hover: draw_map(canvas, rect, self.shown, maps, marked)),
        ]

    def readout(self, anchor: Anchor | None) -> str:
        """Of the token under the mouse, where that is over this photo."""
        if self.hovered is None:
            return ""
        return f"{self._name(self.frame)} · {token_in_words(self.shown, self._maps(anchor), self.hovered)}"

    def _maps(self, anchor: Anchor | None) -> BlockMaps:
        return BlockMaps(self.shown.state, self.frame, self.hovered, self.shown.pictures, anchor)

    def _name(self, frame: Frame) -> str:
        return self.shown.facts.photos[frame.question.subject.photo]

    def _draw_caption(self, canvas: Canvas, rect: Rect) -> None:
        used = canvas.text(rect, self._name(self.frame), weight=BOLD)
        _, rest = rect.cut_left(used, canvas.measures.gap)
        rows, columns = self.frame.norms[self.shown.state.block].shape
        told = [f"{rows} × {columns} tokens", "r: the tiles again"]
        if self.frame.question.subject.registers:
            told.insert(1, "with registers")
        if self.shown.state.show is Show.ATTENTION:
            told.insert(1, "norms")  # attention is kept for the photo that is shown
        canvas.text(rest, " · ".join(told), size=canvas.measures.small, colour=theme.MUTED)
