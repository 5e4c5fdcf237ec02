"""Added registers in the window: a key lets them in, and what they change is told against the model as it is."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_model import make_card

from dptscope import tokens
from dptscope.card import ModelCard
from dptscope.registers import AddedRegisters
from dptscope_view.anchor import CLASS_TOKEN, cell_at, register_anchor
from dptscope_view.engine import Engine
from dptscope_view.state import Compare, Show, State, View
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.viewer import Viewer

from .conftest import Bench

ADDED = AddedRegisters(((3, 5), (4, 6)))


def with_registers(photos: tuple[Path, ...], folder: Path, card: ModelCard | None = None, **state: Any) -> Bench:
    made = Bench(photos, folder, card)
    made.engine = Engine(made.model, photos, registers=ADDED)
    made.facts = replace(made.facts, added=ADDED)
    start = State(size=made.facts.native, block=8, **state)
    made.viewer = Viewer(made.facts, start, photos, made.worker, folder / "out", folder / "presets")
    made.answer().draw(1280, 800)
    return made


def test_a_key_lets_them_in(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = with_registers(photos, tmp_path)
    assert made.viewer.frame is not None and made.viewer.readout.startswith("1 of 540 tokens marked as outliers")
    plain_hw = made.viewer.frame.depth_hw
    made.press("*")
    made.answer().draw(1280, 800)
    assert made.viewer.readout.startswith("1 register, 2 neurons at zero: outliers in this block 1 → 0")
    frame = made.viewer.frame
    np.testing.assert_array_equal(frame.original_hw, plain_hw)
    assert np.abs(frame.depth_hw - plain_hw).min() > 0
    assert len(made.model.prepared) == 2, "the model as it is has run before"
    made.press("*")
    made.answer().draw(1280, 800)
    assert made.viewer.frame.before is None and made.viewer.readout.startswith("1 of 540")


@pytest.mark.parametrize("view", View)
def test_so_does_a_button(photos: tuple[Path, ...], tmp_path: Path, view: View) -> None:
    made = with_registers(photos, tmp_path, view=view)
    place = made.rect("button-*")
    for kind in (Pointer.PRESS, Pointer.RELEASE):
        made.viewer.on_mouse(Mouse(kind, place.x + 5, place.y + 5))
    assert made.viewer.state.registers and made.worker.questions[-1].subject.registers
    other = Bench(photos, tmp_path, view=view)
    other.answer().draw(1280, 800)
    assert all(part.name != "button-*" for part in other.viewer.parts)


@pytest.mark.parametrize("show", [Show.SIMILARITY, Show.ATTENTION])
def test_the_key_of_the_class_token_goes_on_to_them(photos: tuple[Path, ...], tmp_path: Path, show: Show) -> None:
    card = replace(make_card(), has_cls=True)
    made = with_registers(photos, tmp_path, card, registers=True, show=show)
    made.press("g", "g", "s")
    assert made.viewer.state.anchor is register_anchor(0)
    made.worker.jobs[0](made.engine)
    about = json.loads((tmp_path / "out" / "a_norms_001.json").read_text())
    assert "of register 0" in about["shown"] or "to register 0" in about["shown"]
    made.press("*")
    made.answer().draw(1280, 800)
    assert "register" not in made.viewer.readout, "there is none in the model as it is"
    made.press("g")
    assert made.viewer.state.anchor is CLASS_TOKEN


def test_a_kept_token_is_the_one_at_its_place_in_the_run_that_is_shown(
    photos: tuple[Path, ...], tmp_path: Path
) -> None:
    """And not the vector of the run in which it was kept: tokens of two runs are not to be compared unasked."""
    made = with_registers(photos, tmp_path, show=Show.SIMILARITY)
    made.press("f")
    anchor, before = made.viewer.state.anchor, made.viewer.frame
    assert anchor is not None and anchor.place is not None and before is not None
    cell = cell_at(anchor.place, before.norms[8].shape)
    made.press("*")
    made.answer().draw(1280, 800)
    made.press("s")
    made.worker.jobs[0](made.engine)
    frame = made.viewer.frame
    assert frame is not None and frame.tokens is not None
    wanted = tokens.similarity(frame.tokens[8], cell, frame.norms[8])
    assert np.abs(wanted - tokens.similarity(frame.tokens[8], anchor.tokens[8], frame.norms[8])).max() > 1e-4
    np.testing.assert_array_equal(np.load(tmp_path / "out/a_norms_001_block_08.npy"), wanted)


def test_a_photo_beside_its_own_other_run_is_compared_within_each(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = with_registers(photos, tmp_path, show=Show.SIMILARITY)
    made.press("f", "r", "*")
    made.answer().draw(1280, 800)
    frame, anchor = made.viewer.frame, made.viewer.state.anchor
    assert frame is not None and anchor is not None and anchor.place is not None
    row, column = cell_at(anchor.place, frame.norms[8].shape)
    for kept, (name, whose) in itertools.product((anchor, None), (("map", ""), ("beside", "a.png · "))):
        made.viewer.state = replace(made.viewer.state, anchor=kept)
        rect = made.rect(name)
        x, y = rect.x + anchor.place[0] * rect.width, rect.y + anchor.place[1] * rect.height
        made.viewer.on_mouse(Mouse(Pointer.MOVE, round(x), round(y)))
        made.viewer.draw(1280, 800)
        told = f"{whose}row {row}, column {column} · similarity 1.00 to a token of a.png"
        assert made.viewer.readout.startswith(told)


def test_what_a_run_should_take_counts_that_of_the_model_as_it_is(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = with_registers(photos, tmp_path)
    made.press("*")
    question = made.viewer.question()
    assert made.engine.expected_ms(question) == made.engine.pace.expect("encoder", 280 * 378)
    other = replace(question, subject=replace(question.subject, photo=1))
    assert made.engine.expected_ms(other) == 2 * (made.engine.pace.expect("encoder", 280 * 378) or 0)
    made.answer()
    assert made.engine.expected_ms(question) == 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((), "zero; t for the difference, * for the model as it is · zero exaggerates, --replace mean is milder"),
        ((0.5, 0.25), "their mean; t for the difference, * for the model as it is"),
    ],
)
def test_with_them_it_is_never_called_the_unmodified_model(
    photos: tuple[Path, ...], tmp_path: Path, values: tuple[float, ...], told: str
) -> None:
    """And what zero does is said where its depth is seen."""
    made = with_registers(photos, tmp_path, registers=True, view=View.FUSION)
    made.viewer.facts = replace(made.facts, added=replace(ADDED, values=values))
    made.press("b")
    made.answer().draw(1280, 800)
    assert made.viewer.readout == f"1 register, 2 neurons at {told}"


def test_from_the_start_both_are_run(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = with_registers(photos, tmp_path, registers=True, view=View.FUSION, compare=Compare.DIFFERENCE)
    frame = made.viewer.frame
    assert frame is not None and frame.before is not None and len(frame.before[8].outliers) == 1
    assert len(made.model.prepared) == 2
    assert np.abs(frame.depth_hw - frame.original_hw).min() > 0
    made.viewer.on_key(ord("n"))
    made.answer().draw(1280, 800)
    assert made.viewer.frame is not None and made.viewer.frame.before is not None


def test_without_any_the_key_does_nothing(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = Bench(photos, tmp_path)
    asked = len(made.worker.questions)
    made.press("*")
    assert not made.viewer.state.registers and len(made.worker.questions) == asked


@pytest.mark.parametrize("first", [False, True])
def test_a_flip_back_runs_nothing(photos: tuple[Path, ...], tmp_path: Path, first: bool) -> None:
    """Both runs of the photo are kept, those of another are not."""
    made = with_registers(photos, tmp_path, registers=first)
    made.press("*")
    made.answer()
    assert len(made.model.prepared) == 2
    for _ in range(2):
        made.press("*")
        assert made.engine.is_prepared(made.viewer.question()) and made.engine.expected_ms(made.viewer.question()) == 0
        made.answer()
    assert len(made.model.prepared) == 2
    for changed in ({"photo": 1}, {"size": 182}, {"square": True}, {"crop": (0.0, 0.0, 0.5, 1.0)}):
        question = made.viewer.question()
        made.engine.full(replace(question, subject=replace(question.subject, **changed, registers=False)))
        assert not made.engine.is_prepared(question)
        flipped = replace(question, subject=replace(question.subject, registers=not question.subject.registers))
        assert not made.engine.is_prepared(flipped)


def test_of_two_runs_with_many_tokens_one_keeps_them(
    photos: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dptscope_view.engine.MOST_TOKEN_BYTES", 1)
    made = with_registers(photos, tmp_path, show=Show.SIMILARITY)
    plain = made.viewer.question()
    made.press("*")
    made.answer()
    assert not made.engine.is_prepared(plain) and made.engine.is_prepared(made.viewer.question())
    assert made.engine.is_prepared(replace(plain, tokens=False)), "norms and depth are at hand"
    made.press("*")
    assert made.answer().frame is not None and made.viewer.frame.tokens is not None
    assert [kept for _, kept in made.model.prepared] == [True, True, True]
