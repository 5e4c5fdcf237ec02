"""The norm view: the chosen block large, all blocks as tiles, and the strip over depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.pictures.colours import colour_map
from dptscope.pictures.norms import map_picture
from dptscope.pictures.scaling import Scale, Scaling, choose_scale
from dptscope.pictures.text import BOLD
from dptscope_view.engine import Frame
from dptscope_view.state import (
    Show,
    State,
    channel_index,
    with_block,
    with_channel,
)
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button, Choice
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect, wrap_controls
from dptscope_view.ui.slider import Slider
from dptscope_view.ui.tiles import Tile, TileGrid
from dptscope_view.views.charts import Histogram, Strip, number
from dptscope_view.views.parts import (
    Answer,
    ComposedView,
    Hover,
    Part,
    Picture,
    ViewInput,
    button_part,
    choice_part,
    slider_part,
)
from dptscope_view.views.photo import draw_drag, photo_aspect, photo_picture, relative_position, respond_to_crop


def shown_maps(state: State, frame: Frame) -> tuple[Float32Array, ...]:
    """Choose what the tiles show, one float32 ``[grid_height, grid_width]`` a block: norms, or the channel at its place."""
    if state.show is not Show.CHANNEL or frame.tokens is None:
        return frame.norms
    return tuple(
        np.ascontiguousarray(tokens_hwc[..., channel_index(state.channel, tokens_hwc.shape[-1])])
        for tokens_hwc in frame.tokens
    )


def block_scale(state: State, maps: tuple[Float32Array, ...], block: int, signed: bool) -> Scale:
    """The scale that one block's map is shown with."""
    return choose_scale(state.scaling, maps[block], maps, signed)


class _Maps:
    """The maps of one drawing and their scales, each made when it is first needed."""

    def __init__(self, shown: ViewInput, frame: Frame) -> None:
        self.state, self.frame, self.pictures = shown.state, frame, shown.pictures
        self.signed = shown.state.show is Show.CHANNEL and frame.tokens is not None
        self.maps = shown_maps(shown.state, frame)
        self._scales: dict[int, Scale] = {}

    def scale(self, block: int) -> Scale:
        if block not in self._scales:
            self._scales[block] = block_scale(self.state, self.maps, block, self.signed)
        return self._scales[block]

    def picture(self, block: int, rect: Rect) -> Picture:
        state = self.state
        channel = state.channel if self.signed else None
        key = ("map", self.frame.number, block, channel, state.scaling, state.norm_colours, state.reverse, rect.width,
               rect.height)  # fmt: skip
        return self.pictures.get(
            key,
            lambda: map_picture(
                self.maps[block], self.scale(block), (rect.height, rect.width), state.norm_colours, state.reverse
            ),
        )

    def outliers(self, block: int) -> int:
        return int(self.scale(block).marks(self.maps[block]).sum())


