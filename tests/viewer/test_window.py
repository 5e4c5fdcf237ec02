"""What the window's loop does with events, without a window."""

from __future__ import annotations

from collections import deque

import cv2
import pytest

from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.window import Magnifier, layout_size, merge_moves, to_event, to_layout


@pytest.mark.parametrize(("way", "steps"), [(120, 1), (-120, -1), (360, 3), (-240, -2), (15, 1), (-8, -1)])
def test_the_wheel_counts_notches(way: int, steps: int) -> None:
    assert to_event(cv2.EVENT_MOUSEWHEEL, 3, 4, way << 16) == Mouse(Pointer.WHEEL, 3, 4, steps, way / 120)


def test_events_that_nobody_needs_are_left_out() -> None:
    assert to_event(cv2.EVENT_MBUTTONDOWN, 0, 0, 0) is None


@pytest.mark.parametrize(("framework", "event"), [("WIN32", Mouse(Pointer.PRESS, 1, 2)), ("QT5", None), ("GTK3", None)])
def test_a_double_click_is_a_press_where_none_comes_with_it(framework: str, event: Mouse | None) -> None:
    assert to_event(cv2.EVENT_LBUTTONDBLCLK, 1, 2, 0, framework) == event
    assert to_event(cv2.EVENT_LBUTTONDOWN, 1, 2, 0, framework) == Mouse(Pointer.PRESS, 1, 2)


def test_while_qt_magnifies_drags_are_its_own() -> None:
    def wheel(notches: float) -> Mouse:
        return Mouse(Pointer.WHEEL, 0, 0, round(notches), notches)

    press, move, release = (Mouse(kind, 0, 0) for kind in (Pointer.PRESS, Pointer.MOVE, Pointer.RELEASE))
    magnifier = Magnifier(active=True)
    assert all(map(magnifier.passes, (press, move, release))) and not magnifier.passes(wheel(-1))
    assert magnifier.factor == 1.0
    assert not magnifier.passes(wheel(2)) and magnifier.factor == pytest.approx(1.2)
    assert magnifier.passes(move) and magnifier.passes(press), "clicks are the viewer's"
    assert not magnifier.passes(move), "a drag moves the picture"
    assert magnifier.passes(release) and magnifier.passes(move)
    magnifier.passes(wheel(0.1))
    assert magnifier.factor == pytest.approx(1.2 * 1.01), "a touch pad sends parts of a notch"
    for _ in range(200):
        magnifier.passes(wheel(1))
    assert 100 < magnifier.factor < 110, "where the back end stops"
    for _ in range(60):
        magnifier.passes(wheel(-1))
    assert magnifier.factor == 1.0
    assert Magnifier(active=False).passes(wheel(1))


def test_of_moves_in_a_row_only_the_last_counts() -> None:
    def move(x: int) -> Mouse:
        return Mouse(Pointer.MOVE, x, 0)

    press, release = Mouse(Pointer.PRESS, 5, 0), Mouse(Pointer.RELEASE, 9, 0)
    events = deque([move(1), move(2), press, move(6), move(7), move(9), release, move(10)])
    assert merge_moves(events) == [move(2), press, move(9), release, move(10)]
    assert not events


def test_a_click_in_a_small_window_hits_what_was_drawn_there() -> None:
    assert layout_size(500, 400) == (640, 512)
    assert to_layout(Mouse(Pointer.PRESS, 250, 399), (500, 400)) == Mouse(Pointer.PRESS, 320, 510)
    assert to_layout(Mouse(Pointer.WHEEL, 12, 13, 1, 1.0), (1200, 680)) == Mouse(Pointer.WHEEL, 12, 13, 1, 1.0)
