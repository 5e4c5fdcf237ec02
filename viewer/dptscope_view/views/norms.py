"""The norm view: the chosen block large, all blocks as tiles, and the strip over depth."""

from __future__ import annotations

from dataclasses import replace

from dptscope.norms import special_norms
from dptscope.pictures.colours import colour_map
from dptscope.pictures.scaling import Scaling
from dptscope.pictures.text import BOLD, REGULAR, text_width
from dptscope.tokens import PrincipalComponents
from dptscope_view.anchor import Place, cell_at
from dptscope_view.changes import channel_index, with_block, with_channel
from dptscope_view.frame import Frame
from dptscope_view.state import Show, effective_scaling, scalings_of
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button, Choice
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect, wrap_controls
from dptscope_view.ui.slider import Slider
from dptscope_view.ui.tiles import Tile
from dptscope_view.views.absent import absent_part
from dptscope_view.views.beside import Beside
from dptscope_view.views.charts import ColourBar, Histogram, number
from dptscope_view.views.heads import HeadMaps, maps_of
from dptscope_view.views.kept import kept_place, press_token, token_at
from dptscope_view.views.map_pane import cell_rect, draw_map
from dptscope_view.views.maps import MIDDLE, BlockMaps
from dptscope_view.views.norm_layout import NormLayout, norm_layout
from dptscope_view.views.norm_words import SCALING_HINTS, SHOW_HINTS, overview, token_hint, token_in_words
from dptscope_view.views.parts import (
    Answer,
    ComposedView,
    Hover,
    Part,
    ViewInput,
    button_part,
    choice_part,
    slider_part,
)
from dptscope_view.views.photo import draw_drag, photo_buttons, respond_to_crop
from dptscope_view.views.received import ReceivedOverDepth
from dptscope_view.views.sliders import size_slider, size_slider_width
from dptscope_view.views.strip import Strip
from dptscope_view.views.token_label import token_label


def compose(shown: ViewInput, body: Rect) -> ComposedView:
    """Put the view together."""
    parts, below = _toolbar(shown, body)
    frame = shown.frame
    if frame is None or shown.problem:
        return ComposedView((*parts, absent_part(shown, below)))
    layout = norm_layout(shown, frame, below)
    beside = None if shown.beside is None else Beside(shown, shown.beside, layout.tiles)
    hovered = layout.place_under(shown.pointer, shown)
    over = hovered if beside is None else hovered or beside.hovered
    # Of the photo beside only for similarity: attention and norms are told of the same place in the shown one.
    source = frame if beside is None or hovered or shown.state.show is not Show.SIMILARITY else beside.frame
    token = None if over is None else token_at(shown, source, over)
    anchor = None if beside is None else token
    maps = maps_of(shown.state, frame, over, shown.pictures, anchor)
    linked = None if beside is None else beside.linked(maps, beside.hovered)
    place = hovered or linked or kept_place(shown, frame)
    if layout.slider is not None:
        parts.append(_channel_slider(shown, layout.slider))
    parts += [
        Part("title", layout.title, lambda c, r, h: _draw_title(c, r, shown, maps)),
        Part(
            "map",
            layout.map,
            lambda c, r, h: _draw_map(c, r, shown, maps, place),
            lambda e, r, held: _respond_map(shown, frame, e, r),
        ),
        Part("bar", layout.bar, lambda c, r, h: _draw_bar(c, r, shown, maps)),
        Part("histogram", layout.histogram, lambda c, r, h: _histogram(shown, maps, place).draw(c, r)),
        *(beside.parts(anchor, hovered) if beside is not None else [_tiles(shown, frame, layout, place)]),
        _strip(shown, maps, layout.strip, place),
    ]
    readout = "" if beside is None else beside.readout(anchor)
    if not readout:
        readout = overview(shown, maps) if place is None else token_in_words(shown, maps, place)
    if over is not None and not shown.state.cropping:
        parts.append(_label(shown, layout, below, readout))
    compared = maps.anchor or token if shown.state.show in (Show.SIMILARITY, Show.ATTENTION) else None
    return ComposedView(tuple(parts), layout.grid.columns, readout, compared, below)


def _label(shown: ViewInput, layout: NormLayout, below: Rect, readout: str) -> Part:
    """Words beside the mouse; over the map they leave the tiles beside it free where they can."""
    assert shown.pointer is not None
    beside = Rect(below.x, below.y, layout.tiles.x - below.x, below.height)
    areas = (beside, below) if beside.contains(*shown.pointer) else (below,)
    click_keeps = layout.map.contains(*shown.pointer) or (
        shown.beside is not None and shown.state.show is not Show.ATTENTION
    )
    return token_label(readout, token_hint(shown.state, click_keeps), shown.pointer, areas, shown.measures)