def compose(shown: ViewInput, body: Rect) -> ComposedView:
    """Put the view together."""
    m = shown.measures
    parts, below = _toolbar(shown, body)
    frame = shown.frame
    if frame is None:
        return ComposedView((*parts, Part("waiting", below, _draw_waiting)))
    maps = _Maps(shown, frame)
    aspect = photo_aspect(frame)
    if below.height > 1.15 * below.width:
        left, right = below.cut_top(below.height // 2, m.gap + m.pad)
    else:
        left, right = below.columns([0.46, 0.54], m.gap + m.pad)
    least = round(m.font * 6.2)  # a chart lower than this cannot be read
    title, left = left.cut_top(round(m.font * 1.7))
    place = left.cut_bottom(least + (m.row if shown.state.show is Show.CHANNEL else 0), m.gap)[1].fit(aspect)
    # The picture stands right below its title; what is left below it is the histogram's.
    place = Rect(left.x + (left.width - place.width) // 2, left.y, place.width, place.height)
    _, charts = left.cut_top(place.height, m.gap)
    if shown.state.show is Show.CHANNEL:
        slider, charts = charts.cut_top(m.row, m.gap // 2)
        parts.append(_channel_slider(shown, slider))
    tiles = right.cut_bottom(least, m.gap)[1]
    grid = TileGrid.in_area(_captions(maps), shown.state.block, aspect, tiles, m)
    tiles, strip_rect = right.cut_top(grid.height(tiles, m), m.gap)
    tallest = round(m.font * 14)
    lower, strip_rect = charts.cut_bottom(tallest)[0], strip_rect.cut_bottom(tallest)[0]
    cell = _cell(shown, maps, place)
    parts += [
        Part("title", title, lambda c, r, h: _draw_title(c, r, shown, maps)),
        Part(
            "map",
            place,
            lambda c, r, h: _draw_map(c, r, shown, maps, cell),
            lambda e, r, held: _respond_map(shown, e, r),
        ),
        Part("histogram", lower, lambda c, r, h: _histogram(shown, maps, cell).draw(c, r)),
        _tiles(shown, maps, tiles, grid),
        _strip(shown, maps, strip_rect),
    ]
    return ComposedView(tuple(parts), grid.columns, _readout(shown, maps, cell))


def _draw_waiting(canvas: Canvas, rect: Rect, hover: Hover) -> None:
    canvas.panel(rect)
    canvas.text(rect, "the encoder runs …", colour=theme.MUTED, align="centre")


def _toolbar(shown: ViewInput, body: Rect) -> tuple[list[Part], Rect]:
    state, m = shown.state, shown.measures
    shows, scalings = list(Show), list(Scaling)
    show = Choice(tuple(option.value.capitalize() for option in shows), shows.index(state.show))
    scaling = Choice(tuple(option.value.capitalize() for option in scalings), scalings.index(state.scaling))
    colours, reverse = Button(state.norm_colours, "m"), Button("Reverse", "i", state.reverse)
    widths = [show.width(m), scaling.width(m), colours.width(m), reverse.width(m)]
    places, below = wrap_controls(body, widths, m)
    return [
        choice_part("show", places[0], show, m, lambda i: replace(state, show=shows[i])),
        choice_part("scaling", places[1], scaling, m, lambda i: replace(state, scaling=scalings[i])),
        button_part("colours", places[2], colours, shown),
        button_part("reverse", places[3], reverse, shown),
    ], below


def _channel_slider(shown: ViewInput, rect: Rect) -> Part:
    state, facts = shown.state, shown.facts
    channels = facts.channels[state.block]
    index = channel_index(state.channel, channels)
    slider = Slider("Channel", 0, channels - 1, 1, index, 0, f"{index} / {channels}")
    return slider_part("channel", rect, slider, shown.measures, lambda value: with_channel(state, facts, round(value)))


def _cell(shown: ViewInput, maps: _Maps, place: Rect) -> tuple[int, int] | None:
    """Row and column of the grid cell under the mouse."""
    where = relative_position(shown.pointer, place)
    if where is None:
        return None
    rows, columns = maps.maps[shown.state.block].shape
    return min(int(where[1] * rows), rows - 1), min(int(where[0] * columns), columns - 1)


def _draw_title(canvas: Canvas, rect: Rect, shown: ViewInput, maps: _Maps) -> None:
    state, m = shown.state, canvas.measures
    block = shown.facts.card.blocks[state.block]
    rows, columns = maps.maps[state.block].shape
    used = canvas.text(rect, f"Block {state.block}", size=m.large, weight=BOLD)
    _, rest = rect.cut_left(used, m.gap)
    facts = f"{rows} × {columns} tokens · {block.channels} channels"
    if len({b.stage for b in shown.facts.card.blocks}) > 1:
        facts = f"stage {block.stage} · {facts}"
    if shown.state.block in shown.facts.card.taps:
        facts += f" · feeds fusion {shown.facts.card.taps.index(shown.state.block) + 1}"
    canvas.text(rest, facts, size=m.small, colour=theme.MUTED)


def _draw_map(canvas: Canvas, rect: Rect, shown: ViewInput, maps: _Maps, cell: tuple[int, int] | None) -> None:
    state = shown.state
    if state.show is Show.PHOTO:
        canvas.picture(rect, photo_picture(shown, maps.frame, rect))
    else:
        canvas.picture(rect, maps.picture(state.block, rect))
    if shown.stale:
        canvas.dim(rect, 0.6)
    if state.cropping:
        draw_drag(canvas, shown, rect)
    elif cell is not None:
        rows, columns = maps.maps[state.block].shape
        x0, x1 = (rect.x + rect.width * (cell[1] + k) // columns for k in (0, 1))
        y0, y1 = (rect.y + rect.height * (cell[0] + k) // rows for k in (0, 1))
        canvas.frame(Rect(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1)), theme.TEXT)


def _respond_map(shown: ViewInput, event: Mouse, place: Rect) -> Answer:
    """Cropping by a drag, and the wheel through the blocks."""
    if event.kind is Pointer.WHEEL:
        return with_block(shown.state, shown.facts, shown.state.block - event.steps)
    return respond_to_crop(shown, event, place)


def _histogram(shown: ViewInput, maps: _Maps, cell: tuple[int, int] | None) -> Histogram:
    state = shown.state
    values = maps.maps[state.block]
    pointer = None if cell is None else float(values[cell])
    return Histogram(values, maps.scale(state.block), state.norm_colours, state.reverse, pointer)


def _captions(maps: _Maps) -> tuple[Tile, ...]:
    return tuple(
        Tile(str(block), f"{number(float(values.min()))} – {number(float(values.max()))}")
        for block, values in enumerate(maps.maps)
    )


def _tiles(shown: ViewInput, maps: _Maps, rect: Rect, grid: TileGrid) -> Part:
    m = shown.measures

    def draw(canvas: Canvas, place: Rect, hover: Hover) -> None:
        pictures = [maps.picture(i, spot) for i, spot in enumerate(grid.pictures(place, m))]
        grid.draw(canvas, place, pictures, hover)
        if shown.stale:
            canvas.dim(place, 0.6)

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        index = grid.answer(event, place, m)
        return None if index is None else with_block(shown.state, shown.facts, index)

    return Part("tiles", rect, draw, respond)


def _strip(shown: ViewInput, maps: _Maps, rect: Rect) -> Part:
    statistics = maps.frame.statistics
    strip = Strip(
        tuple(s.minimum for s in statistics),
        tuple(s.median for s in statistics),
        tuple(s.maximum for s in statistics),
        tuple(len(s.outliers) for s in statistics),
        shown.state.block,
        colour_map(shown.state.norm_colours).outlier,
    )

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        if event.kind is Pointer.MOVE and not held:
            return None
        block = strip.answer(event, place, shown.measures)
        return None if block is None else with_block(shown.state, shown.facts, block)

    return Part("strip", rect, lambda canvas, place, hover: strip.draw(canvas, place), respond)


def _readout(shown: ViewInput, maps: _Maps, cell: tuple[int, int] | None) -> str:
    state = shown.state
    if cell is None:
        marked = maps.outliers(state.block)
        if state.scaling is not Scaling.ROBUST:
            return ""
        return f"{marked} outliers marked" if marked != 1 else "1 outlier marked"
    value = float(maps.maps[state.block][cell])
    what = "norm" if not maps.signed else f"channel {channel_index(state.channel, shown.facts.channels[state.block])}"
    return f"row {cell[0]}, column {cell[1]} · {what} {number(value)}"
