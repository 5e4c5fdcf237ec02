"""Values to shades."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dptscope.pictures.colours import COLOUR_MAPS, colour_at, colourise
from dptscope.pictures.scaling import Scaling, choose_scale, equalised, unit_range
from dptscope.pictures.text import put_text


def norms_with_outliers() -> np.ndarray:
    values = np.random.default_rng(0).normal(10, 1, (20, 30)).astype(np.float32)
    values[3, 4] = values[7, 8] = 120
    return values


def test_plain_leaves_almost_everything_dark_and_robust_does_not() -> None:
    values = norms_with_outliers()
    plain = choose_scale(Scaling.PLAIN, values, [values], signed=False)
    robust = choose_scale(Scaling.ROBUST, values, [values], signed=False)
    assert np.median(plain.levels(values)) < 30
    assert 90 < np.median(robust.levels(values)) < 165
    assert not plain.marks(values).any()
    assert [tuple(p) for p in np.argwhere(robust.marks(values))] == [(3, 4), (7, 8)]


def test_shared_scale_is_the_same_for_all() -> None:
    first, second = norms_with_outliers(), norms_with_outliers() * 3
    scales = {choose_scale(Scaling.SHARED, v, [first, second], signed=False) for v in (first, second)}
    assert len(scales) == 1
    assert scales.pop().high == pytest.approx(360)


def test_log_keeps_the_order_and_spreads_the_small() -> None:
    values = norms_with_outliers()
    plain = choose_scale(Scaling.PLAIN, values, [values], signed=False)
    log = choose_scale(Scaling.LOG, values, [values], signed=False)
    order = np.argsort(values, axis=None)
    assert (np.diff(log.shares(values).ravel()[order]) >= 0).all()
    assert np.median(log.shares(values)) > 2 * np.median(plain.shares(values))
    assert log.shares(values).min() == 0 and log.shares(values).max() == 1


@pytest.mark.parametrize("how", list(Scaling))
def test_signed_and_constant_maps_are_fine(how: Scaling) -> None:
    channel = np.random.default_rng(1).normal(0, 1, (9, 9)).astype(np.float32)
    channel[4, 4] = -40
    for values in (channel, np.zeros((5, 5), np.float32), np.full((5, 5), 7, np.float32)):
        scale = choose_scale(how, values, [values], signed=True)
        assert np.isfinite(scale.shares(values)).all()
    marks = choose_scale(Scaling.ROBUST, channel, [channel], signed=True).marks(channel)
    assert marks.sum() == 1 and marks[4, 4]


def test_equalised_gives_each_shade_the_same_area() -> None:
    values = np.random.default_rng(2).exponential(1, (200, 200)).astype(np.float32)
    counts, _ = np.histogram(equalised(values), bins=8, range=(0, 1))
    assert counts.max() < 1.2 * counts.min()
    assert (equalised(np.ones((4, 4), np.float32)) == 0.5).all()
    assert unit_range(values).min() == 0 and unit_range(values).max() == 1


def test_outlier_colours_are_not_in_their_maps() -> None:
    for colours in COLOUR_MAPS:
        table = np.array([colour_at(level, colours.name) for level in range(256)], dtype=int)
        distance = np.sqrt(((table - np.array(colours.outlier)) ** 2).sum(1)).min()
        assert distance > 80, colours.name


def test_reverse_turns_the_map_round() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    for colours in COLOUR_MAPS:
        assert (colourise(ramp, colours.name, True)[:, ::-1] == colourise(ramp, colours.name)).all()


def test_two_threads_can_write_text_at_once() -> None:
    """A picture is saved in one thread while another draws the window."""

    def written() -> bytes:
        image = np.zeros((300, 400, 3), np.uint8)
        for line in range(1, 16):
            put_text(image, f"norm {line * 37} · Block {line} 猫", 5, 20 * line, 8 + line, (255, 255, 255), 400)
        return image.tobytes()

    alone = written()
    with ThreadPoolExecutor(2) as threads:
        assert all(made == alone for made in threads.map(lambda _: written(), range(200)))


def test_spectral_runs_from_blue_to_red_through_yellow() -> None:
    assert [colour_at(level, "spectral") for level in (0, 255)] == [(162, 79, 94), (66, 1, 158)]
    blue, green, red = colour_at(128, "spectral")
    assert min(green, red) > 250 and blue < 200
