"""Where the parts of the norm view stand."""

from __future__ import annotations

from dataclasses import dataclass

from dptscope_view.anchor import Place
from dptscope_view.frame import Frame
from dptscope_view.state import Show
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.tiles import Tile, TileGrid
from dptscope_view.views.heads import head_count
from dptscope_view.views.parts import Hover, ViewInput
from dptscope_view.views.photo import photo_aspect, relative_position

_WIDE = 1.15  # height over width from which the tiles stand below the map


@dataclass(frozen=True)
class NormLayout:
    """Where everything of it goes."""

    title: Rect
    map: Rect
    bar: Rect
    slider: Rect | None
    histogram: Rect
    tiles: Rect
    grid: TileGrid
    strip: Rect

    def place_under(self, pointer: Hover, shown: ViewInput) -> Place | None:
        """The place of the photo that the mouse is over, in the map or in any tile."""
        tiles = self.grid.pictures(self.tiles, shown.measures) if shown.beside is None else []
        for rect in (self.map, *tiles):
            place = relative_position(pointer, rect)
            if place is not None:
                return place
        return None


def norm_layout(shown: ViewInput, frame: Frame, below: Rect) -> NormLayout:
    """Tiles and strip beside the map, or below it where that shows the map clearly larger."""
    apart = shown.measures.gap + shown.measures.pad
    beside, stacked = (
        _divided(shown, frame, *halves)
        for halves in (below.columns([0.46, 0.54], apart), below.cut_top(below.height // 2, apart))
    )
    tall = below.height > _WIDE * below.width
    return stacked if tall or stacked.map.width > 1.2 * beside.map.width else beside


def _divided(shown: ViewInput, frame: Frame, left: Rect, right: Rect) -> NormLayout:
    """The map with what explains it in one part, tiles and strip in the other."""
    m = shown.measures
    aspect = photo_aspect(frame)
    least = round(m.font * 6.2)  # a chart lower than this cannot be read
    bar_height = round(m.small * 1.6)
    with_slider = shown.state.show is Show.CHANNEL
    title, left = left.cut_top(round(m.font * 1.7))
    room = left.cut_bottom(least + bar_height + (m.row if with_slider else 0), m.gap)[1]
    place = room.fit(aspect)
    # The picture stands right below its title and in line with it; what is left below it is the charts'.
    place = Rect(left.x, left.y, place.width, place.height)
    _, charts = left.cut_top(place.height, m.gap // 2)
    bar, charts = charts.cut_top(bar_height, m.gap // 2)
    slider = None
    if with_slider:
        slider, charts = charts.cut_top(m.row, m.gap // 2)
    tiles = right.cut_bottom(least, m.gap)[1]
    heads = shown.state.show is Show.ATTENTION and frame.attention is not None
    count = head_count(frame, shown.pictures) if heads else len(frame.norms)
    blank = (Tile("", ""),) * count  # what stands below does not move them
    grid = TileGrid.in_area(blank, shown.state.block, aspect, tiles, m)
    # A photo that is kept beside takes all that the tiles may.
    tiles, strip = right.cut_top(grid.height(tiles, m) if shown.beside is None else tiles.height, m.gap)
    return NormLayout(title, place, bar, slider, charts, tiles, grid, strip)
