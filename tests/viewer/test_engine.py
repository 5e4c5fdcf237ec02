"""Questions to answers: what runs again, and when the coarse pass comes first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_model import SWIN_BLOCKS, FakeModel, make_card

from dptscope.cancel import Cancellation, CancelledError
from dptscope.errors import DptscopeError, ImageError
from dptscope.files.photos import find_photos
from dptscope_view.engine import Engine
from dptscope_view.frame import Question, Subject
from dptscope_view.pace import Pace
from dptscope_view.photos import cropped
from dptscope_view.prepared import SceneLike

SCALED = (1.0, 0.5, 1.0, 1.0)
OTHERWISE_SCALED = (1.0, 0.25, 1.0, 1.0)


def test_the_encoder_runs_only_for_another_subject(photos: tuple[Path, ...]) -> None:
    model = FakeModel()
    engine = Engine(model, photos)
    question = Question(Subject(0, 280))
    for scales in ((1.0, 1.0, 1.0, 1.0), SCALED, (0.0, 0.0, 0.0, 0.0)):
        engine.full(replace(question, scales=scales))
    assert len(model.prepared) == 1
    for subject in (Subject(1, 280), Subject(1, 140), Subject(1, 140, square=True), Subject(1, 140, (0, 0, 0.5, 1))):
        engine.full(Question(subject))
    assert len(model.prepared) == 5
    assert model.prepared[3][0] == (140, 140)


def test_tokens_are_kept_where_they_are_few_or_asked_for(
    photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeModel()
    engine = Engine(model, photos)
    few = engine.full(Question(Subject(0, 280)))
    assert few.tokens is not None and few.cls_tokens is not None
    taken = sum(tokens.nbytes for tokens in few.tokens)
    for limit, kept in ((taken, True), (taken - 1, False)):
        monkeypatch.setattr("dptscope_view.engine.MOST_TOKEN_BYTES", limit)
        assert (Engine(model, photos).full(Question(Subject(0, 280))).tokens is not None) == kept
    model.prepared.clear()
    engine = Engine(model, photos)
    engine.full(Question(Subject(0, 280)))
    frame = engine.full(Question(Subject(0, 280), tokens=True))
    assert frame.tokens is not None and len(frame.tokens) == 12
    engine.full(Question(Subject(0, 280)))
    assert [kept for _, kept in model.prepared] == [False, True]


def test_a_coarse_run_says_little_of_how_long_a_full_one_takes() -> None:
    pace = Pace()
    assert pace.expect("encoder", 1000) is None
    pace.learn("encoder", 1000, 10_000)
    pace.learn("encoder", 100, 700)
    assert pace.expect("encoder", 1000) == pytest.approx(9500)
    for _ in range(4):  # the machine is busy: after a few runs that is what is known
        pace.learn("encoder", 1000, 20_000)
    assert pace.expect("encoder", 1000) == pytest.approx(20_000, rel=0.05)


def test_coarse_first_only_where_the_full_picture_is_slow(photos: tuple[Path, ...]) -> None:
    slow, fast = (Engine(FakeModel(fusion_ms=ms), photos, Pace(30.0)) for ms in (120.0, 0.0))
    question = Question(Subject(0, 280), SCALED)
    for engine in (slow, fast):
        engine.full(replace(question, scales=OTHERWISE_SCALED))
        engine.full(replace(question, scales=(0.0, 0.0, 0.0, 0.0)))
    assert slow.wants_coarse(question)
    assert not fast.wants_coarse(question)
    assert not slow.wants_coarse(replace(question, scales=(1.0, 1.0, 1.0, 1.0)))  # the encoder's run included that
    # A coarse pass keeps to the budget once a few have been measured.
    for _ in range(3):
        frame = slow.coarse(question)
    assert frame.coarse and frame.input_size[0] < 280
    assert frame.fusion_ms < 2 * 30.0


def test_a_coarse_scene_is_kept_while_a_slider_moves(photos: tuple[Path, ...]) -> None:
    model = FakeModel(fusion_ms=120.0)
    engine = Engine(model, photos, Pace(30.0))
    engine.full(Question(Subject(0, 280)))
    for step in range(12):
        engine.coarse(Question(Subject(0, 280), (1.0, step / 10, 1.0, 1.0)))
    assert len(model.prepared) <= 4  # the full one, and at most a few sizes until the pace is known


def test_a_model_of_one_size_has_no_coarse_pass(photos: tuple[Path, ...]) -> None:
    card = make_card(SWIN_BLOCKS, dynamic=False, native=256)
    engine = Engine(FakeModel(card, fusion_ms=200.0), photos, Pace(30.0))
    question = Question(Subject(0, 256), SCALED)
    frame = engine.full(question)
    assert not engine.wants_coarse(question)
    assert [norms.shape for norms in frame.norms[::3]] == [(64, 64), (32, 32), (16, 16), (16, 16)]


@pytest.mark.parametrize("dynamic", [True, False])
def test_a_moving_slider_shows_the_preview(photos: tuple[Path, ...], dynamic: bool) -> None:
    card = make_card() if dynamic else make_card(SWIN_BLOCKS, dynamic=False, native=256)
    size = card.native_size[0]
    model = FakeModel(card, fusion_ms=90.0, has_preview=True)
    engine = Engine(model, photos, Pace(30.0))
    question = Question(Subject(0, size), SCALED)
    full = engine.full(question)
    moved = replace(question, scales=OTHERWISE_SCALED)
    assert engine.wants_coarse(moved)
    frame = engine.coarse(question)
    # The first move makes a preview of what is shown, too: what that one lacks of the full picture is carried over.
    assert (frame.coarse, model.previews, len(model.prepared)) == (True, 2, 1)
    engine.coarse(moved)
    assert model.previews == 3
    assert frame.input_size == full.input_size and frame.norms is full.norms
    np.testing.assert_allclose(frame.depth_hw, full.depth_hw, rtol=0, atol=1e-5)
    assert frame.fusion_ms < full.fusion_ms
    assert engine.wants_coarse(moved)  # how long a preview takes says nothing about the full picture
    assert not engine.wants_coarse(Question(Subject(0, size)))


def test_a_question_that_leaves_the_depth_as_it_is_runs_nothing(
    photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another token, or another block's attention, while a scale is set."""
    model = FakeModel(fusion_ms=90.0, has_preview=True)
    engine, pace = Engine(model, photos, Pace(30.0)), []
    question = Question(Subject(0, 280), SCALED)
    first = engine.full(question)
    monkeypatch.setattr(engine.pace, "learn", lambda *learned: pace.append(learned))
    further = replace(question, tokens=True, attention=3)
    assert not engine.wants_coarse(further) and engine.expected_ms(further) == 0
    again = engine.full(further)
    assert (again.fusion_ms, pace, model.previews) == (first.fusion_ms, [], 0)
    np.testing.assert_array_equal(again.depth_hw, first.depth_hw)
    assert engine.wants_coarse(replace(further, scales=OTHERWISE_SCALED))


