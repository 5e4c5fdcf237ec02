"""The whole window: one of the views, and what is around it."""

from __future__ import annotations

from dataclasses import replace

from dptscope_view.frame import Frame
from dptscope_view.news import Run
from dptscope_view.state import Facts, State, View
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.views import fusion, norms, window_frame
from dptscope_view.views.absent import veil_part
from dptscope_view.views.notice_label import notice_label
from dptscope_view.views.parts import ComposedView, Part, Picture, PictureCache, ViewInput


def compose(
    shown: ViewInput, area: Rect, notice: str = "", bad: bool = False, running: Run | None = None
) -> ComposedView:
    """Put all parts of the window together.

    Args:
        shown: what they are drawn from.
        area: the window.
        notice: the latest news, or nothing.
        bad: it is of something that went wrong.
        running: how far the worker is; None: it rests.
    """
    m, state = shown.measures, shown.state
    top, rest = area.cut_top(m.row + m.pad)
    bottom, rest = rest.cut_bottom(round(m.small * 1.9))
    body = rest.inset(m.pad)
    parts: list[Part] = window_frame.header(shown, top)
    if state.files:
        names, body = body.cut_left(m.font * 13, m.gap)
        parts.append(window_frame.file_list(shown, names))
    if shown.stale:
        shown = replace(shown, pointer=None)  # there are no values of this photo to read out
    view = norms.compose(shown, body) if state.view is View.NORMS else fusion.compose(shown, body)
    parts += view.parts
    readout = view.readout
    if shown.stale and view.pictures is not None:
        readout = ""
        parts.append(veil_part(view.pictures))
    readout = readout if notice else _hint(parts, shown) or readout
    footnote = notice
    if notice and shown.magnified > 1 and shown.pointer is not None:
        footnote = ""  # the lowest row is out of sight
        parts.append(notice_label(notice, bad, shown.pointer, area, m, shown.magnified))
    parts.append(window_frame.footer(shown, bottom, readout, footnote, bad, running))
    if state.help:
        parts.append(window_frame.help_overlay(shown, area))
    return replace(view, parts=tuple(parts), readout=readout)


def _hint(parts: list[Part], shown: ViewInput) -> str:
    """What the control under the mouse does; nothing while something is dragged or help lies over it."""
    if shown.pointer is None or shown.drag is not None or shown.state.help:
        return ""
    return next((part.hint for part in parts if part.hint and part.rect.contains(*shown.pointer)), "")


def picture_of(
    facts: Facts, state: State, frame: Frame, width: int, height: int, beside: Frame | None = None
) -> Picture:
    """Draw a state and its frame, uint8 ``[height, width, 3]``, without what comes and goes: mouse, notices, help."""
    canvas = Canvas(width, height)
    lasting = replace(state, help=False, cropping=False, typed=None)
    shown = ViewInput(lasting, facts, frame, canvas.measures, None, None, None, PictureCache(), beside)
    for part in compose(shown, canvas.area).parts:
        part.draw(canvas, part.rect, None)
    return canvas.pixels
