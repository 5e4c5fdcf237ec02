"""What becomes of the depth when a fusion block is scaled, in numbers that are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dptscope_survey.fusion import changes

RAMP = np.add.outer(np.arange(20), 2 * np.arange(30)).astype(np.float32)
STEP = np.where(np.arange(30) < 15, 0, 5).astype(np.float32)[None].repeat(20, axis=0)


def test_a_scale_and_a_shift_change_nothing() -> None:
    for depth in (RAMP, STEP):
        for scale, shift in ((1, 0), (3, -7), (-0.5, 2)):
            found = changes(depth, depth * np.float32(scale) + np.float32(shift))
            assert found["correlation"] == pytest.approx(np.sign(scale))
            assert found["change"] == pytest.approx(0, abs=1e-6)
            if depth is STEP:
                assert found["edges_kept"] == 1


def test_what_is_lost() -> None:
    """A depth that knows nothing of the other, one whose edge is elsewhere, beside it, or softer."""
    noise = np.random.default_rng(0).normal(size=RAMP.shape).astype(np.float32)
    found = changes(RAMP, noise)
    assert abs(found["correlation"] or 0) < 0.15
    assert found["change"] == pytest.approx(np.abs(RAMP - RAMP.mean()).mean() / RAMP.std(), rel=0.05)
    assert changes(STEP, np.roll(STEP, 1, axis=1))["edges_kept"] == 1
    assert changes(STEP, np.roll(STEP, 4, axis=1))["edges_kept"] == 0
    assert changes(STEP, cv2.blur(STEP, (9, 9)))["edges_kept"] == 0


def test_flat_depths() -> None:
    flat = np.ones_like(RAMP)
    assert set(changes(flat, RAMP).values()) == {None}
    found = changes(STEP, flat)
    assert (found["correlation"], found["change"], found["edges_kept"]) == (0, pytest.approx(1), 0)