def test_a_preview_before_any_full_depth_has_its_size(
    photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that would have given the full one was stopped."""
    model, stop = FakeModel(has_preview=True), Cancellation()
    engine, prepare = Engine(model, photos), model.prepare

    def prepared_and_stopped(*photo: Any, **how: Any) -> SceneLike:
        scene = prepare(*photo, **how)
        stop.cancel()
        return scene

    monkeypatch.setattr(model, "prepare", prepared_and_stopped)
    question = Question(Subject(0, 280), SCALED)
    with pytest.raises(CancelledError):
        engine.full(question, stop)
    assert engine.wants_coarse(question)
    frame = engine.coarse(question)
    assert frame.coarse and frame.depth_hw.shape == frame.original_hw.shape


def test_no_preview_where_the_full_picture_is_quick(photos: tuple[Path, ...]) -> None:
    engine = Engine(FakeModel(has_preview=True), photos, Pace(30.0))
    question = Question(Subject(0, 280), SCALED)
    engine.full(question)
    assert not engine.wants_coarse(question)


def test_files_that_are_no_photos(tmp_path: Path, photos: tuple[Path, ...]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no photo")
    assert find_photos(photos[0].parent) == photos
    for path in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(ImageError):
            find_photos(path)
    with pytest.raises(DptscopeError):
        Engine(FakeModel(), (tmp_path / "text.png",)).full(Question(Subject(0, 280)))


def test_a_crop_leaves_its_part() -> None:
    image = np.arange(100 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 200, 3)
    assert (cropped(image, (0.25, 0.5, 0.75, 1.0)) == image[50:100, 50:150]).all()
    assert cropped(image, (0.999, 0.999, 1.0, 1.0)).shape == (16, 16, 3)


def test_components_are_made_when_they_are_asked_for_and_kept(photos: tuple[Path, ...]) -> None:
    engine = Engine(FakeModel(), photos)
    question = Question(Subject(0, 280))
    assert engine.full(question).components is None
    first, again = (engine.full(replace(question, components=True)).components for _ in range(2))
    assert first is not None and again is not None and len(first) == 12
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_frame_has_the_unmodified_depth_beside_the_scaled_one(photos: tuple[Path, ...]) -> None:
    engine = Engine(FakeModel(), photos)
    plain, scaled = engine.full(Question(Subject(0, 280))), engine.full(Question(Subject(0, 280), SCALED))
    np.testing.assert_array_equal(scaled.original_hw, plain.depth_hw)
    assert not np.array_equal(scaled.depth_hw, plain.depth_hw)
