"""Widgets: state in, picture and answers out."""

from __future__ import annotations

import numpy as np
import pytest

from dptscope.pictures.scaling import Scale
from dptscope.pictures.text import BOLD, REGULAR, elide, text_width
from dptscope_view.ui import theme
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.choice import Button, Choice
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect, tile_columns
from dptscope_view.ui.slider import Slider
from dptscope_view.ui.theme import Measures
from dptscope_view.ui.tiles import FileList, Tile, TileGrid
from dptscope_view.views.charts import Histogram, number
from dptscope_view.views.strip import Strip

M = Measures.of_window(1280, 800)
ROW = Rect(20, 40, 900, 28)


def slider(value: float = 1.0, **kwargs: object) -> Slider:
    return Slider("Fusion 1", -5.0, 5.0, 0.01, value, 1.0, f"{value:.2f}", **kwargs)  # type: ignore[arg-type]


def test_slider_reaches_its_ends_and_the_middle() -> None:
    track = slider().track(ROW, M)
    for x, value in ((track.x, -5.0), (track.right - 1, 5.0), (track.x - 4, -5.0), (track.right + 4, 5.0)):
        assert slider().answer(Mouse(Pointer.PRESS, x, 50), ROW, M, None) == value
        assert slider().answer(Mouse(Pointer.MOVE, x * 3 - 1200, 50), ROW, M, (600, 50)) == value
    middle = slider().answer(Mouse(Pointer.PRESS, track.x + (track.width - 1) // 2, 50), ROW, M, None)
    assert middle is not None and abs(middle) <= 0.01


def test_slider_values_lie_on_the_grid_and_go_there_and_back() -> None:
    track = slider().track(ROW, M)
    for x in range(track.x, track.right, 7):
        value = slider().value_at(x, track)
        assert value == round(value, 2)
        assert abs(slider().column_of(value, track) - x) <= 1


def test_slider_answers_drag_wheel_and_right_click() -> None:
    moving = Mouse(Pointer.MOVE, 600, 50)
    assert slider().answer(moving, ROW, M, None) is None
    assert slider().answer(moving, ROW, M, (610, 50)) is not None
    assert slider(2.5).answer(Mouse(Pointer.MENU, 600, 50), ROW, M, None) == 1.0
    assert slider(2.5, wheel=5).answer(Mouse(Pointer.WHEEL, 600, 50, 1), ROW, M, None) == 2.55
    assert slider(5.0).answer(Mouse(Pointer.WHEEL, 600, 50, 1), ROW, M, None) == 5.0
    assert slider(active=False).answer(Mouse(Pointer.PRESS, 600, 50), ROW, M, None) is None


def test_a_press_beside_the_track_moves_nothing_nor_does_a_drag_from_there() -> None:
    track = slider().track(ROW, M)
    for x, part in ((ROW.x + 30, "name"), (track.right + 30, "value"), (track.x + 30, "track")):
        assert slider().part_at(x, ROW, M) == part
        for event, drag in ((Mouse(Pointer.PRESS, x, 50), None), (Mouse(Pointer.MOVE, 600, 50), (x, 50))):
            assert (slider().answer(event, ROW, M, drag) is None) == (part != "track")


def test_a_drag_falls_into_zero_and_one() -> None:
    made = slider(2.0, snaps=(0.0, 1.0))
    track = made.track(ROW, M)
    for value in (0.0, 1.0):
        column = round(made.column_of(value, track))
        found = [made.answer(Mouse(Pointer.PRESS, column + dx, 50), ROW, M, None) for dx in (-3, 0, 3, 8)]
        assert found[:3] == [value] * 3 and found[3] is not None and found[3] > value


def test_slider_knob_is_drawn_where_its_value_is() -> None:
    for value in (-5.0, 0.0, 3.21):
        canvas = Canvas(1280, 800)
        before = canvas.pixels.copy()
        slider(value).draw(canvas, ROW, (600, 50))
        changed = (canvas.pixels != before).any(-1)
        track = slider().track(ROW, canvas.measures)
        x = round(slider().column_of(value, track))
        assert changed[ROW.y + ROW.height // 2, x]
        assert not changed[: ROW.y - 3].any() and not changed[ROW.bottom + 3 :].any()


def test_choice_answers_the_option_under_the_mouse() -> None:
    choice = Choice(("Plain", "Shared", "Log", "Robust"), 0)
    rect = Rect(10, 10, choice.width(M), 28)
    for index, cell in enumerate(choice.cells(rect, M)):
        assert choice.answer(Mouse(Pointer.RELEASE, cell.x + cell.width // 2, 20), rect, M) == index
    assert choice.answer(Mouse(Pointer.PRESS, 20, 20), rect, M) is None
    assert choice.answer(Mouse(Pointer.WHEEL, 20, 20, -1), rect, M) == 1
    assert choice.answer(Mouse(Pointer.MOVE, 20, 20), rect, M) is None


def test_button_is_as_wide_as_its_text() -> None:
    button = Button("High contrast", "e")
    assert button.width(M) > text_width("High contrast", M.font, 600)
    rect = Rect(10, 10, button.width(M), 28)
    assert button.answer(Mouse(Pointer.RELEASE, 12, 12), rect)
    assert not button.answer(Mouse(Pointer.RELEASE, 9, 12), rect) and not button.answer(
        Mouse(Pointer.PRESS, 12, 12), rect
    )


@pytest.mark.parametrize("count", [4, 12, 24, 40])
@pytest.mark.parametrize("size", [(640, 480), (1280, 800), (3840, 2160)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.6, 3.0])
def test_tiles_stay_inside_and_apart(count: int, size: tuple[int, int], aspect: float) -> None:
    measures = Measures.of_window(*size)
    area = Rect(size[0] // 2, 80, size[0] // 2 - 10, size[1] // 2)
    grid = TileGrid.in_area(tuple(Tile(str(i), "1 – 2") for i in range(count)), 0, aspect, area, measures)
    places = grid.pictures(area, measures)
    covered = np.zeros((size[1], size[0]), dtype=np.uint8)
    for place in places:
        assert area.x <= place.x and place.right <= area.right and place.bottom <= area.bottom
        covered[place.y : place.bottom, place.x : place.right] += 1
    assert covered.max() == 1
    for index, place in enumerate(places):
        event = Mouse(Pointer.PRESS, place.x + place.width // 2, place.y + place.height // 2)
        assert grid.answer(event, area, measures) == index


@pytest.mark.parametrize("form", ["note", "short", "none"])
def test_notes_stand_under_all_tiles_or_under_none(form: str) -> None:
    """Whatever their lengths; and under the mouse in full."""
    notes = [("−1.23 … 45.6", "≤ 45.6"), ("1 … 2", "≤ 2"), ("12345 … 123456", "≤ 123456")] * 4
    tiles = tuple(Tile(str(index), *note) for index, note in enumerate(notes))
    fitting = [getattr(tile, form, "") for tile in tiles]
    needed = max(text_width("11", M.small, BOLD) + text_width(note, M.small, REGULAR) for note in fitting)
    area = Rect(20, 20, 4 * (needed + M.gap // 2 + 2) + 3 * M.gap, 700)
    grid = TileGrid(tiles, 0, 1.5, 4)
    places = grid.pictures(area, M)
    pictures = [np.zeros((place.height, place.width, 3), np.uint8) for place in places]
    canvas = Canvas(1280, 800)
    grid.draw(canvas, area, pictures, None)
    below = [
        canvas.pixels[p.bottom + 2 : p.bottom + 18, p.x + text_width(tile.number, M.small, BOLD) + 4 : p.right]
        for p, tile in zip(places, tiles, strict=True)
    ]
    written = {bool((part > 100).any()) for part in below}
    assert written == {form != "none"}
    hovered = Canvas(1280, 800)
    grid.draw(hovered, area, pictures, (places[2].x + 5, places[2].y + 5))
    changed = (canvas.pixels != hovered.pixels)[places[2].bottom + 2 : places[2].bottom + 18].any()
    assert changed == (form != "note")


def test_tile_columns_fill_the_width() -> None:
    assert tile_columns(12, Rect(0, 0, 660, 540), 1.48, 20, 10) == 4
    assert tile_columns(1, Rect(0, 0, 100, 100), 1.0, 10, 5) == 1


def test_file_list_shows_the_current_photo_and_answers_clicks() -> None:
    names = FileList(tuple(f"{i:03d}.png" for i in range(100)), 50)
    rect = Rect(0, 0, 200, M.row * 10)
    assert names.answer(Mouse(Pointer.PRESS, 10, M.row * 5 + 3), rect, M) == 50
    assert names.answer(Mouse(Pointer.PRESS, 10, M.row + 3), rect, M) == 46
    assert names.answer(Mouse(Pointer.PRESS, 10, 3), rect, M) == 42, "a page back"
    assert names.answer(Mouse(Pointer.PRESS, 10, M.row * 9 + 3), rect, M) == 58, "a page on"
    few = FileList(names.names[:10], 9)
    assert [few.answer(Mouse(Pointer.PRESS, 10, M.row * i + 3), rect, M) for i in (0, 9)] == [0, 9]
    assert names.answer(Mouse(Pointer.WHEEL, 10, 3, -1), rect, M) == 51


def test_strip_answers_the_block_of_the_column() -> None:
    strip = Strip((1.0,) * 12, (2.0,) * 12, (30.0,) * 12, (0,) * 11 + (3,), 4, (1, 2, 3))
    rect = Rect(100, 100, 500, 160)
    plot = strip._plot(rect, M)
    for block in range(12):
        assert strip.answer(Mouse(Pointer.PRESS, round(strip.column(block, plot)), 150), rect, M) == block


def test_histogram_shows_outliers_in_their_own_colour() -> None:
    from dptscope.pictures.colours import colour_map

    values = np.concatenate([np.linspace(1, 2, 500), [30.0]]).astype(np.float32)
    histogram = Histogram(values, Scale(1, 2, outliers=(-np.inf, 10.0)), "viridis", False)
    canvas = Canvas(1280, 800)
    histogram.draw(canvas, Rect(100, 100, 400, 200))
    rows, columns = np.nonzero((canvas.pixels == colour_map("viridis").outlier).all(-1))
    assert rows.size and columns.min() > 410


@pytest.mark.parametrize("bend", [None, 0.1])
def test_a_histogram_of_two_values_of_float32_that_are_neighbours(bend: float | None) -> None:
    """As weights of an attention that does not choose."""
    low, high = np.float32(0.125), np.nextafter(np.float32(0.125), np.float32(1))
    canvas, values = Canvas(1280, 800), np.repeat(np.array([low, high], np.float32), 300)
    Histogram(values, Scale(0, float(high), bend), "viridis", False, float(high)).draw(canvas, Rect(100, 100, 400, 200))
    bars = (canvas.pixels[102, 100:500] != theme.GROUND).any(-1)
    assert bars[1] and bars[-2] and not bars[20:-20].any()


def test_histogram_marks_where_the_colours_end() -> None:
    values = np.linspace(0, 10, 500).astype(np.float32)
    canvas, rect = Canvas(1280, 800), Rect(100, 100, 401, 200)
    Histogram(values, Scale(2, 30), "viridis", False).draw(canvas, rect)
    plot, _ = Histogram._parts(rect, M)
    marked = (canvas.pixels[plot.y + 1, plot.x : plot.right] == theme.EDGE).all(-1)
    assert np.flatnonzero(marked).tolist() == [80 + column for column in range(M.line)]


def test_few_values_have_few_bars_and_an_outlier_is_marked_with_its_value() -> None:
    values = np.concatenate([np.linspace(1, 2, 63), [345.0]]).astype(np.float32)
    pictures = []
    for pointer in (1.5, 345.0):
        histogram = Histogram(values, Scale(1, 2, outliers=(-np.inf, 10.0)), "viridis", False, pointer)
        canvas = Canvas(1280, 800)
        histogram.draw(canvas, Rect(100, 100, 500, 200))
        pictures.append(canvas.pixels)
    row = (pictures[1][250, 100:600] != theme.GROUND).any(-1)
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) < 24, "64 values are no bar code"
    assert (pictures[0] != pictures[1])[:, 450:].any(), "the outlier under the mouse is marked, too"


def test_the_strips_axis_does_not_stand_in_its_legend() -> None:
    canvas = Canvas(1280, 800)
    rect = Rect(100, 100, 500, 160)
    Strip((1.0,) * 12, (2.0,) * 12, (1736.0,) * 12, (0,) * 12, 4, (1, 2, 3)).draw(canvas, rect)
    legend = canvas.pixels[100 : 100 + round(M.small * 1.5), :]
    axis = canvas.pixels[100 + round(M.small * 1.5) + 1 : 140, 100:138]
    only_legend = Canvas(1280, 800)
    Strip((1.0,) * 12, (2.0,) * 12, (1736.0,) * 12, (0,) * 12, 4, (1, 2, 3))._draw_legend(only_legend, rect)
    assert (legend == only_legend.pixels[100 : 100 + round(M.small * 1.5)]).all() and (axis > 100).any()


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """As WCAG defines it."""

    def luminance(colour: tuple[int, int, int]) -> float:
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_thin_lines_and_small_type_can_be_seen() -> None:
    for ground in (theme.GROUND, theme.PANEL):
        assert contrast(theme.EDGE, ground) >= 3.2, "grooves and axes"
        assert contrast(theme.FAINT, ground) >= 5, "small type"
    assert contrast(theme.FAINT, theme.HOVER) >= 3, "the minimum on its band"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.345, "12.3"), (0.01234, "0.0123"), (-1.5, "−1.50"), (12345.6, "12346"), (1e-7, "1.0e−07")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_long_names_keep_both_ends_and_other_text_whole_words() -> None:
    short = elide("a_very_long_file_name_of_a_photo_0001.png", 160, 15, 400, ends=True)
    assert short.startswith("a_ver") and short.endswith(".png") and text_width(short, 15, 400) <= 160
    for text, short in (
        ("16 × 21 tokens · 128 channels · feeds", "16 × 21 tokens …"),
        ("no outliers", "no …"),
        ("outliers", "out…"),
    ):
        assert elide(text, text_width(short, 15, 400), 15, 400) == short
    assert elide("x", 0, 15, 400) == ""


def test_text_works_with_the_stroke_font_of_older_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    from dptscope.pictures import text

    monkeypatch.setattr(text, "_HAS_OUTLINE_FONT", False)
    text.text_width.cache_clear()
    canvas = Canvas(640, 480)
    before = canvas.pixels.copy()
    canvas.text(Rect(10, 10, 300, 30), "Block 7 · 3 × 4 …")
    assert (canvas.pixels != before).any()
    text.text_width.cache_clear()
