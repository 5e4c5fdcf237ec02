"""The thread: the latest question wins, and nothing is lost that must not be."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from support.fake_model import FakeModel
from support.screen import wait_until

from dptscope.errors import DptscopeError
from dptscope_view.engine import Engine
from dptscope_view.frame import Frame, Question, Subject
from dptscope_view.pace import Pace
from dptscope_view.worker import Notice, Worker

QUESTION = Question(Subject(0, 280))


def scaled(value: float) -> Question:
    return replace(QUESTION, scales=(1.0, value, 1.0, 1.0))


def collect(worker: Worker) -> list[Frame | Notice]:
    """All answers until the worker is idle."""
    found: list[Frame | Notice] = []

    def step() -> bool:
        idle = not worker.busy
        while (answer := worker.take()) is not None:
            found.append(answer)
        return idle

    wait_until(step, 10)
    return found


def test_a_newer_question_replaces_an_older_one(photos: tuple[Path, ...]) -> None:
    model = FakeModel()
    model.gate = threading.Event()
    worker = Worker(Engine(model, photos, Pace(1e9)), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        wait_until(lambda: worker.busy)
        for step in range(50):
            worker.ask(scaled(step / 10))
        model.gate.set()
        answers = collect(worker)
    finally:
        worker.close()
    asked = [answer.question for answer in answers if isinstance(answer, Frame)]
    assert asked[-1] == scaled(4.9)
    assert len(asked) <= 4


def test_coarse_comes_first_and_full_follows(photos: tuple[Path, ...]) -> None:
    worker = Worker(Engine(FakeModel(fusion_ms=80.0), photos, Pace(20.0)), rest_seconds=0.02)
    try:
        worker.ask(QUESTION)
        collect(worker)
        seen: list[bool] = []
        worker.ask(scaled(0.3))

        def step() -> bool:
            answer = worker.take()
            if isinstance(answer, Frame):
                seen.append(answer.coarse)
            return seen[-1:] == [False]

        wait_until(step, 10)
    finally:
        worker.close()
    assert seen == [True, False]


def test_when_the_full_picture_should_be_there_is_known_from_what_ran_before(photos: tuple[Path, ...]) -> None:
    model, pace = FakeModel(), Pace(1e9)
    model.gate = threading.Event()
    worker = Worker(Engine(model, photos, pace), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        wait_until(lambda: worker._running is not None)
        assert worker.due is None, "nothing has run before"
        model.gate.set()
        collect(worker)
        assert worker.due is None, "nothing runs"
        model.gate.clear()
        pace.learn("encoder", 280 * 378, 60_000)
        before = time.monotonic()
        worker.ask(Question(Subject(0, 140)))
        due = wait_until(lambda: worker.due)
        expected = (pace.expect("encoder", 140 * 182) or 0) / 1000
        assert 5 < expected < 15
        assert before + expected <= due <= time.monotonic() + expected
        worker.stop()
        wait_until(lambda: worker.due is None)
    finally:
        worker.close()


def test_while_the_hand_moves_no_full_picture_is_made(photos: tuple[Path, ...]) -> None:
    worker = Worker(Engine(FakeModel(fusion_ms=80.0), photos, Pace(20.0)), rest_seconds=5.0)
    try:
        worker.ask(QUESTION)
        collect(worker)
        frames: list[Frame] = []
        for step in range(20):
            worker.ask(scaled(1.1 + step / 10))
            answer = wait_until(worker.take, 10)
            assert isinstance(answer, Frame)
            frames.append(answer)
    finally:
        worker.close()
    assert all(frame.coarse for frame in frames)
    assert frames[-1].question == scaled(1.1 + 1.9)


def test_another_subject_ends_what_runs(photos: tuple[Path, ...]) -> None:
    """An encoder that would run for a minute; ten photos are passed, and only the last one's answer comes."""
    model = FakeModel(encoder_ms=60_000, fusion_ms=0)
    worker = Worker(Engine(model, photos, Pace(1e9)), rest_seconds=0)
    try:
        for photo in range(10):
            worker.ask(Question(Subject(photo % len(photos), 280)))
            wait_until(lambda: worker._running is not None)
        model.encoder_seconds_a_pixel = 0
        worker.ask(Question(Subject(0, 140)))
        answers = collect(worker)
    finally:
        worker.close()
    assert [answer.question.subject.size for answer in answers if isinstance(answer, Frame)] == [140] * len(answers)
    assert answers and max(min(size) for size, _ in model.prepared) == 140


