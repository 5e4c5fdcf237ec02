"""How far a long run is: seconds, and a bar where runs before it tell how long it should take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dptscope_view.news import Run
from dptscope_view.ui import theme
from dptscope_view.worker import Notice

from .conftest import Bench

Benches = Callable[..., Bench]


def test_how_long_a_run_has_taken_is_told_once_a_second(bench: Benches) -> None:
    made, now = bench(), [10.0]
    made.viewer._clock = lambda: now[0]
    made.press("n")
    seen = []
    for now[0] in (10.0, 10.4, 12.5, 12.9, 13.1):
        made.viewer.tick(True)
        seen.append(made.viewer.dirty)
        picture = made.viewer.draw(1280, 800)[-24:]
        if now[0] == 10.4:
            short = picture.copy()
    assert seen == [True, False, True, False, True]
    assert (picture != short).any((0, 2)).nonzero()[0].min() > 1000, "at the right of the lowest row"
    made.press("n")  # another question: it begins anew
    made.viewer.tick(True)
    np.testing.assert_array_equal(made.viewer.draw(1280, 800)[-24:], short)


def bar(picture: Any) -> float:
    """Share of the window's width that is filled along the upper edge of the lowest row."""
    row = picture[-round(13 * 1.9)]
    return float((row == theme.WARN).all(-1).mean())


def test_a_bar_shows_how_far_a_long_run_is(bench: Benches) -> None:
    made, now = bench(), [10.0]
    made.viewer._clock = lambda: now[0]
    made.press("n")
    seen = []
    for now[0] in (10.0, 10.4, 10.9, 11.0, 11.4, 11.5, 14.0, 19.0, 20.0):
        made.viewer.tick(True, 18.0)
        drawn = made.viewer.dirty
        seen.append((drawn, round(bar(made.viewer.draw(1280, 800)), 2)))
    assert seen == [
        (True, 0), (False, 0), (False, 0), (True, 0.12), (False, 0.12), (True, 0.19), (True, 0.5), (True, 1), (True, 1),
    ]  # fmt: skip
    made.answer().tick(False)
    assert bar(made.viewer.draw(1280, 800)) == 0
    made.viewer.tick(False)
    assert not made.viewer.dirty, "at rest nothing is drawn"


def test_while_a_file_is_written_nothing_says_that_it_can_be_stopped(bench: Benches) -> None:
    """What Esc ends is a picture that is made; a file says that it is written until it is."""
    made, now = bench(), [10.0]
    made.viewer._clock = lambda: now[0]
    made.press("s")
    now[0] = 100.0
    made.viewer.tick(False)
    assert made.viewer._news.notice.text == "saving …" and made.viewer._news.running is None
    made.viewer.take(Notice("saved a.png"))
    now[0] = 200.0
    assert not made.viewer._news.notice.text


def test_how_long_a_run_takes_in_words() -> None:
    """What is soon over needs none; a run that takes longer than was thought says so."""
    told = {(s, e): Run.of(s, e).in_words for s in (0.9, 1.2, 2.6, 11.0) for e in (None, 1.9, 8.6)}
    assert [of for of, words in told.items() if not words] == [
        (0.9, None), (0.9, 1.9), (0.9, 8.6), (1.2, None), (1.2, 1.9),
    ]  # fmt: skip
    assert told[2.6, None] == told[2.6, 1.9] == " 2 s, Esc stops it"
    assert told[1.2, 8.6] == " 1 of about 9 s, Esc stops it" and told[11.0, 8.6] == " 11 of about 9 s, Esc stops it"
