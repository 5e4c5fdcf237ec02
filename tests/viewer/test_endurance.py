"""A short form of ``benchmarks/endurance.py``: memory, threads and open files are flat after warm-up."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import dptscope
from dptscope_view.engine import Engine
from dptscope_view.frame import Question, Subject

MOST_GROWTH = 16.0  # MiB; a leak of one small depth map a move would be more than that

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def measure() -> tuple[float, int, int]:
    gc.collect()
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"]), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def assert_flat(before: tuple[float, int, int], what: str) -> None:
    after = measure()
    assert after[0] - before[0] < MOST_GROWTH, f"{what}: {before[0]:.1f} to {after[0]:.1f} MiB"
    assert after[1:] == before[1:], f"{what}: threads and files {before[1:]} to {after[1:]}"


def test_slider_moves_and_photos(tiny_model: Path, photos: tuple[Path, ...]) -> None:
    engine = Engine(dptscope.load(tiny_model, threads=2), photos)

    def move(count: int) -> None:
        for number in range(count):
            question = Question(Subject(0, 280), (number % 7 / 3, 1.0, -1.0, 1.0))
            engine.coarse(question)
            engine.full(question)

    def look(count: int) -> None:
        for number in range(count):
            engine.full(Question(Subject(number % 3, 70 + 14 * (number % 5)), tokens=number % 2 == 0))

    for use, warm_up, count in ((move, 50, 500), (look, 30, 120)):
        use(warm_up)
        before = measure()
        use(count)
        assert_flat(before, use.__name__)


def test_loads(tiny_model: Path) -> None:
    def load(count: int) -> None:
        for _ in range(count):
            dptscope.load(tiny_model, threads=2).predict(np.zeros((70, 98, 3), np.uint8))

    load(10)
    before = measure()
    load(40)
    assert_flat(before, "loads")
