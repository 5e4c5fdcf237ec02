"""What the verification of an export measures a depth against, where it hardly varies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.seeded import write_tiny

from dptscope import contract
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.errors import VerificationError
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.pipeline import build
from dptscope_export.verify import EXACT, LEAST_SPREAD, _check_map, lively_image
from dptscope_export.verify_expected import OtherKernels, expected_outputs

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


def test_beyond_the_limit_pytorchs_own_noise_is_the_measure() -> None:
    """What PyTorch's other kernels give is asked for only there, and a mistake that is larger is one."""
    wanted = depth(5.0)
    got, noise = wanted.copy(), wanted.copy()
    got[0, 3, 4] += 1e-2
    noise[0, 5, 6] -= 4e-3
    _, of_range = _check_map(got, wanted, EXACT, "depth", lambda: noise)
    assert of_range == pytest.approx(1e-2 / np.ptp(wanted), rel=1e-3)
    got[0, 3, 4] += 3e-3
    with pytest.raises(VerificationError, match=r"depth: expected onnxruntime within 0\.0024 of its range"):
        _check_map(got, wanted, EXACT, "depth", lambda: noise)
    with pytest.raises(VerificationError, match=r"within 0\.0001 of its range"):
        _check_map(got, wanted, EXACT, "depth", lambda: wanted)
    _check_map(wanted, wanted, EXACT, "depth", lambda: pytest.fail("within the limit nothing is asked"))


def test_other_kernels_are_as_right_and_not_the_same(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_tiny(tmp_path / "tiny.safetensors"))
    plan = recognise(checkpoint, ExportOptions())
    model = build(checkpoint, plan)
    image = lively_image(1, 70, 98, torch.Generator().manual_seed(0))
    scales = tuple(torch.full((1,), scale) for scale in (0.5, 1.5, 1.0, 2.0))
    other = OtherKernels(model, image, plan)
    with torch.no_grad():
        features = model.features(image)
        expected = expected_outputs(model, features, plan)
        expected["scaled"] = model.depth(features.fusion_inputs, scales).numpy()
    found = other.outputs | {"scaled": other.depth(scales)}
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        assert np.abs(found[name] - wanted).max() <= 1e-5 * np.ptp(wanted), name
    assert not all(np.array_equal(found[name], wanted) for name, wanted in expected.items())
    assert not np.array_equal(found["scaled"], found[contract.DEPTH])
