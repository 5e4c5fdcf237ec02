"""The norm view as an explorer of tokens: linked sight, similarity, components, outliers, and what is saved of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.fake_model import SWIN_BLOCKS, make_card

from dptscope import tokens
from dptscope.pictures.norms import colours_picture
from dptscope.pictures.scaling import Scaling
from dptscope.pictures.text import REGULAR, text_width
from dptscope_view.anchor import CLASS_TOKEN, cell_at
from dptscope_view.app import token_of
from dptscope_view.state import Show, View, scalings_of
from dptscope_view.ui import theme
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views import maps
from dptscope_view.views.charts import number

from .conftest import Bench

Benches = Callable[..., Bench]
ESC = 27


def spot(rect: Any, x: float, y: float) -> tuple[int, int]:
    return int(rect.x + x * rect.width), int(rect.y + y * rect.height)


def over(made: Bench, part: str, x: float, y: float, kind: Pointer = Pointer.MOVE) -> tuple[float, float]:
    """Bring the mouse over a place of a picture, do something there, draw; returns the place that was hit."""
    rect = made.rect(part)
    at = spot(rect, x, y)
    made.viewer.on_mouse(Mouse(Pointer.MOVE, *at))
    if kind is Pointer.PRESS:
        made.viewer.on_mouse(Mouse(Pointer.PRESS, *at))
        made.viewer.on_mouse(Mouse(Pointer.RELEASE, *at))
    made.viewer.draw(1280, 800)
    return (at[0] - rect.x) / rect.width, (at[1] - rect.y) / rect.height


def tile_rect(made: Bench, block: int) -> Any:
    """Where a block's tile is: what a click there chooses tells."""
    rect = made.rect("tiles")
    found = []
    for y in range(rect.y, rect.bottom, 3):
        for x in range(rect.x, rect.right, 3):
            part = next(part for part in made.viewer.parts if part.name == "tiles")
            answer = part.respond(Mouse(Pointer.PRESS, x, y), part.rect, True)
            if answer is not None and answer.block == block:  # type: ignore[union-attr]
                found.append((x, y))
    return found[0], found[-1]


def frame_of(made: Bench) -> Any:
    assert made.viewer.frame is not None
    return made.viewer.frame


def test_the_token_under_the_mouse_is_marked_in_every_tile_and_in_the_strip(bench: Benches) -> None:
    made = bench(block=3)
    before = made.viewer.draw(1280, 800).copy()
    place = over(made, "map", 0.31, 0.62)
    after = made.viewer.draw(1280, 800)
    changed = (before != after).any(-1)
    for part in ("map", "tiles", "strip"):
        rect = made.rect(part)
        assert changed[rect.y : rect.bottom, rect.x : rect.right].any(), part
    norms = frame_of(made).norms[3]
    cell = cell_at(place, norms.shape)
    assert f"row {cell[0]}, column {cell[1]} · norm {number(float(norms[cell]))}" in made.viewer.readout
    # In each of the twelve tiles: they are twelve places that lie apart.
    rect = made.rect("tiles")
    count, _ = cv2.connectedComponents(
        cv2.dilate(changed[rect.y : rect.bottom, rect.x : rect.right].astype(np.uint8), np.ones((9, 9)))
    )
    assert count - 1 == 12


def test_a_tile_is_hovered_like_the_map(bench: Benches) -> None:
    """The same place of the photo, wherever the mouse is; the value is the chosen block's."""
    made = bench(block=3)
    (x0, y0), _ = tile_rect(made, 9)
    made.viewer.on_mouse(Mouse(Pointer.MOVE, x0 + 20, y0 + 20))
    made.viewer.draw(1280, 800)
    in_tile = made.viewer.readout
    row, column = (int(word.split()[1]) for word in in_tile.split(" · ")[0].split(", "))
    rows, columns = frame_of(made).norms[3].shape
    over(made, "map", (column + 0.5) / columns, (row + 0.5) / rows)
    assert made.viewer.readout == in_tile and "norm" in in_tile


