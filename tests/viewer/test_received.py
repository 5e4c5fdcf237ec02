"""How much attention a kept token receives in all blocks: summed while nobody waits, shown over depth."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_model import SWIN_BLOCKS, FakeModel, FakeScene, make_card
from support.screen import wait_until

from dptscope.errors import DptscopeError
from dptscope_view.anchor import CLASS_TOKEN, cell_at
from dptscope_view.engine import Engine
from dptscope_view.frame import Frame, Question, Subject
from dptscope_view.pace import Pace
from dptscope_view.state import Show
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.geometry import Rect
from dptscope_view.views.charts import number
from dptscope_view.worker import Notice, Worker

from .conftest import Bench
from .test_registers import with_registers

Benches = Callable[..., Bench]
QUESTION = Question(Subject(0, 280), tokens=True, attention=4, received=True)


def completed(made: Bench) -> Frame:
    """Give the viewer all that it asks for, what is not waited for included."""
    made.viewer.take(made.engine.complete(made.viewer.question()))
    made.viewer.draw(1280, 800)
    assert made.viewer.frame is not None
    return made.viewer.frame


def sums_of(made: Bench, cell: tuple[int, int], blocks: range) -> list[float]:
    """What a token receives in each block, from who attends to it."""
    run = made.engine._prepared(made.viewer.question())
    assert run is not None
    found = [run.scene.block_attention(block).of(cell) for block in blocks]
    return [float((each.column.sum((1, 2)) + each.column_special.sum(1)).mean()) for each in found]


def test_it_is_asked_for_only_while_the_attention_of_a_kept_token_is_shown(bench: Benches) -> None:
    made = bench(block=8)
    made.press("f")
    assert made.viewer.state.anchor is not None and not made.viewer.question().received
    made.press("w")
    assert made.viewer.question().received
    made.press("n")
    assert not made.viewer.question().received, "a token of another photo"
    made.press("p", "y")
    assert not made.viewer.question().received
    made.press("w")
    made.viewer.state = replace(made.viewer.state, anchor=None)
    assert not made.viewer.question().received, "the mouse alone"


def test_an_outlier_s_sum_stands_beside_a_median_token_s(bench: Benches, written: list[tuple[Rect, str]]) -> None:
    made = bench(block=8, show=Show.ATTENTION, card=replace(make_card(), has_cls=True))
    made.press("f")
    made.answer().draw(1280, 800)
    assert any(words == "norms over depth; attention received follows:" for _, words in written), (
        "until they have been summed"
    )
    frame = completed(made)
    written.clear()
    # Letters are a sixth wider with old releases of OpenCV, and what has no room is left out.
    made.viewer.draw(1900, 800)
    received, anchor = frame.received, made.viewer.state.anchor
    assert received is not None and list(received) == list(range(1, 12))
    assert anchor is not None and anchor.place is not None
    own = sum(sums_of(made, cell_at(anchor.place, received[8].grid.shape), range(1, 12)))
    median = float(np.median(np.sum([each.grid for each in received.values()], axis=0)))
    assert own > 2 * median, "an outlier"
    strip = made.rect("strip")
    told = [words for rect, words in written if strip.contains(rect.x, rect.y) and rect.y == strip.y]
    assert told[:2] == ["attention received, sum of blocks 1–11:", f"this token {number(own)}"]
    assert f"median {number(median)}" in told and f"mean outlier {number(own)}" in told, "of one"
    of_class = sum(float(each.special[0]) for each in received.values())
    assert f"class token {number(of_class)}" in told and not any("outliers" in words for words in told)


def test_what_was_summed_stays_for_the_next_token_and_for_the_mouse(bench: Benches) -> None:
    made = bench(block=8, show=Show.ATTENTION)
    made.press("f")
    first = completed(made).received
    made.viewer.state = replace(made.viewer.state, anchor=CLASS_TOKEN)
    again = made.answer().frame
    assert first is not None and again is not None and again.received is not None
    assert all(again.received[block] is first[block] for block in first)
    made.viewer.state = replace(made.viewer.state, anchor=None)
    again = made.answer().frame
    assert again is not None and again.received is not None


def test_sums_belong_to_the_run_that_is_shown(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = with_registers(photos, tmp_path, show=Show.ATTENTION)
    made.press("f")
    plain = completed(made).received
    made.press("*")
    flipped = made.answer().frame
    assert flipped is not None and flipped.received is None and flipped.lacks_received
    other = completed(made).received
    made.press("*")
    back = made.answer().frame
    assert plain is not None and other is not None and back is not None and back.received is not None
    assert back.received[8] is plain[8]
    assert np.abs(other[8].grid - plain[8].grid).max() > 0.1
    anchor = made.viewer.state.anchor
    assert anchor is not None and anchor.place is not None
    row, column = cell_at(anchor.place, plain[8].grid.shape)
    found = [float(plain[block].grid[row, column]) for block in plain]
    np.testing.assert_allclose(found, sums_of(made, (row, column), range(1, 12)), rtol=1e-4)


def test_of_stages_those_of_the_block_that_is_shown(bench: Benches) -> None:
    made = bench(block=6, show=Show.ATTENTION, card=make_card(SWIN_BLOCKS, dynamic=False, native=256))
    made.press("f")
    assert list(completed(made).received or ()) == [4, 5, 6, 7, 8, 9]
    strip = made.rect("strip")
    made.viewer.on_mouse(Mouse(Pointer.PRESS, strip.right - 5, strip.y + strip.height // 2))
    made.viewer.on_mouse(Mouse(Pointer.RELEASE, strip.right - 5, strip.y + strip.height // 2))
    assert made.viewer.state.block == 9
    made.press("k")
    made.viewer.draw(1280, 800)  # the picture is still the one of before
    assert list(completed(made).received or ()) == [10, 11]


def test_it_is_saved(bench: Benches, tmp_path: Path) -> None:
    made = bench(block=8, show=Show.ATTENTION)
    made.press("f", "s")
    made.worker.jobs[0](made.engine)
    about = json.loads((tmp_path / "out" / "a_norms_001.json").read_text())["received"]
    assert about["blocks"] == list(range(1, 12))
    anchor = made.viewer.state.anchor
    assert anchor is not None and anchor.place is not None
    wanted = sums_of(made, cell_at(anchor.place, (20, 27)), range(1, 12))
    np.testing.assert_allclose(about["token"], wanted, rtol=1e-4)
    assert all(own > middle for own, middle in zip(about["token"][5:], about["median"][5:], strict=True))


class Slow(FakeModel):
    """Each block's attention waits to be let through; counted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.let_through = threading.Semaphore(0)

    def prepare(self, *photo: Any, **how: Any) -> FakeScene:
        scene = super().prepare(*photo, **how)
        attention = scene.block_attention

        def slow(block: int) -> Any:
            self.asked.append(block)
            assert self.let_through.acquire(timeout=10)
            return attention(block)

        scene.block_attention = slow  # type: ignore[method-assign]
        return scene


