"""Added registers in the window: a key lets them in, and what they change is told against the model as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dptscope.registers import AddedRegisters
from dptscope_view.engine import Engine
from dptscope_view.state import Compare, State, View
from dptscope_view.viewer import Viewer

from .conftest import Bench

ADDED = AddedRegisters(((3, 5), (4, 6)))


def with_registers(photos: tuple[Path, ...], folder: Path, **state: Any) -> Bench:
    made = Bench(photos, folder)
    made.engine = Engine(made.model, photos, registers=ADDED)
    made.facts = replace(made.facts, registers=ADDED.in_words())
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