def _toolbar(shown: ViewInput, body: Rect) -> tuple[list[Part], Rect]:
    state, m = shown.state, shown.measures
    shows, scalings = list(Show), list(Scaling)
    show = Choice(tuple(option.value.capitalize() for option in shows), shows.index(state.show), key="o")
    lit = scalings.index(effective_scaling(state.show, state.scaling))
    offered = scalings_of(state.show)
    faint = frozenset(index for index, each in enumerate(scalings) if each not in offered)
    scaling = Choice(tuple(option.value.capitalize() for option in scalings), lit, key="e", faint=faint)
    buttons = [
        Button(state.norm_colours, "m"),
        Button("Reverse", "i", state.reverse),
        Button("Photo under", "t", state.blend > 0),
        Button("Outlier", "f"),
        Button("Keep beside", "r", shown.beside is not None),
        *photo_buttons(shown),
    ]
    widths = [show.width(m), scaling.width(m), *(button.width(m) for button in buttons), size_slider_width(m)]
    places, below = wrap_controls(body, widths, m)
    return [
        choice_part(
            "show", places[0], show, shown, lambda i: replace(state, show=shows[i]), [SHOW_HINTS[s] for s in shows]
        ),
        choice_part(
            "scaling",
            places[1],
            scaling,
            shown,
            lambda i: replace(state, scaling=scalings[i]),
            [SCALING_HINTS[s] if s in offered else "means nothing of what is shown" for s in scalings],
        ),
        *(
            button_part(f"button-{button.key}", place, button, shown)
            for button, place in zip(buttons, places[2:-1], strict=True)
        ),
        size_slider(shown, places[-1]),
    ], below


def _channel_slider(shown: ViewInput, rect: Rect) -> Part:
    state, facts = shown.state, shown.facts
    channels = facts.channels[state.block]
    index = channel_index(state.channel, channels)
    slider = Slider("Channel", 0, channels - 1, 1, index, 0, f"{index} / {channels - 1}")
    return slider_part("channel", rect, slider, shown, lambda value: with_channel(state, facts, round(value)))


def _draw_title(canvas: Canvas, rect: Rect, shown: ViewInput, maps: BlockMaps) -> None:
    state, m = shown.state, canvas.measures
    block = shown.facts.card.blocks[state.block]
    rows, columns = maps.values(maps.chosen).shape
    used = canvas.text(rect, f"Block {state.block}", size=m.large, weight=BOLD)
    _, rest = rect.cut_left(used, m.gap)
    if state.cropping:
        canvas.text(rest, "drag over the map to crop the photo", size=m.small, colour=theme.ACCENT)
        return
    facts = f"{rows} × {columns} tokens · {block.channels} channels"
    if len({b.stage for b in shown.facts.card.blocks}) > 1:
        facts = f"stage {block.stage} · {facts}"
    if shown.state.block in shown.facts.card.taps:
        facts += f" · feeds fusion {shown.facts.card.taps.index(shown.state.block) + 1}"
    if maps.frame.question.subject.registers:
        facts += " · with registers"
    canvas.text(rest, facts, size=m.small, colour=theme.MUTED)


def _draw_map(canvas: Canvas, rect: Rect, shown: ViewInput, maps: BlockMaps, place: Place | None) -> None:
    draw_map(canvas, rect, shown, maps, None if shown.state.cropping else place)
    if shown.state.cropping:
        draw_drag(canvas, shown, rect)


def _respond_map(shown: ViewInput, frame: Frame, event: Mouse, rect: Rect) -> Answer:
    """Keeping a token by a click, cropping by a drag, and the wheel through the blocks."""
    state = shown.state
    if event.kind is Pointer.WHEEL:
        return with_block(state, shown.facts, state.block - event.steps)
    if event.kind is Pointer.PRESS and not state.cropping:
        return press_token(shown, frame, event, rect)
    return respond_to_crop(shown, event, rect)


def _draw_bar(canvas: Canvas, rect: Rect, shown: ViewInput, maps: BlockMaps) -> None:
    """What the colours mean, in numbers; for components, what they explain."""
    state = shown.state
    if maps.show is Show.COMPONENTS and maps.frame.components is not None:
        text = f"red, green, blue: {_explained(maps.frame.components[state.block])} of the variance; below: norms"
        canvas.text(rect, text, size=canvas.measures.small, colour=theme.MUTED)
        return
    if isinstance(maps, HeadMaps):
        rect = _draw_attended(canvas, rect, maps)
    if maps.show is Show.PHOTO:
        used = canvas.text(rect, "norms, as in the tiles:", size=canvas.measures.small, colour=theme.MUTED)
        _, rect = rect.cut_left(used, canvas.measures.gap)
    scale = maps.scale(maps.chosen)
    ColourBar(number(scale.low), number(scale.high), state.norm_colours, state.reverse).draw(canvas, rect)


