"""Depth back to the photo's size, against sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dptscope.resize import resize_bytes, resize_depth, resized_value


def test_align_corners_keeps_a_plane() -> None:
    """A linear map stays linear, with its corners in place."""
    rows, columns = np.mgrid[0:7, 0:11].astype(np.float32)
    plane = 3 * rows - 2 * columns + 5
    big = resize_depth(plane, (19, 41), "bilinear_align_corners")
    rows, columns = np.mgrid[0:19, 0:41]
    np.testing.assert_allclose(big, 3 * rows * 6 / 18 - 2 * columns * 10 / 40 + 5, atol=1e-5)
    assert big.dtype == np.float32


def test_half_pixel_centres() -> None:
    row = np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_allclose(resize_depth(row, (1, 4), "bilinear")[0], [0, 0.25, 0.75, 1], atol=1e-7)


def test_cubic_coefficient() -> None:
    """Keys' kernel with a = -0.75, a quarter and three quarters between samples; the border repeats."""
    row = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]], np.float32)
    got = resize_depth(row, (1, 12), "bicubic")[0]

    def kernel(distance: float) -> float:
        x, a = abs(distance), -0.75
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return near if x <= 1 else far if x < 2 else 0.0

    expected = [kernel((i + 0.5) / 2 - 0.5 - 2) for i in range(12)]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("how", ["bilinear_align_corners", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (14, 14), (3, 50)])
def test_odd_sizes(how: str, size: tuple[int, int]) -> None:
    values = np.full((14, 14), 2.5, np.float32)
    np.testing.assert_allclose(resize_depth(values, size, how), np.full(size, 2.5), rtol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["bilinear_align_corners", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(40, 61), (9, 5), (1, 1), (14, 21), (300, 14)])
def test_one_value_is_that_of_the_whole(how: str, size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((14, 21)).astype(np.float32)
    whole = resize_depth(values, size, how)
    one_by_one = [
        [resized_value(values, size, how, row, column) for column in range(size[1])] for row in range(size[0])
    ]
    np.testing.assert_allclose(one_by_one, whole, atol=2e-6)


def written_out(row: list[int], size: int) -> list[int]:
    """One row in bytes through a triangle as wide as two of the coarser pixels, in whole numbers, sum by sum."""
    step = len(row) / size
    reach = max(step, 1)
    made = []
    for place in range(size):
        weights = [max(0, 1 - abs(x + 0.5 - (place + 0.5) * step) / reach) for x in range(len(row))]
        whole = [int(weight / sum(weights) * 2**22 + 0.5) for weight in weights]
        made.append((sum(a * b for a, b in zip(row, whole, strict=True)) + 2**21) >> 22)
    return made


@pytest.mark.parametrize("size", [(14, 28), (28, 14), (9, 60), (41, 33), (20, 23)])
def test_bytes_with_antialiasing(size: tuple[int, int]) -> None:
    """Columns first, then rows, each rounded to bytes; shrunk, enlarged, and left alone."""
    plane = np.random.default_rng(5).integers(0, 256, (41, 23), dtype=np.uint8)
    columns = plane.tolist() if size[1] == 23 else [written_out(row, size[1]) for row in plane.tolist()]
    wanted = columns if size[0] == 41 else np.transpose([written_out(list(c), size[0]) for c in np.transpose(columns)])
    got = resize_bytes(plane, size)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, wanted)