@pytest.mark.parametrize(("x", "y"), [(0.02, 0.02), (0.98, 0.98), (0.98, 0.02), (0.5, 0.98)])
def test_the_words_beside_the_mouse_are_not_under_it(bench: Benches, x: float, y: float) -> None:
    """They would take its clicks."""
    made = bench()
    over(made, "map", x, y)
    label = made.rect("token-label")
    assert not label.contains(*spot(made.rect("map"), x, y))
    assert label.x >= 0 and label.right <= 1280 and label.y >= 0 and label.bottom <= 800
    over(made, "map", x, y, Pointer.PRESS)
    assert made.viewer.state.anchor is not None


@pytest.mark.parametrize("show", [Show.NORM, Show.SIMILARITY])
def test_only_where_a_click_keeps_the_token_it_is_offered(bench: Benches, show: Show) -> None:
    """Over a tile it chooses the block."""
    made = bench(block=3, show=show)

    def label_width(part: str) -> int:
        over(made, part, 0.02, 0.03)
        width = int(made.rect("token-label").width)
        return width - text_width(made.viewer.readout, made.m.small, REGULAR)

    offered = label_width("map")
    assert label_width("tiles") < offered - 40 if show is Show.SIMILARITY else label_width("tiles") == offered


def test_similar_tiles_follow_when_the_mouse_rests(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made, now = Bench(photos, tmp_path, show=Show.SIMILARITY, block=3), [100.0]
    made.viewer._clock = lambda: now[0]
    made.answer().draw(1280, 800)
    over(made, "map", 0.2, 0.2)
    now[0] += 1
    made.viewer.tick(False)

    def drawn() -> tuple[Any, Any]:
        picture = made.viewer.draw(1280, 800)
        return tuple(picture[r.y : r.bottom, r.x : r.right].copy() for r in (made.rect("map"), made.rect("tiles")))  # type: ignore[return-value]

    before = drawn()
    now[0] += 0.01
    over(made, "map", 0.3, 0.7)  # where the words beside the mouse end before the tiles, with any font
    made.viewer.tick(False)
    moving = drawn()
    now[0] += 0.2
    made.viewer.tick(False)
    assert made.viewer.dirty
    resting = drawn()
    assert (before[0] != moving[0]).any() and (moving[0] == resting[0]).all()

    def differing(first: Any, second: Any) -> float:
        return float((first != second).any(-1).mean())

    # While it moves only the marks do in the tiles; then all of them.
    assert differing(before[1], moving[1]) < 0.05 < 0.3 < differing(moving[1], resting[1])
    made.viewer.tick(False)
    assert not made.viewer.dirty


@pytest.mark.parametrize("blocks", ["plain", "swin"])
def test_similarity_under_the_mouse(bench: Benches, blocks: str) -> None:
    card = make_card(SWIN_BLOCKS, dynamic=False, native=256) if blocks == "swin" else None
    made = bench(card=card, show=Show.SIMILARITY, block=8)
    place = over(made, "map", 0.7, 0.4)
    frame = frame_of(made)
    assert frame.tokens is not None
    cell = cell_at(place, frame.norms[8].shape)
    assert made.viewer.readout.startswith(f"row {cell[0]}, column {cell[1]} · similarity 1.00 · norm")
    over(made, "map", 0.7, 0.4, Pointer.PRESS)
    other = over(made, "map", 0.2, 0.2)
    wanted = tokens.similarity(frame.tokens[8], cell)[cell_at(other, frame.norms[8].shape)]
    assert f"similarity {number(float(wanted))} to a token of a.png" in made.viewer.readout


def test_a_newcomer_is_led_to_similarity(bench: Benches) -> None:
    """A word where the mouse is not over anything yet, one beside it, and the key that both name."""
    made = bench(block=3)
    assert made.viewer.readout.endswith("over a token, y shows what is similar to it")

    def label_width() -> int:
        over(made, "map", 0.3, 0.3)
        return int(made.rect("token-label").width)

    hinted = label_width()
    made.press("y")
    assert made.viewer.state.show is Show.SIMILARITY
    made.answer().draw(1280, 800)
    assert "similarity" in made.viewer.readout
    over(made, "map", 0.3, 0.3, Pointer.PRESS)
    assert made.viewer.state.anchor is not None
    made.press("y")
    assert made.viewer.state.show is Show.NORM
    made.viewer.state = replace(made.viewer.state, show=Show.PHOTO)
    assert label_width() < hinted - 50, "where it leads nowhere, nothing is offered"


def test_a_kept_token_goes_along_to_another_photo_and_a_second_click_lets_it_go(bench: Benches) -> None:
    made = bench(show=Show.SIMILARITY, block=2)
    place = over(made, "map", 0.4, 0.4, Pointer.PRESS)
    frame = frame_of(made)
    kept = frame.tokens[2][cell_at(place, frame.norms[2].shape)]
    made.press("n")
    made.answer().draw(1280, 800)
    other = over(made, "map", 0.6, 0.6)
    new = frame_of(made)
    wanted = tokens.similarity(new.tokens[2], kept)[cell_at(other, new.norms[2].shape)]
    assert f"similarity {number(float(wanted))} to a token of a.png" in made.viewer.readout
    made.press("p")
    made.answer().draw(1280, 800)
    over(made, "map", 0.4, 0.4, Pointer.PRESS)
    assert made.viewer.state.anchor is None


def test_a_kept_token_stays_in_sight_while_the_mouse_is_over_another(bench: Benches) -> None:
    made = bench(show=Show.SIMILARITY, block=2)
    x, y = over(made, "map", 0.4, 0.3, Pointer.PRESS)
    rect = made.rect("map")

    def framed() -> Any:
        picture = made.viewer.draw(1280, 800)[rect.y : rect.bottom, rect.x : rect.right]
        return np.argwhere((picture == theme.ACCENT).all(-1))

    assert not framed().size, "under the mouse it is marked like any other"
    over(made, "map", 0.8, 0.8)
    rows, columns = frame_of(made).norms[2].shape
    middle = framed().mean(0) / (rect.height, rect.width)
    assert middle == pytest.approx(((int(y * rows) + 0.5) / rows, (int(x * columns) + 0.5) / columns), abs=0.01)


def test_a_token_that_was_kept_without_its_tokens(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large model they are fetched when somebody asks for similarity: after the click."""
    monkeypatch.setattr("dptscope_view.engine.MOST_TOKEN_BYTES", 0)
    made = bench(block=2)
    over(made, "map", 0.4, 0.4, Pointer.PRESS)
    anchor = made.viewer.state.anchor
    assert anchor is not None and anchor.place is not None and not anchor.tokens
    made.press("y")
    made.answer().draw(1280, 800)
    other = over(made, "map", 0.6, 0.6)
    frame = frame_of(made)
    wanted = tokens.similarity(frame.tokens[2], cell_at(anchor.place, frame.norms[2].shape))
    cell = cell_at(other, frame.norms[2].shape)
    assert f"similarity {number(float(wanted[cell]))} to a token of a.png" in made.viewer.readout
    token_c = frame.tokens[2][cell_at(anchor.place, frame.norms[2].shape)]
    made.press("n")  # it goes along to another photo
    made.answer().draw(1280, 800)
    frame = frame_of(made)
    other_c = frame.tokens[2][cell_at(over(made, "map", 0.6, 0.6), frame.norms[2].shape)]
    cosine = other_c @ token_c / np.linalg.norm(other_c) / np.linalg.norm(token_c)
    assert f"similarity {number(float(cosine))} to a token of a.png" in made.viewer.readout


def test_a_token_whose_tokens_never_came(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    """To another photo it cannot go along, and nothing says that it did."""
    monkeypatch.setattr("dptscope_view.engine.MOST_TOKEN_BYTES", 0)
    made = bench(block=2)
    over(made, "map", 0.4, 0.4, Pointer.PRESS)
    made.press("n", "y")
    made.answer().draw(1280, 800)
    over(made, "map", 0.6, 0.6)
    assert "similarity 1.00 · norm" in made.viewer.readout


def test_a_kept_token_stays_where_it_is_in_a_crop(bench: Benches) -> None:
    made = bench(block=2)
    x, y = over(made, "map", 0.7, 0.4, Pointer.PRESS)
    kept = made.viewer.state.anchor
    assert kept is not None and kept.place is not None
    rows, columns = frame_of(made).norms[2].shape
    assert abs(kept.place[0] - x) <= 0.5 / columns and abs(kept.place[1] - y) <= 0.5 / rows
    for crop, inside in (((0.4, 0.0, 1.0, 0.7), True), ((0.0, 0.0, 0.6, 1.0), False)):
        made.viewer.state = replace(made.viewer.state, crop=crop)
        made.answer().on_mouse(Mouse(Pointer.MOVE, 5, 5))
        made.viewer.draw(1280, 800)
        rows, columns = frame_of(made).norms[2].shape
        x, y = (kept.place[0] - crop[0]) / (crop[2] - crop[0]), (kept.place[1] - crop[1]) / (crop[3] - crop[1])
        at = int(y * rows), int(x * columns)
        assert made.viewer.readout.startswith(f"row {at[0]}, column {at[1]} · ") == inside
        if inside:  # a click there lets it go, as everywhere
            anchor = made.viewer.state.anchor
            over(made, "map", x, y, Pointer.PRESS)
            assert made.viewer.state.anchor is None
            made.viewer.state = replace(made.viewer.state, anchor=anchor)


def test_similarity_to_the_class_token(bench: Benches) -> None:
    card = replace(make_card(), has_cls=True)
    made = bench(card=card, block=5)
    made.press("g")
    assert made.viewer.state.show is Show.SIMILARITY and made.viewer.state.anchor is CLASS_TOKEN
    place = over(made, "map", 0.3, 0.3)
    frame = frame_of(made)
    wanted = tokens.similarity(frame.tokens[5], frame.cls_tokens[5])[cell_at(place, frame.norms[5].shape)]
    assert f"similarity {number(float(wanted))} to the class token" in made.viewer.readout
    made.press("g")
    assert made.viewer.state.anchor is None


def test_registers_follow_the_class_token(bench: Benches) -> None:
    """One key after the other; the strip has a line for each of their norms, and a saved report their numbers."""
    made = bench(card=replace(make_card(), has_cls=True, registers=2), block=5)
    made.press("g", "g", "g")
    anchor, frame = made.viewer.state.anchor, frame_of(made)
    assert anchor is not None and anchor.special == ("register", 1)
    place = over(made, "map", 0.3, 0.3)
    wanted = tokens.similarity(frame.tokens[5], frame.register_tokens[5, 1])[cell_at(place, frame.norms[5].shape)]
    assert f"similarity {number(float(wanted))} to register 1" in made.viewer.readout
    made.press("g")
    assert made.viewer.state.anchor is None


def test_no_class_token_no_key(bench: Benches) -> None:
    made = bench()
    made.press("g")
    assert made.viewer.state.show is Show.NORM


def test_components_are_asked_for_and_drawn(bench: Benches) -> None:
    made = bench(block=4)
    assert not made.viewer.question().components
    made.viewer.state = replace(made.viewer.state, show=Show.COMPONENTS)
    assert made.viewer.question().components
    norms = made.viewer.draw(1280, 800).copy()
    made.answer()
    picture, rect = made.viewer.draw(1280, 800), made.rect("map")
    wanted = tokens.components_of_blocks(frame_of(made).tokens)[4].colours()
    inside = np.s_[rect.y : rect.bottom, rect.x : rect.right]
    np.testing.assert_array_equal(picture[inside], colours_picture(wanted, (rect.height, rect.width)))
    assert (picture[inside] != norms[inside]).any()


def test_components_have_their_own_numbers_below_them(bench: Benches, written: list[tuple[Rect, str]]) -> None:
    made = bench(block=4, show=Show.COMPONENTS)
    frame, tiles = frame_of(made), made.rect("tiles")
    told = [words for rect, words in written if tiles.contains(rect.x, rect.y) and not words.isdecimal()]
    assert told == [
        " + ".join(f"{100 * share:.0f}" for share in found.explained_k) + " %" for found in frame.components
    ]
    assert any(words.startswith(f"red, green, blue: {told[4]} of the variance") for _, words in written)


def test_the_photo_shines_through(bench: Benches) -> None:
    made = bench()
    rect = made.rect("map")
    inside = np.s_[rect.y : rect.bottom, rect.x : rect.right]
    map_alone = made.viewer.draw(1280, 800)[inside].copy()
    made.viewer.state = replace(made.viewer.state, show=Show.PHOTO)
    photo = made.viewer.draw(1280, 800)[inside].copy()
    made.viewer.state = replace(made.viewer.state, show=Show.NORM)
    made.press("t")
    blended = made.viewer.draw(1280, 800)[inside]
    share = made.viewer.state.blend
    assert 0 < share < 1
    np.testing.assert_allclose(blended, share * photo.astype(float) + (1 - share) * map_alone, atol=1)
    made.press("t", "t")
    assert made.viewer.state.blend == 0


def test_stepping_through_the_outliers(bench: Benches) -> None:
    made = bench(block=7)
    made.press("f")
    made.viewer.draw(1280, 800)
    row, column, _ = frame_of(made).statistics[7].outliers[0]
    anchor = made.viewer.state.anchor
    assert anchor is not None and cell_at(anchor.place, frame_of(made).norms[7].shape) == (row, column)
    assert made.viewer.readout.startswith(f"row {row}, column {column} · ")
    told = made.viewer._news.notice.text
    assert told.startswith("outlier 1 of 1: norm ") and told.endswith("; one in blocks 6, 7, 8, 9, 10, 11")
    made.press("+")
    assert not made.viewer._news.notice.text, "it is not of the run that comes"
    quiet = bench(block=0)
    quiet.press("f")
    assert quiet.viewer.state.anchor is None and quiet.viewer._news.notice.text == "no outliers in block 0"


def test_what_is_saved_is_what_the_mouse_reads_out(bench: Benches, tmp_path: Path) -> None:
    made = bench(show=Show.SIMILARITY, block=3)
    place = over(made, "map", 0.25, 0.75)
    frame = frame_of(made)
    made.press("s")
    made.worker.jobs[0](made.engine)
    out = tmp_path / "out"
    cell = cell_at(place, frame.norms[3].shape)
    np.testing.assert_array_equal(
        np.load(out / "a_norms_001_block_03.npy"), tokens.similarity(frame.tokens[3], cell, frame.norms[3])
    )
    np.testing.assert_array_equal(np.load(out / "a_norms_001_block_03_tokens.npy"), frame.tokens[3])
    about = json.loads((out / "a_norms_001.json").read_text())
    assert about["shown"] == "cosine similarity to a token of a.png" and about["scaling"]["how"] == "plain"


def test_components_are_saved(bench: Benches, tmp_path: Path) -> None:
    made = bench(show=Show.COMPONENTS, block=3)
    made.press("s")
    made.worker.jobs[0](made.engine)
    scores = np.load(tmp_path / "out/a_norms_001_block_03_components.npy")
    assert scores.shape == (*frame_of(made).norms[3].shape, 3)


def test_escape_ends_what_runs_then_lets_go_then_quits(bench: Benches) -> None:
    made = bench()
    over(made, "map", 0.5, 0.5, Pointer.PRESS)
    made.worker.running = True
    made.viewer.on_key(ESC)
    assert not made.worker.running and made.viewer.state.anchor is not None
    assert made.viewer._news.notice.text == "stopped; any key goes on"
    made.viewer.on_key(ESC)
    assert made.viewer.state.anchor is None and not made.viewer.closing
    made.viewer.on_key(ESC)
    assert made.viewer.closing


@pytest.mark.parametrize(
    ("show", "lit", "then"),
    [
        (Show.NORM, Scaling.ROBUST, Scaling.PLAIN),
        (Show.SIMILARITY, Scaling.PLAIN, Scaling.SHARED),
        (Show.ATTENTION, Scaling.LOG, Scaling.PLAIN),
    ],
)
def test_a_scaling_that_means_nothing_is_not_lit_nor_chosen(
    bench: Benches, written: list[tuple[Any, str]], show: Show, lit: Scaling, then: Scaling
) -> None:
    made = bench(show=show, block=3)
    names = {scaling: scaling.value.capitalize() for scaling in Scaling}
    cells = {scaling: next(rect for rect, words in written if words == name) for scaling, name in names.items()}
    pixels = made.viewer.surface.pixels
    assert pixels is not None
    found = [
        scaling
        for scaling, rect in cells.items()
        if tuple(pixels[rect.y + 3, rect.x + rect.width // 2]) == theme.ACCENT
    ]
    assert found == [lit]
    offered = [scaling for scaling in Scaling if scaling in scalings_of(show)]
    for scaling, rect in cells.items():
        for kind in (Pointer.PRESS, Pointer.RELEASE):
            made.viewer.on_mouse(Mouse(kind, rect.x + 5, rect.y + 5))
        assert (made.viewer.state.scaling is scaling) == (scaling in offered)
    made.viewer.state = replace(made.viewer.state, scaling=lit)
    made.press("e")
    assert made.viewer.state.scaling is then


def test_below_the_photo_it_is_said_whose_numbers_stand_there(bench: Benches, written: list[tuple[Any, str]]) -> None:
    for show in Show:
        bench(show=show)
        assert (show is Show.PHOTO) == any(words == "norms, as in the tiles:" for _, words in written)
        written.clear()


def test_the_same_state_is_drawn_the_same_with_any_show_in_the_smallest_window(bench: Benches) -> None:
    for show in Show:
        made = bench(width=640, height=480, show=show, view=View.NORMS)
        assert made.viewer.draw(640, 480).shape == (480, 640, 3)


@pytest.mark.parametrize("show", list(Show))
def test_a_move_of_the_mouse_makes_at_most_the_large_map_anew(
    bench: Benches, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiles' pictures are kept from one drawing to the next."""
    made = bench(show=show, block=3)
    over(made, "map", 0.2, 0.2)
    drawn: list[str] = []
    for name in ("map_picture", "colours_picture", "similarity"):
        original = getattr(maps, name)
        monkeypatch.setattr(maps, name, lambda *a, name=name, original=original: drawn.append(name) or original(*a))
    over(made, "map", 0.7, 0.6)
    anew = {Show.SIMILARITY: ["map_picture", "similarity"], Show.ATTENTION: ["map_picture"]}
    assert sorted(drawn) == anew.get(show, [])


def test_a_token_of_the_command_line_is_the_one_that_a_click_keeps(bench: Benches, photos: tuple[Path, ...]) -> None:
    """``--token Y X``: chosen before the model has run, and taken along to the next photo after."""
    clicked = bench(show=Show.SIMILARITY)
    clicked.answer().draw(1280, 800)
    x, y = over(clicked, "map", 0.3, 0.6, Pointer.PRESS)
    said = bench(show=Show.SIMILARITY, anchor=token_of(photos[0], 0, (int(y * 120), int(x * 160))))
    said.answer()
    for made in (clicked, said):
        made.press("n")
        made.answer()
    wanted, found = (made.viewer.state.anchor for made in (clicked, said))
    assert wanted is not None and found is not None and wanted.name == found.name == "a token of a.png"
    np.testing.assert_array_equal(np.stack(found.tokens), np.stack(wanted.tokens))
