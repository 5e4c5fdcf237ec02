"""The views without a window: events in, state and pixels out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fake_model import SWIN_BLOCKS, make_card
from viewer.conftest import Bench

from dptscope.pictures.colours import colour_map
from dptscope.pictures.depth import depth_picture
from dptscope.pictures.scaling import Scaling
from dptscope_view.changes import channel_index
from dptscope_view.state import SCALE_LOW, Compare, Show, View
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.worker import Notice

Benches = Callable[..., Bench]
SIZES = [(640, 480), (1280, 800), (1920, 1080), (3840, 2160), (900, 1400), (2560, 600)]
SWIN = make_card(SWIN_BLOCKS, dynamic=False, native=256)


def centre(rect: object) -> tuple[int, int]:
    return rect.x + rect.width // 2, rect.y + rect.height // 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [{}, {"show": Show.CHANNEL}, {"view": View.FUSION}, {"files": True, "help": True}])
@pytest.mark.parametrize("photo", [0, 1, 2])
def test_the_layout_holds(bench: Benches, size: tuple[int, int], state: dict[str, object], photo: int) -> None:
    made = bench(*size, photo=photo, **state)
    parts = {part.name: part.rect for part in made.viewer.parts if part.name not in ("header", "help-overlay")}
    window = np.zeros((size[1], size[0]), dtype=np.uint8)
    for name, rect in parts.items():
        assert rect.width > 0 and rect.height > 0, name
        assert rect.x >= 0 and rect.right <= size[0] and rect.y >= 0 and rect.bottom <= size[1], name
        window[rect.y : rect.bottom, rect.x : rect.right] += 1
    assert window.max() == 1, "two parts overlap"
    main = parts["depth" if made.viewer.state.view is View.FUSION else "map"]
    assert main.width * main.height > 0.04 * size[0] * size[1]


@pytest.mark.parametrize("width", range(1270, 1280))
def test_photo_and_depth_are_of_one_size(bench: Benches, width: int) -> None:
    for files in (False, True):
        made = bench(width, 800, view=View.FUSION, files=files)
        photo, depth = made.rect("photo"), made.rect("depth")
        assert (photo.width, photo.height) == (depth.width, depth.height)


def test_a_panoramas_map_takes_the_width(bench: Benches, photos: tuple[Path, ...]) -> None:
    cv2.imwrite(str(photos[0]), np.zeros((30, 300, 3), np.uint8))
    made = bench()
    place, chart = made.rect("map"), made.rect("histogram")
    assert place.width > 1000 and chart.y - place.bottom < 60, "and what explains it stands right below"


def test_a_click_on_a_tile_and_keys_choose_the_block(bench: Benches) -> None:
    made = bench()
    viewer = made.viewer
    made.press("k", "k", "k")
    assert viewer.state.block == 3
    made.press("d")
    assert viewer.state.block == 7  # four tiles a row
    made.press("u", "u")
    assert viewer.state.block == 3
    tiles = made.rect("tiles")
    viewer.on_mouse(Mouse(Pointer.PRESS, tiles.x + 5, tiles.y + 5))
    viewer.on_mouse(Mouse(Pointer.RELEASE, tiles.x + 5, tiles.y + 5))
    assert viewer.state.block == 0
    made.press("j")
    assert viewer.state.block == 0
    strip = made.rect("strip")
    viewer.on_mouse(Mouse(Pointer.PRESS, strip.right - 3, strip.y + 60))
    assert viewer.state.block == 11


def test_outliers_are_marked_and_counted(bench: Benches) -> None:
    made = bench(block=8)
    colour = np.array(colour_map("viridis").outlier)
    place = made.rect("map")
    shown = made.viewer.draw(1280, 800)[place.y : place.bottom, place.x : place.right]
    cells = made.viewer.frame.norms[8].shape  # type: ignore[union-attr]
    marked = (shown == colour).all(-1).mean() * cells[0] * cells[1]
    assert marked == pytest.approx(1, abs=0.2)
    made.press("e")
    assert made.viewer.state.scaling is Scaling.PLAIN
    shown = made.viewer.draw(1280, 800)[place.y : place.bottom, place.x : place.right]
    assert not (shown == colour).all(-1).any()


def test_the_value_under_the_mouse_is_the_cells(bench: Benches) -> None:
    made = bench(block=5)
    place = made.rect("map")
    norms = made.viewer.frame.norms[5]  # type: ignore[union-attr]
    rows, columns = norms.shape
    x, y = place.x + (3.5 / columns) * place.width, place.y + (2.5 / rows) * place.height
    made.viewer.on_mouse(Mouse(Pointer.MOVE, int(x), int(y)))
    made.viewer.draw(1280, 800)
    assert made.viewer.readout.startswith("row 2, column 3 · norm ")
    rank = int((norms > norms[2, 3]).sum()) + 1
    assert made.viewer.readout.endswith(f"norm {norms[2, 3]:.2f}"[:9] + f" · rank {rank} of {norms.size}")


def test_channels_keep_their_relative_place_over_stages(bench: Benches) -> None:
    made = bench(card=SWIN, block=0)
    viewer = made.viewer
    made.press("]")
    assert viewer.state.show is Show.CHANNEL and viewer.question().tokens
    assert channel_index(viewer.state.channel, 16) == 0, "the first channel can be seen"
    made.answer().draw(1280, 800)
    track = made.rect("channel")
    viewer.on_mouse(Mouse(Pointer.PRESS, track.x + track.width // 2, track.y + 5))
    viewer.on_mouse(Mouse(Pointer.RELEASE, track.x + track.width // 2, track.y + 5))
    first = viewer.state.channel
    for _ in range(11):
        made.press("k")
        viewer.draw(1280, 800)
    assert viewer.state.block == 11 and viewer.state.channel == first
    indices = [channel_index(first, block.channels) / block.channels for block in SWIN_BLOCKS]
    assert max(indices) - min(indices) < 1 / 16


@pytest.mark.parametrize("scaling", list(Scaling))
@pytest.mark.parametrize("show", list(Show))
def test_every_scaling_and_show_draws_with_grids_of_four_sizes(bench: Benches, scaling: Scaling, show: Show) -> None:
    made = bench(card=SWIN, scaling=scaling, show=show, channel=0.4)
    pixels = made.viewer.draw(1280, 800)
    place = made.rect("tiles")
    assert pixels[place.y : place.bottom, place.x : place.right].std() > 20


def test_dragging_a_slider_asks_for_its_value(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    viewer, worker = made.viewer, made.worker
    row = made.rect("scale-2")
    viewer.on_mouse(Mouse(Pointer.PRESS, row.x + row.width // 2, row.y + 5))
    for x in range(row.x + row.width // 2, row.x, -20):
        viewer.on_mouse(Mouse(Pointer.MOVE, x, row.y - 200))  # the hand may leave the row
    assert viewer.state.scales[1] == SCALE_LOW
    viewer.on_mouse(Mouse(Pointer.RELEASE, row.x, row.y - 200))
    viewer.on_mouse(Mouse(Pointer.MOVE, row.x + 500, row.y + 5))
    assert viewer.state.scales == (1.0, SCALE_LOW, 1.0, 1.0)
    assert worker.questions[-1].scales == viewer.state.scales and len(worker.questions) > 5
    viewer.on_mouse(Mouse(Pointer.MENU, row.x + 500, row.y + 5))
    assert viewer.state.scales == (1.0, 1.0, 1.0, 1.0)


def test_keys_of_the_sliders(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    viewer = made.viewer
    made.press("3", ".", ".", ".", ",")
    assert viewer.state.scales == (1.0, 1.0, 1.02, 1.0)
    made.press(">", ">")
    assert viewer.state.scales[2] == 1.52
    made.press("b")
    assert made.worker.questions[-1].scales == (1.0, 1.0, 1.0, 1.0) and viewer.state.scales[2] == 1.52
    made.press("b")
    assert made.worker.questions[-1].scales[2] == 1.52
    made.press("z")
    assert viewer.state.scales[2] == 1.0
    made.press("1", "<", "r")
    assert viewer.state.scales == (1.0, 1.0, 1.0, 1.0)


def click(made: Bench, x: int, y: int) -> None:
    made.viewer.on_mouse(Mouse(Pointer.PRESS, x, y))
    made.viewer.on_mouse(Mouse(Pointer.RELEASE, x, y))


def test_a_sliders_name_chooses_it_and_its_number_is_typed(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    viewer, row, size = made.viewer, made.rect("scale-3"), made.rect("size")
    asked = len(made.worker.questions)
    for x in (row.x + 20, row.right - 10):
        click(made, size.x + 20 if x < row.right - 10 else size.right - 10, size.y + 10)
        click(made, x, row.y + 10)
        assert viewer.state.chosen == 3 and viewer.state.scales == (1.0, 1.0, 1.0, 1.0)
        assert viewer.state.size == made.facts.native
    assert viewer.state.typed == "" and len(made.worker.questions) == asked
    made.press("-", "0", ",", "5", "9")
    viewer.on_key(8)
    plain = viewer.draw(1280, 800).copy()
    viewer.on_key(13)
    assert viewer.state.scales == (1.0, 1.0, -0.5, 1.0) and viewer.state.typed is None
    assert (viewer.draw(1280, 800) != plain).any()
    for letters, end, scale in (("99", 13, 5.0), ("0.25", 27, 5.0), ("", 13, 5.0), ("0", 13, 0.0)):
        viewer.on_key(13)
        made.press(*letters)
        viewer.on_key(end)
        assert viewer.state.scales[2] == scale and viewer.state.typed is None and not viewer.closing
    viewer.on_key(13)
    made.press("-", "-")
    assert not viewer._news.notice.text
    for key in (13, ord("n")):  # no number, and a key that is none of one
        viewer.tell("")
        viewer.on_key(key)
        assert viewer._news.notice.text == "a number from -5 to 5 is typed: Enter sets it, Esc leaves it"
    assert viewer.state.typed == "--", "no number: it can be put right"
    click(made, row.x + 20, row.y + 10)
    assert viewer.state.typed is None


def test_off_half_and_one_by_a_key(bench: Benches) -> None:
    made = bench(view=View.FUSION, scales=(1.0, -2.3, 1.0, 1.0), chosen=2)
    for scale in (0.0, 0.5, 1.0, 0.0):
        made.press("f")
        assert made.viewer.state.scales == (1.0, scale, 1.0, 1.0)


def test_off_half_and_one_by_the_mouse(bench: Benches) -> None:
    made = bench(view=View.FUSION, scales=(1.0, -2.3, 1.0, 1.0))
    stops = made.rect("stops-2")
    for share, scale in ((0.1, 0.0), (0.5, 0.5), (0.95, 1.0)):
        click(made, int(stops.x + share * stops.width), stops.y + 5)
        assert made.viewer.state.scales == (1.0, scale, 1.0, 1.0)


def test_sliders_are_faint_while_the_original_is_shown(bench: Benches) -> None:
    made = bench(view=View.FUSION, scales=(-2.0, 1.0, 1.0, 1.0))
    row = made.rect("scale-1")
    place = np.s_[row.y : row.bottom, row.x + 20 : row.right]
    brightest = made.viewer.draw(1280, 800)[place].max()
    made.press("b")
    assert made.viewer.draw(1280, 800)[place].max() < brightest - 60
    click(made, row.x + row.width // 2, row.y + 10)
    assert made.viewer.state.scales_on, "a scale that is set is shown"


def test_scales_change_the_depth_and_only_it(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    before = made.viewer.draw(1280, 800).copy()
    made.press("2", "<", "<", "<", "<", "<")
    made.answer()
    after = made.viewer.draw(1280, 800)
    photo, depth = made.rect("photo"), made.rect("depth")
    changed = (before != after).any(-1)
    assert changed[depth.y : depth.bottom, depth.x : depth.right].mean() > 0.3
    assert not changed[photo.y : photo.bottom, photo.x : photo.right].any()


def test_metric_depth_is_shown_near_is_bright(bench: Benches) -> None:
    relative = bench(view=View.FUSION)
    metric = bench(card=make_card(kind="metric"), view=View.FUSION)
    place = relative.rect("depth")
    grey = [
        cv2.cvtColor(made.viewer.draw(1280, 800)[place.y : place.bottom, place.x : place.right], cv2.COLOR_BGR2GRAY)
        for made in (relative, metric)
    ]
    assert np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1] < -0.9
    metric.viewer.on_mouse(Mouse(Pointer.MOVE, *centre(place)))
    metric.viewer.draw(1280, 800)
    assert metric.viewer.readout.endswith(" m")


def test_colours_reverse_and_contrast_change_the_picture_without_asking(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    asked, seen = len(made.worker.questions), [made.viewer.draw(1280, 800).tobytes()]
    for key in "mie":
        made.press(key)
        seen.append(made.viewer.draw(1280, 800).tobytes())
    assert len(set(seen)) == 4 and len(made.worker.questions) == asked


def test_the_lowest_row_tells_what_a_control_does(bench: Benches) -> None:
    made = bench()
    for name, words in (
        ("scaling", "value"),
        ("show", "photo"),
        ("button-c", "crop"),
        ("size", "280"),
        ("tabs", "token"),
    ):
        place = made.rect(name)
        made.viewer.on_mouse(Mouse(Pointer.MOVE, place.x + 15, place.y + 10))
        made.viewer.draw(1280, 800)
        assert words in made.viewer.readout, name
    made.viewer.on_mouse(Mouse(Pointer.MOVE, *centre(made.rect("map"))))
    made.viewer.draw(1280, 800)
    assert made.viewer.readout.startswith("row ")


def test_what_was_stopped_does_not_look_as_if_it_ran(bench: Benches) -> None:
    made = bench()
    made.press("n")
    made.worker.running = True
    made.viewer.on_key(27)
    made.viewer.draw(1280, 800)
    assert "absent" in {part.name for part in made.viewer.parts} and "stopped" in made.viewer._problem
    made.press("p")
    made.viewer.draw(1280, 800)
    assert "map" in {part.name for part in made.viewer.parts}


@pytest.mark.parametrize("key", [ord("0"), 0xFFC2])  # one that changes nothing, and one that means nothing
def test_any_key_goes_on_with_what_was_stopped(bench: Benches, key: int) -> None:
    made = bench()
    made.press("n")
    asked = made.worker.questions[-1]
    made.viewer.on_key(key)
    assert made.worker.questions.count(asked) == 1, "nothing was stopped"
    made.worker.running = True
    made.viewer.on_key(27)
    made.viewer.on_key(key)
    assert made.worker.questions.count(asked) == 2 and not made.viewer._problem
    made.viewer.on_key(key)
    assert made.worker.questions.count(asked) == 2


def test_photos_go_round_and_keep_the_crop(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    made.press("c")
    place = made.rect("photo")
    made.viewer.draw(1280, 800)
    made.viewer.on_mouse(Mouse(Pointer.PRESS, place.x + place.width // 4, place.y + place.height // 4))
    made.viewer.on_mouse(Mouse(Pointer.MOVE, place.x + place.width // 2, place.y + place.height // 2))
    made.viewer.on_mouse(Mouse(Pointer.RELEASE, place.x + place.width // 2, place.y + place.height // 2))
    crop = made.viewer.state.crop
    assert crop == pytest.approx((0.25, 0.25, 0.5, 0.5), abs=0.01)
    assert made.worker.questions[-1].subject.crop == crop
    made.answer().draw(1280, 800)
    assert made.viewer.frame.photo_bgr.shape[:2] == (30, 40)  # type: ignore[union-attr]
    made.press("n")
    assert made.viewer.state.photo == 1 and made.worker.questions[-1].subject.crop == crop
    made.viewer.draw(1280, 800)
    whole = made.rect("button-x")  # says that there is a crop, and undoes it
    click(made, *centre(whole))
    assert made.worker.questions[-1].subject.crop == (0, 0, 1, 1)
    made.viewer.draw(1280, 800)
    assert "button-x" not in {part.name for part in made.viewer.parts}
    made.press("p", "p")
    assert made.viewer.state.photo == 2
    made.press("l")
    made.viewer.draw(1280, 800)
    files = made.rect("files")
    made.viewer.on_mouse(Mouse(Pointer.PRESS, files.x + 20, files.y + 12))
    assert made.viewer.state.photo == 0


def test_the_norm_view_has_what_changes_the_photo(bench: Benches) -> None:
    made = bench()
    size = made.rect("size")
    click(made, size.x + round(size.width * 0.75), size.y + 10)
    assert made.worker.questions[-1].subject.size > 280
    for key, changed in (("a", "square"), ("c", "cropping"), ("l", "files")):
        made.viewer.draw(1280, 800)
        click(made, *centre(made.rect(f"button-{key}")))
        assert getattr(made.viewer.state, changed)


@pytest.mark.parametrize("size", [(1280, 800), (640, 480)])
def test_a_long_model_name_is_shortened_and_not_left_out(bench: Benches, size: tuple[int, int]) -> None:
    made = bench(*size)
    names = made.rect("names")
    right = np.s_[names.y : names.bottom, names.x + names.width // 2 + 10 : names.right]
    for model in ("tiny", "a_model_with_a_name_that_is_much_longer_than_what_a_window_has_room_for_in_its_upper_row"):
        made.viewer.facts = replace(made.viewer.facts, model=model)
        assert (made.viewer.draw(*size)[right] > 120).any()


def test_size_and_square_ask_the_encoder_again(bench: Benches) -> None:
    made = bench(view=View.FUSION)
    made.press("+", "+", "-")
    assert made.worker.questions[-1].subject.size == 294
    made.press("a")
    assert made.worker.questions[-1].subject.square
    made.press("0")
    assert made.worker.questions[-1].subject.size == 280
    fixed = bench(card=SWIN, view=View.FUSION)
    asked = len(fixed.worker.questions)
    fixed.press("+")
    row = fixed.rect("size")
    fixed.viewer.on_mouse(Mouse(Pointer.PRESS, *centre(row)))
    assert len(fixed.worker.questions) == asked


def test_tabs_help_and_quitting(bench: Benches) -> None:
    made = bench()
    viewer = made.viewer
    tabs = made.rect("tabs")
    viewer.on_mouse(Mouse(Pointer.PRESS, tabs.right - 10, tabs.y + 5))
    viewer.on_mouse(Mouse(Pointer.RELEASE, tabs.right - 10, tabs.y + 5))
    assert viewer.state.view is View.FUSION
    viewer.on_key(9)
    assert viewer.state.view is View.NORMS
    made.press("h")
    assert viewer.state.help
    viewer.draw(1280, 800)
    viewer.on_key(27)
    assert not viewer.state.help and not viewer.closing
    viewer.on_key(27)
    assert viewer.closing


def test_escape_leaves_what_is_open_before_it_quits(bench: Benches) -> None:
    made = bench()
    made.press("l", "c", "h")
    for opened in ("help", "cropping", "files"):
        assert getattr(made.viewer.state, opened)
        made.viewer.on_key(27)
        assert not getattr(made.viewer.state, opened) and not made.viewer.closing
    made.viewer.magnify(1.5)
    made.viewer.on_key(27)
    assert not made.viewer.closing and "wheel back" in made.viewer._news.notice.text
    made.viewer.magnify(1.0)
    made.viewer.on_key(27)
    assert made.viewer.closing


def test_escape_goes_back_step_by_step(bench: Benches) -> None:
    crop = (0.0, 0.0, 0.5, 0.5)
    made = bench(show=Show.SIMILARITY, crop=crop)
    viewer = made.viewer
    made.press("r")
    for done in (
        lambda: viewer._beside is None,
        lambda: viewer.state.show is Show.NORM,
        lambda: viewer.state.crop == (0.0, 0.0, 1.0, 1.0),
        lambda: viewer.closing,
    ):
        assert not done()
        viewer.on_key(27)
        assert done()
    made = bench(view=View.FUSION, compare=Compare.DIVIDER, crop=crop, show=Show.CHANNEL)
    made.viewer.on_key(27)
    assert made.viewer.state.compare is Compare.NONE and made.viewer.state.crop == crop
    made.press("b")
    made.viewer.on_key(27)
    assert made.viewer.state.scales_on and made.viewer.state.crop == crop
    made.viewer.on_key(27)
    assert made.viewer.state.crop != crop and made.viewer.state.show is Show.CHANNEL and not made.viewer.closing


def test_who_slides_off_a_button_has_thought_better_of_it(bench: Benches) -> None:
    made = bench()
    for name, pressed in (
        ("button-i", lambda: made.viewer.state.reverse),
        ("tabs", lambda: made.viewer.state.view is View.FUSION),
    ):
        x, y = made.rect(name).right - 6, made.rect(name).y + 6
        made.viewer.on_mouse(Mouse(Pointer.PRESS, x, y))
        assert not pressed()
        made.viewer.on_mouse(Mouse(Pointer.MOVE, x, y + 300))
        made.viewer.on_mouse(Mouse(Pointer.RELEASE, x, y + 300))
        made.viewer.on_mouse(Mouse(Pointer.RELEASE, x, y))  # pressed elsewhere
        assert not pressed()
        click(made, x, y)
        assert pressed()


@pytest.mark.parametrize("x", [3, 640, 1276])
@pytest.mark.parametrize("y", [3, 400, 796])
def test_a_notice_is_seen_in_a_magnified_window(bench: Benches, x: int, y: int) -> None:
    made = bench()
    made.viewer.on_mouse(Mouse(Pointer.MOVE, x, y))
    made.viewer.magnify(2.5)
    made.viewer.draw(1280, 800)
    label = made.rect("notice")
    left, top = x * 0.6, y * 0.6  # of the part that is seen
    assert left - 1 <= label.x and label.right <= left + 1280 / 2.5 + 1
    assert top - 1 <= label.y and label.bottom <= top + 800 / 2.5 + 1
    assert not label.contains(x, y)


def test_the_help_tells_what_the_wheel_does_here(bench: Benches) -> None:
    made = bench(help=True)
    steps = made.viewer.draw(1280, 800).copy()
    made.viewer.wheel_magnifies = True
    assert (made.viewer.draw(1280, 800) != steps).any()


def test_paging_through_photos(bench: Benches) -> None:
    made = bench()
    for key, photo in (("$", 2), ("^", 0), (")", 2), ("(", 0)):
        made.press(key)
        assert made.viewer.state.photo == photo
    for code, photo in ((0xFF57, 2), (0xFF50, 0), (0xFF56, 2), (0xFF55, 0)):
        made.viewer.on_key(code)
        assert made.viewer.state.photo == photo


def test_saving_writes_all_and_never_over_anything(bench: Benches, tmp_path: Path) -> None:
    made = bench(view=View.FUSION, scales=(1.0, 0.5, 1.0, 1.0))
    made.press("s")
    made.press("s")
    for job in made.worker.jobs:
        assert job(made.engine).startswith("saved ")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(
        f"a_fusion_{number}{end}"
        for number in ("001", "002")
        for end in (".png", "_depth.png", "_depth16.png", "_depth.npy", ".json")
    )
    depth = np.load(tmp_path / "out" / "a_fusion_001_depth.npy")
    assert depth.dtype == np.float32 and depth.shape == (120, 160)
    colour = cv2.imread(str(tmp_path / "out" / "a_fusion_001_depth.png"))
    np.testing.assert_array_equal(colour, depth_picture(depth, "relative"))
    assert cv2.imread(str(tmp_path / "out" / "a_fusion_001_depth16.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    about = json.loads((tmp_path / "out" / "a_fusion_001.json").read_text())
    assert about["fusion_scales"] == [1.0, 0.5, 1.0, 1.0] and about["input_size"] == [280, 378]
    assert cv2.imread(str(tmp_path / "out" / "a_fusion_001.png")).shape == (800, 1280, 3)


def test_a_saved_picture_is_of_the_data_that_is_saved_with_it(bench: Benches, tmp_path: Path) -> None:
    """Also when it is asked for before the window shows that, or while something lies over it."""
    made = bench(view=View.FUSION)
    wanted = bench(view=View.FUSION, photo=1, scales=(1.0, 0.0, 1.0, 1.0), chosen=2).viewer.draw(1280, 800)
    made.press("n", "2", "<", "<", "<", "<", "c", "h")
    made.viewer.on_mouse(Mouse(Pointer.MOVE, *centre(made.rect("depth"))))
    made.viewer.tell("something else")
    made.viewer.draw(1280, 800)
    made.press("s")
    made.worker.jobs[0](made.engine)
    saved = cv2.imread(str(tmp_path / "out" / "b_fusion_001.png"))
    assert saved.shape == wanted.shape
    body = np.s_[:770]  # below are the milliseconds
    assert (saved[body] == wanted[body]).all()


def test_saving_the_norm_view(bench: Benches, tmp_path: Path) -> None:
    made = bench(block=7)
    made.press("s")
    made.worker.jobs[0](made.engine)
    saved = np.load(tmp_path / "out" / "a_norms_001_block_07.npy")
    assert (saved == made.viewer.frame.norms[7]).all()  # type: ignore[union-attr]
    about = json.loads((tmp_path / "out" / "a_norms_001.json").read_text())
    assert about["blocks"][7]["outliers"]["count"] == 1


def test_presets_go_to_a_file_and_back(bench: Benches, tmp_path: Path) -> None:
    made = bench(view=View.FUSION, scales=(1.0, 0.5, -2.0, 5.0))
    made.press("w", "r", "w", "3", ">", "w", "y")  # ones are not worth a preset
    assert made.viewer.state.scales == (1.0, 0.5, -2.0, 5.0)
    made.press("y")
    assert made.viewer.state.scales == (1.0, 1.0, 1.25, 1.0)
    (tmp_path / "presets" / "preset_000.json").write_text("{}")
    made.press("y", "y")
    assert made.viewer._news.notice.bad or made.viewer.state.scales == (1.0, 0.5, -2.0, 5.0)


def fail(made: Bench, unreadable: bool = True) -> None:
    """Answer what the viewer asks with an error."""
    question = made.viewer.question()
    path = made.photos[question.subject.photo]
    made.viewer.take(Notice(f"{path}: expected a photo, got nothing", True, question, unreadable))


def test_a_photo_that_cannot_be_read_shows_why_and_nothing_of_another(bench: Benches) -> None:
    made = bench(view=View.FUSION, files=True)
    viewer = made.viewer
    files = made.rect("files")
    viewer.on_mouse(Mouse(Pointer.PRESS, files.x + 20, files.y + 5 + made.m.row))
    viewer.on_mouse(Mouse(Pointer.RELEASE, files.x + 20, files.y + 5 + made.m.row))
    fail(made)
    first = viewer.draw(1280, 800).copy()
    names = {part.name for part in viewer.parts}
    assert viewer.state.photo == 1 and "absent" in names and not names & {"photo", "depth", "map", "histogram"}
    made.answer_photo(2)  # an answer to something that was asked before
    place = made.rect("absent")
    where = np.s_[place.y : place.bottom, place.x : place.right]
    assert (viewer.draw(1280, 800)[where] == first[where]).all(), "the reason stays as long as the photo"
    viewer.on_mouse(Mouse(Pointer.MOVE, *centre(place)))
    viewer.draw(1280, 800)
    assert viewer.readout == ""
    made.press("n")
    made.answer().draw(1280, 800)
    assert viewer.state.photo == 2 and "depth" in {part.name for part in viewer.parts}
    assert not viewer._news.notice.text, "an error does not outlive its photo"


def test_going_on_passes_photos_that_cannot_be_read(bench: Benches) -> None:
    made = bench()
    viewer = made.viewer
    made.press("n")
    fail(made)
    assert viewer.state.photo == 2 and made.worker.questions[-1].subject.photo == 2
    assert viewer._news.notice.text == "skipped b.png: expected a photo, got nothing"
    made.answer().draw(1280, 800)
    assert "map" in {part.name for part in viewer.parts} and viewer._news.notice.bad
    made.press("p")
    assert viewer.state.photo == 1 and not viewer._news.notice.text
    fail(made)
    assert viewer.state.photo == 0
    made.press("n")
    for _ in range(3):
        fail(made)
    assert viewer._problem, "there is none that can be read"
    made.press("n")
    fail(made, unreadable=False)
    assert viewer._problem, "another size may help, another photo would not"


def test_while_another_photo_is_on_its_way_the_old_one_has_no_numbers(bench: Benches) -> None:
    for view, name in ((View.NORMS, "map"), (View.FUSION, "depth")):
        made = bench(view=view)
        before = made.viewer.draw(1280, 800)[60:770].astype(int)
        made.viewer.on_mouse(Mouse(Pointer.MOVE, *centre(made.rect(name))))
        made.viewer.draw(1280, 800)
        assert made.viewer.readout
        made.press("n")
        made.viewer.tick(True)
        after = made.viewer.draw(1280, 800)[60:770].astype(int)
        assert made.viewer.readout == ""
        place = made.viewer.surface.view.pictures
        inside = np.zeros((800, 1280), dtype=bool)
        inside[place.y : place.bottom + 3, place.x - 3 : place.right + 3] = True  # with the frame around the last tile
        bright = (after > 140).any(-1)
        assert (before > 140).any(-1)[inside[60:770]].mean() > 0.1 and not bright[inside[60:770]].any()


def test_the_value_under_the_mouse_and_a_notice_are_shown_side_by_side(bench: Benches) -> None:
    made = bench()
    made.viewer.on_mouse(Mouse(Pointer.MOVE, *centre(made.rect("map"))))
    quiet = made.viewer.draw(1280, 800)[-20:].copy()
    made.viewer.tell("something went wrong", bad=True)
    told = made.viewer.draw(1280, 800)[-20:]
    assert made.viewer.readout.startswith("row ")
    changed = (quiet != told).any((0, 2)).nonzero()[0]
    assert changed[0] > 200 and changed[-1] < 600, "beside the readout and before the timing"


def test_notices_are_shown_for_a_while(bench: Benches) -> None:
    made = bench()
    now = [0.0]
    made.viewer._clock = lambda: now[0]
    made.viewer.tell("")
    plain = made.viewer.draw(1280, 800).tobytes()
    made.viewer.take(Notice("something went wrong", bad=True))
    assert made.viewer.dirty and made.viewer.draw(1280, 800).tobytes() != plain
    made.viewer.tick(False)
    assert not made.viewer.dirty
    now[0] = 60.0
    made.viewer.tick(False)
    assert made.viewer.dirty and made.viewer.draw(1280, 800).tobytes() == plain


def test_nothing_is_drawn_twice_the_same_work(bench: Benches) -> None:
    made = bench()
    kept = len(made.viewer.surface.pictures._kept)
    for step in range(20):
        made.viewer.on_mouse(Mouse(Pointer.MOVE, 100 + step * 20, 300))
        made.viewer.draw(1280, 800)
    assert len(made.viewer.surface.pictures._kept) == kept
    for step in range(20):
        made.viewer.take(replace(made.viewer.frame, number=10**9 + step))  # type: ignore[type-var]
        made.viewer.draw(1280 + step, 800)
    assert len(made.viewer.surface.pictures._kept) == kept
