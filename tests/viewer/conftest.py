"""Photos and viewers for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.fake_model import FakeModel, make_card

from dptscope.card import ModelCard
from dptscope_view.engine import Engine
from dptscope_view.frame import Question
from dptscope_view.state import Facts, State
from dptscope_view.ui.canvas import Canvas
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import Measures
from dptscope_view.viewer import Viewer
from dptscope_view.worker import Job


class Recorder:
    """A worker that does nothing but remember."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.jobs: list[Job] = []
        self.running = False
        self.moves = 0

    def ask(self, question: Question) -> None:
        self.questions.append(question)

    def do(self, job: Job) -> None:
        self.jobs.append(job)

    def moved(self) -> None:
        self.moves += 1

    def stop(self) -> bool:
        was, self.running = self.running, False
        return was


class Bench:
    """A viewer on a bench: its model, engine and recorded worker beside it."""

    def __init__(self, photos: tuple[Path, ...], folder: Path, card: ModelCard | None = None, **state: Any) -> None:
        self.photos = photos
        self.model = FakeModel(card if card is not None else make_card())
        self.engine = Engine(self.model, photos)
        self.facts = Facts.of("fake", self.model.card, tuple(photo.name for photo in photos))
        self.worker = Recorder()
        start = State(size=self.facts.native, **state)
        self.viewer = Viewer(self.facts, start, photos, self.worker, folder / "out", folder / "presets")

    def answer(self) -> Viewer:
        """Give the viewer the full picture that it asks for."""
        self.viewer.take(self.engine.full(self.viewer.question()))
        return self.viewer

    def answer_photo(self, index: int) -> None:
        """Give it the picture of another photo."""
        question = self.viewer.question()
        self.viewer.take(self.engine.full(replace(question, subject=replace(question.subject, photo=index))))

    @property
    def m(self) -> Measures:
        """Measures of what was drawn last."""
        assert self.viewer.surface.pixels is not None
        return Measures.of_window(self.viewer.surface.pixels.shape[1], self.viewer.surface.pixels.shape[0])

    def rect(self, name: str) -> Any:
        """Where a part was drawn."""
        return next(part.rect for part in self.viewer.parts if part.name == name)

    def press(self, *keys: str) -> None:
        """Press letters."""
        for key in keys:
            self.viewer.on_key(ord(key))


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, ...]:
    """Three small photos of different shapes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    paths = []
    for name, (height, width) in {"a": (120, 160), "b": (160, 120), "c": (90, 200)}.items():
        image = cv2.resize(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height))
        paths.append(folder / f"{name}.png")
        cv2.imwrite(str(paths[-1]), image)
    return tuple(paths)


@pytest.fixture
def bench(photos: tuple[Path, ...], tmp_path: Path) -> Callable[..., Bench]:
    """Makes benches; the first drawing is done."""

    def make(width: int = 1280, height: int = 800, card: ModelCard | None = None, **state: Any) -> Bench:
        made = Bench(photos, tmp_path, card, **state)
        made.answer().draw(width, height)
        return made

    return make


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rect, str]]:
    """Every line of text that is drawn from now on, with its place, as it would be without an end to its room."""
    found: list[tuple[Rect, str]] = []
    text = Canvas.text

    def note(canvas: Canvas, rect: Rect, words: str, **how: Any) -> int:
        found.append((rect, words))
        return text(canvas, rect, words, **how)

    monkeypatch.setattr(Canvas, "text", note)
    return found