def test_the_same_subject_with_other_scales_lets_the_encoder_run_on(photos: tuple[Path, ...]) -> None:
    model = FakeModel()
    model.gate = threading.Event()
    worker = Worker(Engine(model, photos, Pace(1e9)), rest_seconds=0)
    try:
        worker.ask(QUESTION)
        wait_until(lambda: worker._running is not None)
        worker.ask(scaled(0.5))
        model.gate.set()
        assert collect(worker)
    finally:
        worker.close()
    assert [min(size) for size, _ in model.prepared].count(280) == 1


def test_stopping_and_closing_end_a_run_at_once(photos: tuple[Path, ...]) -> None:
    worker = Worker(Engine(FakeModel(encoder_ms=60_000), photos, Pace(1e9)))
    assert not worker.stop()
    worker.ask(QUESTION)
    wait_until(lambda: worker._running is not None)
    assert worker.stop()
    assert collect(worker) == []
    worker.ask(scaled(0.5))
    wait_until(lambda: worker._running is not None)
    worker.close(timeout=5)
    assert not worker._thread.is_alive()


def test_a_size_that_is_only_passed_starts_no_full_run(photos: tuple[Path, ...]) -> None:
    """Sizes are dragged from 280 to 560: each has a coarse picture, the last alone a full one."""
    model = FakeModel(fusion_ms=80.0, encoder_ms=1.0)
    worker = Worker(Engine(model, photos, Pace(20.0)), rest_seconds=0.3)
    try:
        worker.ask(replace(QUESTION, scales=(1.0, 0.5, 1.0, 1.0)))
        collect(worker)
        model.prepared.clear()
        for size in range(294, 561, 14):
            worker.ask(replace(scaled(0.5), subject=Subject(0, size)))
            wait_until(lambda wanted=size: (a := worker.take()) is not None and a.question.subject.size == wanted)  # type: ignore[misc,union-attr]
        answers = collect(worker)
    finally:
        worker.close()
    assert isinstance(answers[-1], Frame) and not answers[-1].coarse
    assert [min(size) for size, _ in model.prepared if min(size) > 280] == [560]


def test_errors_become_notices_and_the_thread_lives_on(photos: tuple[Path, ...], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no photo")
    worker = Worker(Engine(FakeModel(), (broken, photos[0])))
    try:
        worker.ask(QUESTION)
        notice = collect(worker)[-1]
        assert isinstance(notice, Notice) and notice.bad and "broken.png" in notice.text

        def job(engine: Engine) -> str:
            raise DptscopeError("cannot write")

        worker.do(job)
        worker.do(lambda engine: str(1 // 0))
        worker.do(lambda engine: "done")
        assert [answer.text for answer in collect(worker) if isinstance(answer, Notice)] == [
            "cannot write",
            "ZeroDivisionError: integer division or modulo by zero",
            "done",
        ]
        worker.ask(Question(Subject(1, 280)))
        assert isinstance(collect(worker)[-1], Frame)
    finally:
        worker.close()


def test_a_job_is_no_picture_that_is_made(photos: tuple[Path, ...]) -> None:
    model, gate = FakeModel(), threading.Event()
    model.gate = threading.Event()
    worker = Worker(Engine(model, photos, Pace(1e9)), rest_seconds=0)
    try:
        worker.do(lambda engine: str(gate.wait(10)))
        wait_until(lambda: worker.busy)
        assert not worker.answering and not worker.stop()
        worker.ask(QUESTION)
        assert worker.answering
        gate.set()
        wait_until(lambda: worker._running is not None)
        assert worker.answering
        model.gate.set()
        collect(worker)
        assert not worker.answering
    finally:
        worker.close()


def test_closing_ends_the_thread_but_finishes_jobs(photos: tuple[Path, ...]) -> None:
    worker = Worker(Engine(FakeModel(), photos))
    done: list[int] = []
    for number in range(3):
        worker.do(lambda engine, number=number: str(done.append(number)))  # type: ignore[misc]
    worker.close()
    assert done == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name == "dptscope-worker"]