def _draw_attended(canvas: Canvas, rect: Rect, maps: HeadMaps) -> Rect:
    """Say which way the weights go, and how much of them lies beside the grid."""
    head = "mean over heads" if maps.chosen == maps.count else f"head {maps.chosen}"
    what = "the token in the middle" if maps.place is MIDDLE else "it"
    if maps.anchor is not None and maps.anchor.special:
        what = maps.anchor.name
    way = f"who attends to {what}" if maps.state.attended else f"what {what} attends to"
    beside = [
        f"{name.replace('class', 'class token')} {number(weight)}" for name, weight in maps.beside_the_grid().items()
    ]
    told, size = [f"{way}, {head}", *beside], canvas.measures.small
    room = rect.width - 12 * size  # what the colour bar with its numbers needs, a part of which would be another number
    while len(told) > 1 and text_width("; ".join(told), size, REGULAR) > room:
        told.pop()
    used = canvas.text(rect.cut_left(room)[0], "; ".join(told), size=size, colour=theme.MUTED)
    return rect.cut_left(used, canvas.measures.gap)[1]


def _explained(components: PrincipalComponents) -> str:
    """Shares of the variance, of each component, in percent."""
    return " + ".join(f"{100 * share:.0f}" for share in components.explained_k) + " %"


def _histogram(shown: ViewInput, maps: BlockMaps, place: Place | None) -> Histogram:
    state = shown.state
    values = maps.values(maps.chosen)
    pointer = None if place is None else float(values[cell_at(place, values.shape)])
    return Histogram(values, maps.scale(maps.chosen), state.norm_colours, state.reverse, pointer)


def _captions(maps: BlockMaps) -> tuple[Tile, ...]:
    if maps.show is Show.COMPONENTS and maps.frame.components is not None:
        return tuple(Tile(str(block), _explained(found)) for block, found in enumerate(maps.frame.components))
    return tuple(
        Tile(str(block), f"{number(low)} … {number(high)}", f"≤ {number(high)}")
        for block, (low, high) in enumerate(maps.extremes())
    )


def _tiles(shown: ViewInput, frame: Frame, layout: NormLayout, place: Place | None) -> Part:
    m = shown.measures
    # All blocks' similarities take longer than a picture may: the tiles wait until the mouse rests.
    maps = maps_of(shown.state, frame, layout.place_under(shown.rested, shown), shown.pictures)
    grid = replace(layout.grid, tiles=_captions(maps), chosen=maps.chosen)

    def draw(canvas: Canvas, rect: Rect, hover: Hover) -> None:
        pictures = [maps.picture(i, spot) for i, spot in enumerate(grid.pictures(rect, m))]

        def mark(index: int, tile: Rect) -> Rect | None:
            return None if place is None else cell_rect(tile, maps.values(index).shape, place)

        grid.draw(canvas, rect, pictures, hover, mark)

    def respond(event: Mouse, rect: Rect, held: bool) -> Answer:
        index = grid.answer(event, rect, m)
        if index is None:
            return None
        if isinstance(maps, HeadMaps):
            return replace(shown.state, head=None if shown.state.head == index else index)
        return with_block(shown.state, shown.facts, index)

    return Part("tiles", layout.tiles, draw, respond)


def _strip(shown: ViewInput, maps: BlockMaps, rect: Rect, place: Place | None) -> Part:
    strip = _strip_of(shown, maps, place)

    def respond(event: Mouse, place: Rect, held: bool) -> Answer:
        if event.kind is Pointer.MOVE and not held:
            return None
        block = strip.answer(event, place, shown.measures)
        return None if block is None else with_block(shown.state, shown.facts, strip.first + block)

    return Part("strip", rect, lambda canvas, place, hover: strip.draw(canvas, place), respond)


def _strip_of(shown: ViewInput, maps: BlockMaps, place: Place | None) -> Strip:
    """Norms; below heads the attention that is received, once it has been summed."""
    frame, block, colour = maps.frame, shown.state.block, colour_map(shown.state.norm_colours).outlier
    received = frame.received or {}
    if isinstance(maps, HeadMaps) and block in received:
        over_depth = shown.pictures.get(("received", frame.number), lambda: ReceivedOverDepth.of(received))
        outliers = [(row, column) for row, column, _ in frame.statistics[block].outliers]
        return over_depth.strip(block, place, outliers, colour)
    statistics = frame.statistics
    return Strip(
        tuple(s.minimum for s in statistics),
        tuple(s.median for s in statistics),
        tuple(s.maximum for s in statistics),
        tuple(len(s.outliers) for s in statistics),
        block,
        colour,
        () if place is None else tuple(float(norms_hw[cell_at(place, norms_hw.shape)]) for norms_hw in frame.norms),
        special_norms(frame.cls_tokens, frame.register_tokens),
        "norms over depth; attention received follows:" if frame.lacks_received else "norms over depth:",
    )
