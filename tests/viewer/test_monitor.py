"""Where the window goes, on screens of several sizes and with a window manager."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.screen import Program, Screen, missing_tools, wait_until

from dptscope_view.monitor import default_window, window_corner
from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import SMALLEST_WINDOW
from dptscope_view.window import layout_size

needs_screen = pytest.mark.skipif(
    bool(missing_tools()) and os.environ.get("DPTSCOPE_REQUIRE_X") != "1", reason="Xvfb, xdotool or openbox is missing"
)


@needs_screen
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1366, 768), (3840, 2160)])
def test_the_window_fits_the_screen(size: tuple[int, int], tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    screen = Screen(*size, manager=True)
    program = Program(screen, [tiny_model, photo_path], tmp_path)
    try:
        wanted = default_window(Rect(0, 0, *size))
        wait_until(lambda: program.place()[2:] == wanted, what=f"a window of {wanted}")
        left, top, width, height = program.place()
        assert left >= 0 and left + width <= size[0]
        assert top >= 20 and top + height <= size[1], "with a title above it"
        assert abs(2 * left + width - size[0]) < 20, "in the middle"
        wait_until(lambda: program.title() == f"{photo_path.name} – {tiny_model.stem} – dptscope", what="its title")
        program.key("q")
        assert program.end() == (0, "")
    finally:
        program.kill()
        screen.close()


@pytest.mark.parametrize("size", [(1024, 768), (1366, 768), (1920, 1080), (1080, 1920), (3440, 1440)])
def test_panels_have_room(size: tuple[int, int]) -> None:
    monitor = Rect(1000, 0, *size)
    width, height = default_window(monitor)
    left, top = window_corner(monitor, width, height)
    assert left >= 1000 and left + width <= 1000 + size[0] and top >= 20
    assert size[1] - (top + 25 + height) >= 40, "below a title, for a task bar"
    assert width >= SMALLEST_WINDOW[0] and height >= SMALLEST_WINDOW[1]


def test_what_does_not_fit_is_drawn_in_the_windows_shape() -> None:
    assert layout_size(1200, 680) == (1200, 680)
    assert layout_size(640, 461) == (666, 480)
    assert layout_size(320, 480) == (640, 960)
    assert layout_size(1, 900) == (640, 900)
