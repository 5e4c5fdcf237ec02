"""Where the window goes: on the monitor, and not larger than it."""

from __future__ import annotations

import ctypes
import os

from dptscope_view.ui.geometry import Rect
from dptscope_view.ui.theme import SMALLEST_WINDOW

UNKNOWN = Rect(0, 0, 1366, 768)
"""The monitor that is thought of where none can be asked: the smallest that is common."""

SHARE = 0.88
"""Of the monitor's sides; the rest is for panels and the window's own frame."""

LARGEST_SHARE = 0.9
"""Of a monitor on which the smallest layout hardly fits."""

TITLE_HEIGHT = 24
"""Window managers put the title above the place that is asked for, or below it and move the rest down."""


def default_window(monitor: Rect) -> tuple[int, int]:
    """Width and height that leave room for panels."""
    width, height = (
        max(round(SHARE * side), min(least, round(LARGEST_SHARE * side)))
        for side, least in zip((monitor.width, monitor.height), SMALLEST_WINDOW, strict=True)
    )
    return width, height


def window_corner(monitor: Rect, width: int, height: int) -> tuple[int, int]:
    """Left and top edge of a window: in the middle, and somewhat higher, for most panels are below."""
    across, down = max(0, monitor.width - width), max(0, monitor.height - height)
    return monitor.x + across // 2, monitor.y + max(down // 4, min(TITLE_HEIGHT, down))


class _MonitorInfo(ctypes.Structure):
    """``XRRMonitorInfo``."""

    _fields_ = [
        ("name", ctypes.c_ulong), ("primary", ctypes.c_int), ("automatic", ctypes.c_int), ("outputs", ctypes.c_int),
        ("x", ctypes.c_int), ("y", ctypes.c_int), ("width", ctypes.c_int), ("height", ctypes.c_int),
        ("width_mm", ctypes.c_int), ("height_mm", ctypes.c_int), ("names", ctypes.c_void_p),
    ]  # fmt: skip


def find_monitor() -> Rect | None:
    """Find the primary monitor, or the first, in pixels of an X11 screen; None where it is no X11, or one that cannot say."""
    if not os.environ.get("DISPLAY"):
        return None
    try:
        x11, randr = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXrandr.so.2")
    except OSError:
        return None
    x11.XOpenDisplay.restype, x11.XDefaultRootWindow.restype = ctypes.c_void_p, ctypes.c_ulong
    randr.XRRGetMonitors.restype = ctypes.POINTER(_MonitorInfo)
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        return None
    try:
        numbers = [ctypes.c_int() for _ in range(3)]
        event, error, count = map(ctypes.byref, numbers)
        if not randr.XRRQueryExtension(display, event, error) or not randr.XRRQueryVersion(display, event, error):
            return None
        if (numbers[0].value, numbers[1].value) < (1, 5):  # asked for what it does not know, Xlib ends the process
            return None
        root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
        found = randr.XRRGetMonitors(display, root, True, count)
        monitors = sorted(found[: numbers[2].value], key=lambda monitor: not monitor.primary)
        return Rect(monitors[0].x, monitors[0].y, monitors[0].width, monitors[0].height) if monitors else None
    finally:
        x11.XCloseDisplay(display)
