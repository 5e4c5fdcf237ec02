"""The scaled depth against the unmodified model's: divider, difference, range; and what the mouse reads out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.fake_model import make_card

from dptscope.pictures.depth import depth_picture
from dptscope.pictures.difference import difference_picture
from dptscope_view.state import Compare, View
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.charts import number

from .conftest import Bench

Benches = Callable[..., Bench]
SCALES = (1.0, -2.0, 1.0, 3.0)


def picture(made: Bench) -> Any:
    rect = made.rect("depth")
    return made.viewer.draw(1280, 800)[rect.y : rect.bottom, rect.x : rect.right].copy()


@pytest.fixture
def made(bench: Benches) -> Bench:
    return bench(view=View.FUSION, scales=SCALES)


def test_the_divider_has_the_original_at_its_left_and_can_be_dragged(made: Bench) -> None:
    scaled = picture(made)
    made.press("b")
    made.answer()
    original = picture(made)
    made.press("b", "t")
    made.answer()
    assert made.viewer.state.compare is Compare.DIVIDER
    rect = made.rect("depth")
    for share in (0.5, 0.25):
        if share != 0.5:
            made.viewer.on_mouse(Mouse(Pointer.PRESS, rect.x + rect.width // 2, rect.y + 9))
            made.viewer.on_mouse(Mouse(Pointer.MOVE, rect.x + round(share * rect.width), rect.y + 50))
            made.viewer.on_mouse(Mouse(Pointer.RELEASE, rect.x + round(share * rect.width), rect.y + 50))
            made.viewer.on_mouse(Mouse(Pointer.MOVE, 5, 5))
        both, line = picture(made), round(made.viewer.state.divider * rect.width)
        assert abs(line - share * rect.width) <= 1
        np.testing.assert_array_equal(both[:, : line - 3], original[:, : line - 3])
        np.testing.assert_array_equal(both[:, line + 3 :], scaled[:, line + 3 :])


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_the_difference_is_signed_towards_nearer(bench: Benches, kind: Any) -> None:
    made = bench(view=View.FUSION, scales=SCALES, compare=Compare.DIFFERENCE, card=make_card(kind=kind))
    frame, rect = made.viewer.frame, made.rect("depth")
    assert frame is not None
    nearer = (frame.depth_hw - frame.original_hw) * (1 if kind == "relative" else -1)
    wanted = difference_picture(nearer, float(np.abs(nearer).max()), (rect.height, rect.width))
    np.testing.assert_array_equal(picture(made), wanted)


def test_difference_colours() -> None:
    blue, green, red = np.moveaxis(difference_picture(np.float32([[-2, 0, 1]]), 2.0), -1, 0)
    assert (blue[0, 1], green[0, 1], red[0, 1]) == (0, 0, 0)
    assert blue[0, 0] > 200 and red[0, 0] < 100 and red[0, 2] > 2 * blue[0, 2]


def test_colours_keep_the_originals_range(made: Bench) -> None:
    frame, rect = made.viewer.frame, made.rect("depth")
    assert frame is not None
    made.press("g")
    limits = float(frame.original_hw.min()), float(frame.original_hw.max())
    wanted = depth_picture(frame.depth_hw, "relative", (rect.height, rect.width), limits=limits)
    np.testing.assert_array_equal(picture(made), wanted)
    assert (wanted != depth_picture(frame.depth_hw, "relative", (rect.height, rect.width))).any()


@pytest.mark.parametrize("compare", [Compare.NONE, Compare.DIVIDER])
@pytest.mark.parametrize("keep_range", [False, True])
@pytest.mark.parametrize("equalise", [False, True])
def test_the_numbers_above_the_depth_are_those_of_its_colours(
    made: Bench, written: list[tuple[Rect, str]], compare: Compare, keep_range: bool, equalise: bool
) -> None:
    """High contrast has the depth's own range whatever is kept; two halves with ranges of their own have no common ends."""
    made.viewer.state = replace(made.viewer.state, compare=compare, keep_range=keep_range, equalise=equalise)
    made.viewer.draw(1280, 800)
    frame, above = made.viewer.frame, made.rect("depth-caption")
    told = [words for rect, words in written if rect.y == above.y and rect.x >= above.x]
    assert frame is not None
    kept = keep_range and not equalise
    if compare is Compare.DIVIDER and not kept:
        assert told == ["Original | scaled", "each by its own range" + ("" if equalise else ", g: by one")]
    else:
        low, high = frame.original_range if kept else (float(frame.depth_hw.min()), float(frame.depth_hw.max()))
        assert told[1:] == [f"far {number(low)}", f"{number(high)} near"]


def test_the_saved_depth_keeps_that_range(made: Bench, tmp_path: Path) -> None:
    frame = made.viewer.frame
    assert frame is not None
    made.press("s", "g", "s", "e", "s")
    ranges = []
    for count, job in enumerate(made.worker.jobs, 1):
        job(made.engine)
        ranges.append(json.loads((tmp_path / f"out/a_fusion_{count:03d}.json").read_text())["colour_range"])
    saved = cv2.imread(str(tmp_path / "out/a_fusion_002_depth.png"))
    depth = np.load(tmp_path / "out/a_fusion_002_depth.npy")
    np.testing.assert_array_equal(saved, depth_picture(depth, "relative", limits=frame.original_range))
    assert (saved != depth_picture(depth, "relative")).any()
    assert ranges == [[float(depth.min()), float(depth.max())], list(frame.original_range), None]


def test_the_mouse_reads_out_what_is_saved(made: Bench, tmp_path: Path) -> None:
    made.press("s")
    made.worker.jobs[0](made.engine)
    saved, rect = np.load(tmp_path / "out/a_fusion_001_depth.npy"), made.rect("depth")
    for x, y in ((0.01, 0.02), (0.37, 0.61), (0.99, 0.98)):
        made.viewer.on_mouse(Mouse(Pointer.MOVE, int(rect.x + x * rect.width), int(rect.y + y * rect.height)))
        made.viewer.draw(1280, 800)
        column, row = (int(word.split()[1]) for word in made.viewer.readout.split(" · ")[0].split(", "))
        assert made.viewer.readout.endswith(f"depth {number(float(saved[row, column]))}")
    made.viewer.state = replace(made.viewer.state, compare=Compare.DIVIDER)
    made.viewer.draw(1280, 800)
    original = made.engine.photo_depth(replace(made.viewer.question(), scales=(1.0, 1.0, 1.0, 1.0)))
    assert made.viewer.readout.endswith(f", original {number(float(original[row, column]))}")
