"""The fusion view: photo beside depth, four sliders, and what else changes the depth."""

from __future__ import annotations

from dptscope.meaning import in_words
from dptscope.pictures.text import BOLD
from dptscope_view.frame import Frame
from dptscope_view.state import Compare
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button
from dptscope_view.ui.geometry import Rect, wrap_controls
from dptscope_view.views.absent import absent_part
from dptscope_view.views.depth_pane import DepthPane
from dptscope_view.views.parts import ComposedView, Part, ViewInput, button_part
from dptscope_view.views.photo import (
    draw_drag,
    photo_aspect,
    photo_buttons,
    photo_picture,
    relative_position,
    respond_to_crop,
)
from dptscope_view.views.sliders import scale_sliders


def compose(shown: ViewInput, body: Rect) -> ComposedView:
    """Put the view together."""
    m = shown.measures
    parts, below = _toolbar(shown, body)
    rows = 5
    spacing = 0 if m.compact else m.gap // 3
    sliders, below = below.cut_bottom(rows * m.row + (rows - 1) * spacing, m.gap)
    parts += scale_sliders(
        shown, [Rect(sliders.x, sliders.y + index * (m.row + spacing), sliders.width, m.row) for index in range(rows)]
    )
    frame = shown.frame
    if frame is None or shown.problem:
        return ComposedView((*parts, absent_part(shown, below)))
    caption_height = round(m.font * 1.7)
    aspect = photo_aspect(frame)
    pane = DepthPane(shown, frame)
    places = _picture_places(below, caption_height, aspect, m.gap)
    # Whichever half the mouse is over, the same place is marked in both.
    wheres = [relative_position(shown.pointer, place) for place in places]
    where = next((w for w in wheres if w is not None), None)
    parts += [
        Part("photo-caption", _above(places[0], caption_height), lambda c, r, h: _draw_photo_caption(c, r, shown)),
        Part(
            "photo",
            places[0],
            lambda c, r, h: _draw_photo(c, r, shown, frame, where),
            lambda event, place, held: respond_to_crop(shown, event, place),
        ),
        Part("depth-caption", _above(places[1], caption_height), lambda c, r, h: pane.draw_caption(c, r)),
        Part("depth", places[1], lambda c, r, h: _draw_depth(c, r, pane, where), pane.respond),
    ]
    return ComposedView(
        tuple(parts), readout=_readout(shown, frame, pane, where) or _hint(shown, frame), pictures=below
    )


def _draw_depth(canvas: Canvas, rect: Rect, pane: DepthPane, where: tuple[float, float] | None) -> None:
    pane.draw(canvas, rect)
    _draw_cross(canvas, rect, where)


def _picture_places(area: Rect, caption: int, aspect: float, gap: int) -> list[Rect]:
    """Photo and depth side by side, or one above the other where that shows them larger."""
    upper, lower = area.cut_top((area.height - gap) // 2, gap)
    beside, stacked = (
        [half.cut_top(caption)[1].fit(aspect) for half in halves]
        for halves in (area.columns([1, 1], gap), [upper, lower])
    )
    places = stacked if stacked[1].width > 1.1 * beside[1].width else beside
    # Where the halves differ by a pixel, both take the smaller.
    smaller = min(places, key=lambda place: place.width * place.height)
    return [Rect(place.x, place.y, smaller.width, smaller.height) for place in places]


def _above(place: Rect, height: int) -> Rect:
    return Rect(place.x, place.y - height, place.width, height)


def _toolbar(shown: ViewInput, body: Rect) -> tuple[list[Part], Rect]:
    state, m = shown.state, shown.measures
    buttons = [
        Button("Original", "b", not state.scales_on),
        Button(state.depth_colours, "m"),
        Button("Reverse", "i", state.reverse),
        Button("High contrast", "e", state.equalise),
        Button("Compare", "t", state.compare is not Compare.NONE),
        Button("Keep range", "g", state.keep_range),
        *([Button("Far sky", "k", state.far_sky)] if shown.facts.card.has_sky else []),
        *photo_buttons(shown),
    ]
    places, below = wrap_controls(body, [button.width(m) for button in buttons], m)
    return [
        button_part(f"button-{button.key}", place, button, shown) for button, place in zip(buttons, places, strict=True)
    ], below


def _draw_photo_caption(canvas: Canvas, rect: Rect, shown: ViewInput) -> None:
    used = canvas.text(rect, "Photo", weight=BOLD)
    _, rest = rect.cut_left(used, canvas.measures.gap)
    if shown.state.cropping:
        canvas.text(rest, "drag over the photo to crop it", size=canvas.measures.small, colour=theme.ACCENT)
    elif shown.frame is not None:
        height, width = shown.frame.photo_bgr.shape[:2]
        canvas.text(rest, f"{width} × {height}", size=canvas.measures.small, colour=theme.MUTED)


def _draw_photo(canvas: Canvas, rect: Rect, shown: ViewInput, frame: Frame, where: tuple[float, float] | None) -> None:
    canvas.picture(rect, photo_picture(shown, frame, rect))
    if shown.state.cropping:
        draw_drag(canvas, shown, rect)
    else:
        _draw_cross(canvas, rect, where)


def _draw_cross(canvas: Canvas, rect: Rect, where: tuple[float, float] | None) -> None:
    if where is None:
        return
    m = canvas.measures
    x, y, reach = rect.x + where[0] * rect.width, rect.y + where[1] * rect.height, m.font * 0.7
    # Clipped to the picture, so that a cross at its edge does not run into the neighbour.
    left, right = max(x - reach, rect.x), min(x + reach, rect.right - 1)
    top, bottom = max(y - reach, rect.y), min(y + reach, rect.bottom - 1)
    for thick, colour in ((m.line + 2, theme.GROUND), (m.line, theme.TEXT)):
        canvas.lines([(left, y), (right, y)], colour, thick)
        canvas.lines([(x, top), (x, bottom)], colour, thick)


def _readout(shown: ViewInput, frame: Frame, pane: DepthPane, where: tuple[float, float] | None) -> str:
    if where is None:
        return ""
    height, width = frame.photo_bgr.shape[:2]
    row, column = min(int(where[1] * height), height - 1), min(int(where[0] * width), width - 1)
    return f"x {column}, y {row} · {pane.readout(row, column)}"


def _hint(shown: ViewInput, frame: Frame) -> str:
    added = shown.facts.added
    if frame.question.subject.registers and added is not None:
        caveat = " · zero exaggerates, --replace mean is milder" if added.neurons and not any(added.values) else ""
        return f"{added.in_words()}; t for the difference, * for the model as it is{caveat}"
    if not shown.state.scales_on:
        return "scales off: the unmodified model"
    return f"depth: {in_words(shown.facts.card)}" if frame.depth_kind == "distance" else ""
