"""Two photos side by side in the norm view, with the mouse linked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dptscope import tokens
from dptscope_view.anchor import cell_at, place_of
from dptscope_view.state import Show
from dptscope_view.ui import theme
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.views.charts import number

from .conftest import Bench

Benches = Callable[..., Bench]


@pytest.fixture
def made(bench: Benches) -> Bench:
    """The photo b, with a kept beside it."""
    made = bench(block=3)
    made.press("r", "n")
    made.answer().draw(1280, 800)
    return made


def framed(picture: Any, rect: Any) -> tuple[float, float] | None:
    """The middle of the frame in a map, as shares."""
    part = picture[rect.y : rect.bottom, rect.x : rect.right]
    rows, columns = np.nonzero((part == theme.TEXT).all(-1))
    return None if not rows.size else (columns.mean() / rect.width, rows.mean() / rect.height)


def over(made: Bench, part: str, x: float, y: float) -> Any:
    rect = made.rect(part)
    made.viewer.on_mouse(Mouse(Pointer.MOVE, int(rect.x + x * rect.width), int(rect.y + y * rect.height)))
    picture = made.viewer.draw(1280, 800).copy()
    label = made.rect("token-label") if any(part.name == "token-label" for part in made.viewer.parts) else None
    if label is not None:
        picture[label.y : label.bottom, label.x : label.right] = 0  # its words are as white as the frames
    return picture


def test_the_kept_photo_takes_the_place_of_the_tiles(made: Bench) -> None:
    names = {part.name for part in made.viewer.parts}
    assert "beside" in names and "tiles" not in names
    kept = made.rect("beside")
    assert kept.width / kept.height == pytest.approx(160 / 120, rel=0.02)  # a's shape; b stands upright
    made.press("r")
    made.viewer.draw(1280, 800)
    assert "tiles" in {part.name for part in made.viewer.parts}


@pytest.mark.parametrize(("here", "there"), [("map", "beside"), ("beside", "map")])
def test_the_same_place_is_marked_in_both(made: Bench, here: str, there: str) -> None:
    picture = over(made, here, 0.3, 0.7)
    found = framed(picture, made.rect(there))
    assert found is not None
    assert found[0] == pytest.approx(0.3, abs=0.05) and found[1] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize(("here", "there"), [("map", "beside"), ("beside", "map")])
def test_similarity_marks_the_most_similar_token_of_the_other(made: Bench, here: str, there: str) -> None:
    made.viewer.state = replace(made.viewer.state, show=Show.SIMILARITY)
    made.answer().draw(1280, 800)
    picture = over(made, here, 0.3, 0.7)
    frames = {"map": made.viewer.frame, "beside": made.viewer._beside}
    source, other = frames[here], frames[there]
    assert source is not None and other is not None and source.tokens is not None and other.tokens is not None
    token = source.tokens[3][cell_at((0.3, 0.7), source.norms[3].shape)]
    similar = tokens.similarity(other.tokens[3], token)
    row, column = np.unravel_index(int(similar.argmax()), similar.shape)
    wanted, found = place_of((int(row), int(column)), similar.shape), framed(picture, made.rect(there))
    assert found is not None
    assert found[0] == pytest.approx(wanted[0], abs=0.04) and found[1] == pytest.approx(wanted[1], abs=0.04)


def test_the_mouse_reads_out_the_photo_that_it_is_over(made: Bench) -> None:
    over(made, "beside", 0.3, 0.7)
    kept = made.viewer._beside
    assert kept is not None
    row, column = cell_at((0.3, 0.7), kept.norms[3].shape)
    norm = number(float(kept.norms[3][row, column]))
    assert made.viewer.readout.startswith(f"a.png · row {row}, column {column} · norm {norm} · rank")
    assert any(part.name == "token-label" for part in made.viewer.parts)
    over(made, "map", 0.3, 0.7)
    assert not made.viewer.readout.startswith("a.png")


@pytest.mark.parametrize("press", [False, True])
def test_a_token_of_the_kept_photo_is_compared_with_kept_and_saved(made: Bench, tmp_path: Path, press: bool) -> None:
    """The words beside the mouse offer it; what is saved without it is of the token under the mouse all the same."""
    made.viewer.state = replace(made.viewer.state, show=Show.SIMILARITY)
    made.answer().draw(1280, 800)
    over(made, "beside", 0.3, 0.7)
    rect = made.rect("beside")
    shown, kept = made.viewer.frame, made.viewer._beside
    assert shown is not None and kept is not None and shown.tokens is not None and kept.tokens is not None
    cell = cell_at((0.3, 0.7), kept.norms[3].shape)
    if press:
        for kind in (Pointer.PRESS, Pointer.RELEASE):
            made.viewer.on_mouse(Mouse(kind, int(rect.x + 0.3 * rect.width), int(rect.y + 0.7 * rect.height)))
        made.viewer.on_mouse(Mouse(Pointer.MOVE, 5, 5))
        found = framed(made.viewer.draw(1280, 800), rect)
        assert found == pytest.approx(place_of(cell, kept.norms[3].shape), abs=0.01), "it is marked where it is"
    made.press("s")
    made.worker.jobs[0](made.engine)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out/b_norms_001_block_03.npy"),
        tokens.similarity(shown.tokens[3], kept.tokens[3][cell], shown.norms[3]),
    )
    about = json.loads((tmp_path / "out/b_norms_001.json").read_text())
    assert about["shown"] == "cosine similarity to a token of a.png"


def test_attention_is_that_of_the_place_under_the_mouse(made: Bench, tmp_path: Path) -> None:
    """Of the photo that is shown, whichever of the two the mouse is over; a click there keeps nothing, for nothing of the
    other could be shown of it."""
    made.viewer.state = replace(made.viewer.state, show=Show.ATTENTION)
    made.answer().draw(1280, 800)
    over(made, "beside", 0.32, 0.72)
    frame, rect = made.viewer.frame, made.rect("beside")
    assert frame is not None and frame.attention is not None
    made.viewer.on_mouse(Mouse(Pointer.PRESS, int(rect.x + 0.32 * rect.width), int(rect.y + 0.72 * rect.height)))
    assert made.viewer.state.anchor is None
    made.press("s")
    made.worker.jobs[0](made.engine)
    row = frame.attention.of(cell_at((0.32, 0.72), frame.norms[3].shape)).row
    np.testing.assert_array_equal(np.load(tmp_path / "out/b_norms_001_block_03_attention_row.npy"), row)


def test_what_is_saved_shows_both(made: Bench, tmp_path: Path) -> None:
    made.press("s")
    made.worker.jobs[0](made.engine)
    saved, shown = cv2.imread(str(tmp_path / "out/b_norms_001.png")), made.viewer.draw(1280, 800)
    rect = made.rect("beside")
    inside = np.s_[rect.y : rect.bottom, rect.x : rect.right]
    np.testing.assert_array_equal(saved[inside], shown[inside])
