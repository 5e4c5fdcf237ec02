"""Fine structure carried over from the last full depth to a coarse one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import dptscope
from dptscope.commands.demo import ASSETS, MODEL
from dptscope.files.photos import read_image
from dptscope.resize import resize_depth
from dptscope_view.detail import Detail


def full_and_coarse() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A depth with fine structure, and every fourth value of what it is without."""
    rows, columns = np.mgrid[:49, :65].astype(np.float32)
    even = 3 + rows / 16 + np.sin(columns / 10)
    return (even + (columns > 30) * np.sin(columns * 2)).astype(np.float32), even[::4, ::4].astype(np.float32)


def test_where_it_was_taken_it_gives_the_full_depth_back() -> None:
    full_hw, coarse_hw = full_and_coarse()
    np.testing.assert_allclose(Detail(full_hw, coarse_hw).added_to(coarse_hw), full_hw, rtol=0, atol=1e-5)


def test_structure_grows_with_the_depth() -> None:
    full_hw, coarse_hw = full_and_coarse()
    got = Detail(full_hw, coarse_hw).added_to(2 * coarse_hw + 1)
    inner = (slice(12, -12), slice(12, -12))  # at the border a neighbourhood is a reflection
    assert np.abs(got - (2 * full_hw + 1))[inner].max() < 0.1 * np.abs(full_hw - full_hw.mean()).max()
    assert np.abs(got - resize_depth(2 * coarse_hw + 1, full_hw.shape, "bilinear_align_corners")).max() > 1


def test_a_flat_depth_has_nothing_to_carry_over() -> None:
    full_hw, coarse_hw = full_and_coarse()
    got = Detail(np.zeros_like(full_hw), np.zeros_like(coarse_hw)).added_to(coarse_hw)
    np.testing.assert_array_equal(got, resize_depth(coarse_hw, full_hw.shape, "bilinear_align_corners"))


def test_depth_stays_positive() -> None:
    full_hw, coarse_hw = full_and_coarse()
    assert Detail(full_hw, coarse_hw).added_to(0 * coarse_hw).min() >= 0


@pytest.mark.parametrize(
    ("scales", "nearer_db"), [((1.0, 0.9, 1.0, 1.0), 8), ((1.0, 0.5, 1.0, 1.0), 2), ((1.0, 1.0, 1.0, 0.0), 0)]
)
def test_nearer_to_the_full_depth_of_a_real_model(scales: tuple[float, float, float, float], nearer_db: float) -> None:
    scene = dptscope.load(MODEL).prepare(read_image(ASSETS / "photos" / "astronaut.png"))
    unscaled = (1.0, 1.0, 1.0, 1.0)
    wanted_hw, coarse_hw = scene.raw_depth(scales), scene.preview_depth(scales)
    plain_hw = resize_depth(coarse_hw, wanted_hw.shape, "bilinear_align_corners")
    got_hw = Detail(scene.raw_depth(), scene.preview_depth(unscaled)).added_to(coarse_hw)
    errors = [float(np.square(depth_hw - wanted_hw).mean()) for depth_hw in (plain_hw, got_hw)]
    assert 10 * np.log10(errors[0] / errors[1]) > nearer_db
