"""The OpenCV window: hands events to the viewer and shows what it draws. Nothing heavy happens in this thread."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

import numpy as np

from dptscope.opencv import cv2
from dptscope_view.monitor import UNKNOWN, default_window, find_monitor, window_corner
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.ui.theme import SMALLEST_WINDOW
from dptscope_view.viewer import Viewer
from dptscope_view.worker import Worker

TITLE = "dptscope"
_PAUSE, _PAUSE_AT_REST = 0.001, 0.009
"""Seconds between two looks at what has happened. While OpenCV itself waits for keys, its Qt window looks a thousand times a
second, which takes two of a hundred parts of a core for nothing."""
_REST_SECONDS = 0.5
"""Without mouse or keys for so long, the hand rests."""
_KEYS_A_TICK = 16
_MOST_SHRUNK = 4.0

_KINDS = {
    cv2.EVENT_MOUSEMOVE: Pointer.MOVE,
    cv2.EVENT_LBUTTONDOWN: Pointer.PRESS,
    cv2.EVENT_LBUTTONUP: Pointer.RELEASE,
    cv2.EVENT_RBUTTONDOWN: Pointer.MENU,
    cv2.EVENT_MOUSEWHEEL: Pointer.WHEEL,
}


def to_event(kind: int, x: int, y: int, flags: int, framework: str = "") -> Mouse | None:
    """An event of OpenCV's mouse callback, or None for one that nobody needs.

    The second press of a double click comes as a double click alone from Windows' own windows. Qt and GTK send a press, too;
    Cocoa sends only that.
    """
    pointer = _KINDS.get(kind)
    if kind == cv2.EVENT_LBUTTONDBLCLK and framework == "WIN32":
        pointer = Pointer.PRESS
    if pointer is None:
        return None
    if pointer is not Pointer.WHEEL:
        return Mouse(pointer, x, y)
    way = flags >> 16  # signed, 120 a notch; several can come as one event, and touch pads send parts
    return Mouse(pointer, x, y, _notches(way), way / 120)


def _notches(way: int) -> int:
    """Whole notches; parts count as one."""
    return round(way / 120) or (way > 0) - (way < 0)


class Magnifier:
    """Keeps account of how far OpenCV's Qt window has magnified itself.

    That back end zooms its picture by the wheel and moves it by a drag, and nothing turns that off (OpenCV 5.0). So there
    the wheel is a magnifier and not for the sliders, and while the picture is magnified a drag moves it. Clicks are the
    viewer's: their coordinates are those of the picture.

    Attributes:
        factor: 1: the whole picture is seen.
    """

    def __init__(self, active: bool) -> None:
        self._active = active
        self._held = False
        self.factor = 1.0

    def passes(self, event: Mouse) -> bool:
        """Take note of an event; whether it is for the viewer."""
        if not self._active:
            return True
        if event.kind is Pointer.WHEEL:
            # As window_QT.cpp has it: a tenth a notch, never below the whole picture, and not on beyond a hundred times.
            more = 1 + event.turned / 10
            if more < 1 or self.factor <= 100:
                self.factor = max(1.0, self.factor * more)
            return False
        if event.kind in (Pointer.PRESS, Pointer.RELEASE):
            self._held = event.kind is Pointer.PRESS
        return self.factor == 1.0 or event.kind is not Pointer.MOVE or not self._held


def merge_moves(events: deque[Mouse]) -> list[Mouse]:
    """Take all events; of moves in a row only the last counts."""
    kept: list[Mouse] = []
    while events:
        event = events.popleft()
        if kept and kept[-1].kind is Pointer.MOVE and event.kind is Pointer.MOVE:
            kept.pop()
        kept.append(event)
    return kept


def layout_size(width: int, height: int) -> tuple[int, int]:
    """Width and height to draw at for a window of a size: the same, or of the same shape where that is below the smallest."""
    more = max(1.0, SMALLEST_WINDOW[0] / width, SMALLEST_WINDOW[1] / height)
    if more > _MOST_SHRUNK:  # a strip in which nothing could be read anyway
        return max(width, SMALLEST_WINDOW[0]), max(height, SMALLEST_WINDOW[1])
    return round(width * more), round(height * more)


def show(viewer: Viewer, worker: Worker, size: tuple[int, int] | None) -> None:
    """Open the window and stay until the user closes it.

    Args:
        viewer: what to show.
        worker: what answers its questions.
        size: width and height of the window; None: as large as the screen allows.
    """
    monitor = find_monitor()
    width, height = size or default_window(monitor or UNKNOWN)
    events: deque[Mouse] = deque()
    framework = cv2.currentUIFramework()

    def on_mouse(kind: int, x: int, y: int, flags: int, _: object) -> None:
        event = to_event(kind, x, y, flags, framework)
        if event is not None:
            events.append(event)

    cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
    try:
        cv2.resizeWindow(TITLE, width, height)
        if monitor is not None:
            # A window manager places the small window that there was at first, and the larger one can end beyond the screen.
            cv2.moveWindow(TITLE, *window_corner(monitor, width, height))
        _show_picture(viewer, (width, height))
        cv2.setMouseCallback(TITLE, on_mouse)
        _loop(viewer, worker, events, (width, height))
    finally:
        cv2.destroyAllWindows()


def _loop(viewer: Viewer, worker: Worker, events: deque[Mouse], drawn: tuple[int, int]) -> None:
    viewer.wheel_magnifies = cv2.currentUIFramework().startswith("QT")
    magnifier = Magnifier(viewer.wheel_magnifies)
    title, touched = "", time.monotonic()
    while not viewer.closing:
        time.sleep(_PAUSE if time.monotonic() - touched < _REST_SECONDS else _PAUSE_AT_REST)
        key = cv2.waitKeyEx(1)
        if not _is_open():
            return
        if events or key >= 0:
            touched = time.monotonic()
        for event in merge_moves(events):
            event = to_layout(event, drawn)
            if magnifier.passes(event):
                viewer.on_mouse(event)
        viewer.magnify(magnifier.factor)
        # A key that repeats fills the queue faster than pictures are drawn: take several for one picture.
        for _ in range(_KEYS_A_TICK):
            if key < 0:
                break
            viewer.on_key(key)
            key = cv2.waitKeyEx(1)
        while (answer := worker.take()) is not None:
            viewer.take(answer)
        viewer.tick(worker.answering, worker.due)
        if viewer.title != title:
            title = viewer.title
            cv2.setWindowTitle(TITLE, f"{title} – {TITLE}")
        size = _window_size(drawn)
        if viewer.dirty or size != drawn:
            drawn = size
            _show_picture(viewer, size)


def _show_picture(viewer: Viewer, size: tuple[int, int]) -> None:
    picture = viewer.draw(*layout_size(*size))
    if (picture.shape[1], picture.shape[0]) != size:
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    cv2.imshow(TITLE, picture)


def to_layout(event: Mouse, size: tuple[int, int]) -> Mouse:
    """An event in a window of a size, in pixels of what was drawn for it."""
    width, height = layout_size(*size)
    return replace(event, x=event.x * width // size[0], y=event.y * height // size[1])


def _is_open() -> bool:
    """Tell whether the window is there; once the last one has been closed, the Qt back end raises instead of answering."""
    try:
        return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:
        return False


def _window_size(otherwise: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the window's picture."""
    _, _, width, height = cv2.getWindowImageRect(TITLE)
    if width < 1 or height < 1:
        return otherwise
    return width, height
