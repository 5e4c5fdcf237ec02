"""The token that is kept, or would be: where it is, the one under the mouse, and a click on one."""

from __future__ import annotations

from dptscope_view.anchor import Anchor, Place, anchor_at, cell_at, place_of
from dptscope_view.changes import with_anchor
from dptscope_view.frame import Frame
from dptscope_view.ui.events import Mouse
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.parts import Answer, ViewInput
from dptscope_view.views.photo import relative_position


def kept_place(shown: ViewInput, frame: Frame) -> Place | None:
    """The place of the token that is kept, where it is in that frame."""
    return None if shown.state.anchor is None else shown.state.anchor.place_in(frame.question.subject)


def token_at(shown: ViewInput, frame: Frame, place: Place) -> Anchor:
    """The token at a place of a frame's photo."""
    return anchor_at(frame, place, shown.facts.photos[frame.question.subject.photo])


def press_token(shown: ViewInput, frame: Frame, event: Mouse, rect: Rect) -> Answer:
    """Keep the token, or let it go where it is the one that is kept."""
    place = relative_position((event.x, event.y), rect)
    if place is None or shown.stale:
        return None
    shape, kept = frame.norms[shown.state.block].shape, kept_place(shown, frame)
    if kept is not None and cell_at(kept, shape) == cell_at(place, shape):
        return with_anchor(shown.state, None)
    return with_anchor(shown.state, token_at(shown, frame, place_of(cell_at(place, shape), shape)))
