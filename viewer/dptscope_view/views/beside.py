"""A second photo in the norm view: the chosen block of it, with the mouse linked.

Over either photo the token under the mouse is marked in both: at the same place, or, where similarities are shown, where the
other has its most similar token.
"""

from __future__ import annotations

import numpy as np

from dptscope.pictures.text import BOLD
from dptscope_view.anchor import Anchor, Place, place_of
from dptscope_view.frame import Frame
from dptscope_view.state import Show
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.kept import kept_place, press_token
from dptscope_view.views.map_pane import draw_map
from dptscope_view.views.maps import BlockMaps
from dptscope_view.views.norm_words import token_in_words
from dptscope_view.views.parts import Answer, Part, ViewInput
from dptscope_view.views.photo import photo_aspect, relative_position


class Beside:
    """The kept photo in the area of the tiles, and what its being there changes in the shown one."""

    def __init__(self, shown: ViewInput, beside: Frame, area: Rect) -> None:
        self.shown, self.frame = shown, beside
        self.caption, room = area.cut_top(round(shown.measures.font * 1.7))
        self.rect = room.fit(photo_aspect(beside))
        self.hovered = relative_position(shown.pointer, self.rect)

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
        marked = self.hovered or self.linked(maps, place) or kept_place(self.shown, self.frame)
        return [
            Part("beside-title", self.caption, lambda canvas, rect, hover: self._draw_caption(canvas, rect)),
            Part(
                "beside",
                self.rect,
                lambda canvas, rect, hover: draw_map(canvas, rect, self.shown, maps, marked),
                lambda event, rect, held: self._respond(event, rect),
            ),
        ]

    def _respond(self, event: Mouse, rect: Rect) -> Answer:
        """A click keeps a token of this photo, too, where it can be compared with."""
        compared = self.shown.state.show is not Show.ATTENTION  # of which only the shown photo's is at hand
        return press_token(self.shown, self.frame, event, rect) if event.kind is Pointer.PRESS and compared else None

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
