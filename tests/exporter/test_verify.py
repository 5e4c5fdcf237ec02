"""What the verification of an export measures a depth against, where it hardly varies."""

from __future__ import annotations

import numpy as np
import pytest

from dptscope_export.errors import VerificationError
from dptscope_export.verify import EXACT, LEAST_SPREAD, _check_map

SHAPE = (1, 12, 16)


def depth(spread: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Ten metres at the far end."""
    return (10 - spread * np.random.default_rng(0).random(SHAPE)).astype(np.float32)


@pytest.mark.parametrize("spread", [5.0, 0.11, 1e-3, 1e-4, 1e-5, 0.0])
def test_rounding_passes_and_a_mistake_does_not(spread: float) -> None:
    """Three steps of float32 are rounding; three ten-thousandths of what the depth varies by are none, nor is as much of the
    least that it is taken to vary by."""
    wanted = depth(spread)
    unit = max(float(np.ptp(wanted)), LEAST_SPREAD * 10)
    of_std, of_range = _check_map(wanted + 3 * np.spacing(np.float32(10)), wanted, EXACT, "depth")
    assert 0 < of_range <= of_std < 1
    wrong = wanted.copy()
    wrong[0, 3, 4] += 3e-4 * unit
    with pytest.raises(VerificationError, match=r"depth: expected onnxruntime within 0\.0001 of its range of PyTorch"):
        _check_map(wrong, wanted, EXACT, "depth")


def test_maps_of_zeros() -> None:
    """Equal or not."""
    zeros = np.zeros(SHAPE, np.float32)
    assert _check_map(zeros, zeros, EXACT, "depth") == (0, 0)
    with pytest.raises(VerificationError, match="got inf"):
        _check_map(zeros + np.float32(1e-30), zeros, EXACT, "depth")
    with pytest.raises(VerificationError, match=r"expected shape \(1, 12, 16\), got \(12, 16\)"):
        _check_map(zeros[0], zeros, EXACT, "depth")