def prepared(model: FakeModel, photos: tuple[Path, ...]) -> Engine:
    """The encoder has run, and no coarse picture is worth while."""
    engine = Engine(model, photos, Pace(1e9))
    engine.full(Question(QUESTION.subject))
    return engine


def frames(worker: Worker) -> list[Frame]:
    return [answer for answer in iter(worker.take, None) if isinstance(answer, Frame)]


def test_whatever_else_is_asked_goes_first_and_nothing_is_summed_twice(photos: tuple[Path, ...]) -> None:
    model = Slow()
    worker = Worker(prepared(model, photos), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        model.let_through.release(4)  # the picture, and three blocks
        wait_until(lambda: model.asked == [4, 1, 2, 3, 5])
        assert [frame.received for frame in frames(worker)] == [None], "the picture does not wait for them"
        assert worker.answering and worker.due is not None
        worker.ask(replace(QUESTION, attention=6))
        model.let_through.release(2)  # the block that is under way, then the picture that is asked for
        wait_until(lambda: model.asked == [4, 1, 2, 3, 5, 6, 4])
        assert [frame.question.attention for frame in frames(worker)] == [6]
        model.let_through.release(20)
        found = wait_until(lambda: frames(worker))
    finally:
        model.let_through.release(20)
        worker.close()
    assert list(found[0].received) == list(range(1, 12)) and model.asked[6:] == [4, 7, 8, 9, 10, 11, 6]
    assert len(model.prepared) == 1


@pytest.mark.parametrize("how", ["another photo", "stop", "close"])
def test_it_ends_with_the_block_that_is_under_way(photos: tuple[Path, ...], how: str) -> None:
    model = Slow()
    worker = Worker(prepared(model, photos), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        model.let_through.release(2)
        wait_until(lambda: model.asked == [4, 1, 2])
        if how == "another photo":
            worker.ask(Question(Subject(1, 280)))
        elif how == "stop":
            assert worker.stop()
        else:
            threading.Timer(0.2, model.let_through.release, (20,)).start()
            worker.close()
        model.let_through.release(20)
        wait_until(lambda: not worker.busy)
    finally:
        worker.close()
    assert model.asked == [4, 1, 2]


def test_while_the_hand_moves_none_is_begun(photos: tuple[Path, ...]) -> None:
    model = Slow()
    worker = Worker(prepared(model, photos), rest_seconds=5.0)
    try:
        for block in (4, 5, 6):
            worker.ask(replace(QUESTION, attention=block))
            model.let_through.release()
            wait_until(lambda: frames(worker))
    finally:
        worker.close()
    assert model.asked == [4, 5, 6]


def test_while_the_mouse_moves_it_pauses(photos: tuple[Path, ...]) -> None:
    model, rest = Slow(), 0.3
    worker = Worker(prepared(model, photos), rest_seconds=rest)
    try:
        worker.ask(QUESTION)
        model.let_through.release()
        wait_until(lambda: model.asked == [4, 1])
        moved = time.monotonic()
        worker.moved()
        model.let_through.release(20)
        wait_until(lambda: len(model.asked) > 2)
        assert time.monotonic() >= moved + rest
        assert wait_until(lambda: [frame for frame in frames(worker) if frame.received])
    finally:
        worker.close()


def test_every_move_of_the_mouse_is_told(bench: Benches) -> None:
    made = bench()
    for x in (10, 10, 20):
        made.viewer.on_mouse(Mouse(Pointer.MOVE, x, 300))
    assert made.worker.moves == 2


def test_a_block_that_has_none_is_told_and_the_picture_stays(
    photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeScene.block_attention

    def damaged(scene: FakeScene, block: int) -> Any:
        if block == 9:
            raise DptscopeError("expected weights of block 9")
        return original(scene, block)

    monkeypatch.setattr(FakeScene, "block_attention", damaged)
    worker = Worker(prepared(FakeModel(), photos), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        wait_until(lambda: not worker.busy)
        answers = list(itertools.takewhile(lambda answer: answer is not None, iter(worker.take, None)))
    finally:
        worker.close()
    frame, notice = answers
    assert isinstance(frame, Frame) and frame.attention is not None
    assert isinstance(notice, Notice) and notice.bad and notice.question is None
    assert notice.text == "expected weights of block 9"
