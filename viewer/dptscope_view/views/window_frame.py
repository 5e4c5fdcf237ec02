"""What is around the views: tabs and name above, readout and timing below, the list of photos, the help."""

from __future__ import annotations

from dataclasses import replace

from dptscope.pictures.colours import Colour
from dptscope.pictures.text import BOLD, REGULAR, text_width
from dptscope_view.changes import with_photo
from dptscope_view.keys import FIRST_STEPS, MOUSE_HELP, WHEEL_MAGNIFIES, WHEEL_STEPS, sections
from dptscope_view.news import Run
from dptscope_view.state import View
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button, Choice
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.tiles import FileList
from dptscope_view.views.parts import Answer, Hover, Part, ViewInput, button_part, choice_part

_TABS = {View.NORMS: "Norms", View.FUSION: "Fusion"}
_TAB_HINTS = (
    "the length of the tokens that leave each block of the encoder (v)",
    "what each fusion block gives to the depth (v)",
)


def header(shown: ViewInput, rect: Rect) -> list[Part]:
    """The top row."""
    m, state = shown.measures, shown.state
    views = list(_TABS)
    tabs = Choice(tuple(_TABS.values()), views.index(state.view), large=True)
    save, help_ = Button("Save", "s"), Button("Help", "h", state.help)
    row = rect.inset(m.pad, (rect.height - m.row) // 2)
    left, row = row.cut_left(tabs.width(m), m.pad)
    right, row = row.cut_right(help_.width(m), m.gap)
    middle, row = row.cut_right(save.width(m), m.pad)
    return [
        Part("header", rect, lambda c, r, h: c.fill(r, theme.PANEL)),
        Part("names", row, lambda c, r, h: _draw_names(c, r, shown)),
        choice_part("tabs", left, tabs, shown, lambda i: replace(state, view=views[i]), _TAB_HINTS),
        button_part("save", middle, save, shown),
        button_part("help", right, help_, shown),
    ]


def _draw_names(canvas: Canvas, rect: Rect, shown: ViewInput) -> None:
    m, facts = canvas.measures, shown.facts
    name = facts.photos[shown.state.photo]
    count = f"{shown.state.photo + 1} / {len(facts.photos)}" if len(facts.photos) > 1 else ""
    model = f"{facts.model} · {facts.card.architecture}" if facts.card.architecture not in facts.model else facts.model
    # The photo's name gets what it needs, up to half; the model's the rest.
    photo_width = text_width(name, m.font, REGULAR) + (text_width(count, m.small, REGULAR) + m.gap if count else 0)
    left, right = rect.cut_left(max(rect.width - text_width(model, m.small, REGULAR) - m.gap, rect.width // 2))
    left, right = (left, right) if photo_width > left.width else rect.cut_left(photo_width, m.gap)
    canvas.text(right, model, size=m.small, colour=theme.MUTED, align="right", ends=True)
    if count:
        used = canvas.text(left, count, size=m.small, colour=theme.MUTED)
        _, left = left.cut_left(used, m.gap)
    canvas.text(left, name, ends=True)


def footer(shown: ViewInput, rect: Rect, readout: str, notice: str, bad: bool, running: Run | None) -> Part:
    """The lowest row: what is under the mouse, beside it the latest notice, and resolution and timing at the right; along its
    upper edge how far a long run is."""

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        m = canvas.measures
        canvas.fill(place, theme.PANEL)
        if running is not None:
            canvas.fill(Rect(place.x, place.y, round(running.share * place.width), 2 * m.line), theme.WARN)
        row = place.inset(m.pad, 0)
        hint = "" if notice else "h help · v other view · q quit"
        used = canvas.text(row, readout or hint, size=m.small, colour=theme.TEXT if readout else theme.MUTED)
        _, row = row.cut_left(used, m.pad if used else 0)
        status, colour = _status(shown, running)
        dot = round(m.small * 1.4)
        # A notice passes; where both do not fit, it goes before the timing.
        wanted = text_width(status, m.small, REGULAR) + dot + m.gap
        if not notice or text_width(notice, m.small, REGULAR) + wanted <= row.width:
            used = canvas.text(row, status, size=m.small, colour=colour, align="right")
            canvas.disc(row.right - used - m.small * 0.8, row.y + row.height / 2, m.small * 0.3, colour)
            _, row = row.cut_right(used + dot, m.gap)
        canvas.text(row, notice, size=m.small, colour=theme.BAD if bad else theme.ACCENT)

    return Part("footer", rect, draw)


def _status(shown: ViewInput, running: Run | None) -> tuple[str, Colour]:
    frame = shown.frame
    if shown.problem:
        return "no picture", theme.BAD
    if frame is None or shown.stale:
        return ("no picture", theme.MUTED) if running is None else (f"running{running.in_words}", theme.WARN)
    height, width = frame.input_size
    parts = [f"{width} × {height}"]
    if frame.fusion_ms:
        parts.append(f"fusion {frame.fusion_ms:.0f} ms")
    if not shown.measures.compact or not frame.fusion_ms:
        parts.append(f"encoder {frame.encoder_ms:.0f} ms")
    if frame.coarse:
        more = "" if running is None or shown.measures.compact else f" · full size runs{running.in_words}"
        return "coarse · " + " · ".join(parts) + more, theme.WARN
    if running is None:
        return "full · " + " · ".join(parts), theme.MUTED
    return f"running{running.in_words}" if running.in_words else "running · " + " · ".join(parts), theme.WARN


def file_list(shown: ViewInput, rect: Rect) -> Part:
    """The photos at the left."""
    m = shown.measures
    names = FileList(shown.facts.photos, shown.state.photo)

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        canvas.panel(place)
        names.draw(canvas, place.inset(m.gap // 2), hover)

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        index = names.answer(event, place.inset(m.gap // 2), m)
        return None if index is None else with_photo(shown.state, shown.facts, index)

    return Part("files", rect, draw, respond)


def help_overlay(shown: ViewInput, rect: Rect) -> Part:
    """The table of keys over everything; any click closes it."""

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        _draw_help(canvas, place, WHEEL_MAGNIFIES if shown.wheel_magnifies else WHEEL_STEPS)

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        return replace(shown.state, help=False) if event.kind in (Pointer.PRESS, Pointer.MENU) else None

    return Part("help-overlay", rect, draw, respond)


def _draw_help(canvas: Canvas, rect: Rect, wheel: tuple[str, str]) -> None:
    """Three columns of key and meaning; the type is as large as the longest column allows."""
    m = canvas.measures
    canvas.dim(rect, 0.72)
    columns = [(heading, [("  ".join(row.keys), row.help) for row in rows]) for heading, rows in sections()]
    heading, rows = columns[0]
    columns[0] = "First steps", [*_bullets(FIRST_STEPS), ("", ""), (heading, ""), *rows]
    columns[1][1].extend([("", ""), ("Mouse", ""), *_bullets((*MOUSE_HELP, wheel))])
    lines = max(len(rows) for _, rows in columns) + 1.5
    around = m.pad * (1 if m.compact else 2)
    room = rect.inset(around)
    line = min((room.height - 2 * around) / lines, m.font * 1.75)
    size = max(9, min(m.font, round(line * 0.66)))
    height = round(line * lines) + 2 * around
    box = Rect(room.x, room.y + (room.height - height) // 2, room.width, height)
    canvas.panel(box, theme.PANEL)
    inner = box.inset(around)
    places = inner.columns([1.0, 1.12, 1.0], m.gap * (1 if m.compact else 2))
    while size > 8 and not _help_fits(columns, places, size):
        size -= 1
    keys_width = _keys_width(columns, size)
    for place, (heading, rows) in zip(places, columns, strict=True):
        _, box_left = place.cut_top(round(line * 1.5))
        canvas.text(Rect(place.x, place.y, place.width, round(line)), heading, size=size + 1, weight=BOLD)
        for index, (keys, what) in enumerate(rows):
            row = Rect(place.x, box_left.y + round(index * line), place.width, round(line))
            if row.bottom > inner.bottom + 2:
                break
            if not what:
                canvas.text(row, keys, size=size + 1, weight=BOLD)
                continue
            canvas.text(row, keys, size=size, colour=theme.ACCENT, weight=BOLD)
            _, rest = row.cut_left(size if keys == "•" else keys_width)
            canvas.text(rest, what, size=size, colour=theme.TEXT if keys != "•" else theme.MUTED)


def _bullets(lines: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [("•", f"{what}: {does}") for what, does in lines]


_Columns = list[tuple[str, list[tuple[str, str]]]]


def _keys_width(columns: _Columns, size: int) -> int:
    return max(text_width(keys, size, BOLD) for _, rows in columns for keys, what in rows if what) + size * 2 // 3


def _help_fits(columns: _Columns, places: list[Rect], size: int) -> bool:
    """Tell whether every line is as short as its column at that size of type."""
    taken = {True: size, False: _keys_width(columns, size)}
    return all(
        taken[keys == "•"] + text_width(what, size, REGULAR) <= place.width
        for place, (_, rows) in zip(places, columns, strict=True)
        for keys, what in rows
    )
