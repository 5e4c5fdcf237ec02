"""Attention in the norm view: the token under the mouse, heads as tiles, both ways, the class token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_model import SWIN_BLOCKS, make_card

from dptscope.pictures.text import REGULAR, elide
from dptscope_view.anchor import CLASS_TOKEN, cell_at
from dptscope_view.state import Show
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.charts import number

from .conftest import Bench

Benches = Callable[..., Bench]
PLACE = (0.315, 0.72)


def at(rect: Any, place: tuple[float, float]) -> tuple[int, int]:
    return int(rect.x + place[0] * rect.width), int(rect.y + place[1] * rect.height)


def over(made: Bench, place: tuple[float, float] = PLACE, press: bool = False) -> None:
    x, y = at(made.rect("map"), place)
    made.viewer.on_mouse(Mouse(Pointer.MOVE, x, y))
    if press:
        made.viewer.on_mouse(Mouse(Pointer.PRESS, x, y))
        made.viewer.on_mouse(Mouse(Pointer.RELEASE, x, y))
    made.viewer.draw(1280, 800)


@pytest.fixture
def made(bench: Benches) -> Bench:
    return bench(show=Show.ATTENTION, block=4)


def wanted(made: Bench, token: Any) -> Any:
    frame = made.viewer.frame
    assert frame is not None and frame.attention is not None
    return frame.attention.of(token)


def cell(made: Bench, place: tuple[float, float] = PLACE) -> tuple[int, int]:
    assert made.viewer.frame is not None
    return cell_at(place, made.viewer.frame.norms[4].shape)


def test_the_block_that_is_shown_is_asked_for(made: Bench) -> None:
    assert made.viewer.question().attention == 4 and made.viewer.question().tokens
    made.press("k")
    assert made.viewer.question().attention == 5
    made.press("v")
    assert made.viewer.question().attention is None


def test_what_the_token_attends_to_and_who_attends_to_it(made: Bench) -> None:
    over(made, PLACE, press=True)
    token, other = cell(made), cell(made, (0.61, 0.23))
    over(made, (0.61, 0.23))
    attention = wanted(made, token)
    assert f"attention {number(float(attention.row.mean(0)[other]))}" in made.viewer.readout
    made.press("w")
    made.viewer.draw(1280, 800)
    assert f"attention {number(float(attention.column.mean(0)[other]))}" in made.viewer.readout


def test_heads_are_tiles_and_a_click_shows_one_large(made: Bench) -> None:
    over(made, PLACE, press=True)
    token = cell(made)
    rect = made.rect("tiles")
    made.viewer.on_mouse(Mouse(Pointer.PRESS, rect.x + 8, rect.y + 8))
    made.viewer.on_mouse(Mouse(Pointer.RELEASE, rect.x + 8, rect.y + 8))
    made.viewer.draw(1280, 800)
    assert made.viewer.state.head == 0 and made.viewer.state.block == 4
    over(made, (0.61, 0.23))
    other = cell(made, (0.61, 0.23))
    assert f"attention {number(float(wanted(made, token).row[0][other]))}" in made.viewer.readout
    made.viewer.on_mouse(Mouse(Pointer.PRESS, rect.x + 8, rect.y + 8))
    assert made.viewer.state.head is None


def test_moving_over_a_token_shows_its_own_attention(made: Bench) -> None:
    over(made)
    own = wanted(made, cell(made)).row.mean(0)[cell(made)]
    assert f"attention {number(float(own))}" in made.viewer.readout
    rect = made.rect("map")
    first = made.viewer.draw(1280, 800)[rect.y : rect.bottom, rect.x : rect.right].copy()
    over(made, (0.8, 0.1))
    assert (made.viewer.draw(1280, 800)[rect.y : rect.bottom, rect.x : rect.right] != first).any()


def test_before_the_mouse_comes_it_is_said_whose_attention_that_is(
    made: Bench, written: list[tuple[Rect, str]]
) -> None:
    for step, whose in ((None, "the token in the middle"), (PLACE, "it")):
        if step is not None:
            over(made, step)
        made.viewer.draw(1280, 800)
        told = [words for _, words in written if words.startswith("what ") and " attends to, " in words]
        assert set(told) == {f"what {whose} attends to, mean over heads"}
        written.clear()


def test_a_kept_token_of_another_photo_is_not_taken_for_one_of_this(made: Bench, tmp_path: Path) -> None:
    over(made, PLACE, press=True)
    made.press("n")
    made.answer().draw(1280, 800)
    over(made, (0.61, 0.23))
    attention = wanted(made, cell(made, (0.61, 0.23)))
    own = attention.row.mean(0)[cell(made, (0.61, 0.23))]
    assert f"attention {number(float(own))}" in made.viewer.readout
    made.press("s")
    made.worker.jobs[0](made.engine)
    saved = np.load(tmp_path / "out" / "b_norms_001_block_04.npy")
    np.testing.assert_allclose(saved, attention.row.mean(0), rtol=1e-6)
    about = json.loads((tmp_path / "out" / "b_norms_001.json").read_text())
    assert about["shown"] == "attention of a token of b.png, mean over heads"
    made.viewer.on_mouse(Mouse(Pointer.MOVE, 1, 1))
    made.viewer.draw(1280, 800)
    made.press("s")
    made.worker.jobs[1](made.engine)
    about = json.loads((tmp_path / "out" / "b_norms_002.json").read_text())
    assert about["shown"] == "attention of the token in the middle, mean over heads"


def test_before_the_next_block_s_attention_is_there_the_mouse_reads_the_one_that_is_shown(bench: Benches) -> None:
    """Of another grid, where the next block begins another stage."""
    made = bench(show=Show.ATTENTION, block=9, card=make_card(SWIN_BLOCKS, dynamic=False, native=256))
    place = (0.97, 0.97)
    over(made, place)
    made.press("k")
    over(made, place)
    assert made.viewer.readout.startswith("row 7, column 7 · attention ")
    made.answer().draw(1280, 800)
    assert made.viewer.readout.startswith("row 7, column 7 · attention ")
    made.press("j")
    over(made, place)
    assert made.viewer.readout.startswith("row 15, column 15 · attention ")


def test_where_there_is_none_the_view_shows_norms_and_says_why(bench: Benches) -> None:
    made = bench(show=Show.ATTENTION, block=0)
    frame = made.viewer.frame
    assert frame is not None and frame.attention is None
    assert made.viewer.readout == "expected a file that says what goes into block 0"
    made.press("k")
    made.answer().draw(1280, 800)
    assert made.viewer.frame is not None and made.viewer.frame.attention is not None


def test_the_class_token_is_one_key_away(
    bench: Benches, monkeypatch: pytest.MonkeyPatch, written: list[tuple[Rect, str]]
) -> None:
    made = bench(show=Show.ATTENTION, block=4, card=replace(make_card(), has_cls=True))
    asked: list[Any] = []
    frame = made.viewer.frame
    assert frame is not None and frame.attention is not None
    original = frame.attention.of
    monkeypatch.setattr(frame.attention, "of", lambda token: asked.append(token) or original((0, 0)))
    made.press("g")
    made.viewer.draw(1280, 800)
    assert made.viewer.state.show is Show.ATTENTION and made.viewer.state.anchor is CLASS_TOKEN
    assert set(asked) == {"class"}
    over(made)
    assert " of the class token · norm " in made.viewer.readout
    made.press("w")
    made.viewer.draw(1280, 800)
    assert " to the class token · norm " in made.viewer.readout
    assert any(words.startswith("who attends to the class token, mean over heads") for _, words in written)


@pytest.mark.parametrize("size", [(640, 480), (900, 600), (1280, 800)])
@pytest.mark.parametrize("registers", [0, 4])
def test_the_numbers_of_the_colour_bar_are_whole(
    bench: Benches, written: list[tuple[Rect, str]], size: tuple[int, int], registers: int
) -> None:
    """What is told beside it leaves them room."""
    card = replace(make_card(), has_cls=True, registers=registers)
    made = bench(*size, show=Show.ATTENTION, block=4, card=card, anchor=CLASS_TOKEN)
    bar, small = made.rect("bar"), made.m.small
    told = [(rect, words) for rect, words in written if rect.y == bar.y and bar.x <= rect.x < bar.right]
    assert len(told) == 3 and told[0][1].startswith("what the class token attends to, mean over heads")
    assert all(elide(words, rect.width, small, REGULAR) == words for rect, words in told[1:])


@pytest.mark.parametrize("show", [Show.NORM, Show.SIMILARITY, Show.ATTENTION])
def test_the_key_that_turns_attention_round_shows_it_first(bench: Benches, show: Show) -> None:
    made = bench(show=show)
    made.press("w")
    assert made.viewer.state.show is Show.ATTENTION and made.viewer.state.attended is (show is Show.ATTENTION)


def test_attention_is_saved(made: Bench, tmp_path: Path) -> None:
    over(made)
    made.press("w", "s")
    made.worker.jobs[0](made.engine)
    attention, out = wanted(made, cell(made)), tmp_path / "out"
    np.testing.assert_allclose(np.load(out / "a_norms_001_block_04.npy"), attention.column.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(np.load(out / "a_norms_001_block_04_attention_row.npy"), attention.row)
    about = json.loads((out / "a_norms_001.json").read_text())
    assert about["shown"] == "attention to a token of a.png, mean over heads"


def test_the_attention_of_the_shipped_model_sums_to_one() -> None:
    """End to end: what the window's engine shows of a real file."""
    import dptscope
    from dptscope.commands.demo import MODEL, demo_photos
    from dptscope_view.engine import Engine
    from dptscope_view.frame import Question, Subject

    engine = Engine(dptscope.load(MODEL), tuple(demo_photos()))
    frame = engine.full(Question(Subject(0, 224), tokens=True, attention=7))
    assert frame.attention is not None and not frame.no_attention
    one = frame.attention.of((3, 5))
    np.testing.assert_allclose(one.row.sum((1, 2)) + one.row_special.sum(1), 1, atol=1e-5)
