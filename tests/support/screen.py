"""A virtual screen with a real mouse and keyboard, for tests that start the program as a user would."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope_view.ui.theme import ACCENT

TOOLS = ("Xvfb", "xdotool", "openbox")


def missing_tools() -> list[str]:
    """What a virtual screen needs and this machine does not have."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def wait_until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """Wait for a condition and return its value; tests wait for what they expect, never for a fixed time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class Screen:
    """An X server in memory. Its picture lies in a file that the server maps (XWD format).

    Args:
        width: of the screen.
        height: of it.
        manager: run a window manager, which places windows and gives them frames.
    """

    def __init__(self, width: int, height: int, manager: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory()
        read_end, write_end = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{width}x{height}x24", "-fbdir", self._folder.name,
             "-nolisten", "tcp", "-noreset"],
            pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            self.name = f":{answer.readline().strip()}"
        self._frame_buffer = Path(self._folder.name) / "Xvfb_screen0"
        self._processes = [self._server]
        self.managed = manager
        if manager:
            command = ["openbox", "--sm-disable"]
            nothing = subprocess.DEVNULL
            self._processes.append(subprocess.Popen(command, env=self.environment, stdout=nothing, stderr=nothing))
            wait_until(lambda: self.xdotool("get_num_desktops"), what="the window manager")

    def close(self) -> None:
        """Stop the server."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall run on it."""
        return {**os.environ, "DISPLAY": self.name}

    def picture(self) -> NDArray[np.uint8]:
        """What is on the screen: uint8 ``[height, width, 3]``, blue first."""
        return np.ascontiguousarray(self.live_picture())

    def live_picture(self) -> NDArray[np.uint8]:
        """The same, as it changes."""
        data = np.memmap(self._frame_buffer, np.uint8, "r")
        header = np.frombuffer(data[:100].tobytes(), dtype=">u4")
        header_size, width, height, line, colours = header[0], header[4], header[5], header[12], header[19]
        start = int(header_size + colours * 12)
        rows = np.frombuffer(data, dtype=np.uint8, offset=start)[: int(line * height)].reshape(int(height), int(line))
        return rows[:, : int(width) * 4].reshape(int(height), int(width), 4)[..., :3]

    def xdotool(self, *arguments: object) -> str:
        """Run the mouse and keyboard tool."""
        done = subprocess.run(
            ["xdotool", *map(str, arguments)], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()


class Program:
    """``dptscope view`` on a screen."""

    def __init__(self, screen: Screen, arguments: Sequence[object], home: Path, python: Sequence[str] = ()) -> None:
        self.screen = screen
        environment = {**screen.environment, "XDG_CONFIG_HOME": str(home)}
        command = [sys.executable, *python, "-m", "dptscope", "view", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.window = wait_until(self._find_window, what="the window")
        wait_until(self._is_painted, what="the window's first picture")
        # Without a window manager the keys go to the window under the mouse.
        self.move(5, 5)

    def _find_window(self) -> str:
        assert self.process.poll() is None, self.process.communicate()[1]
        # The probe of the display opens a window of the same name for a moment; the program's own can be told by its pid.
        found = self.screen.xdotool("search", "--all", "--pid", self.process.pid, "--name", "dptscope$")
        return found.splitlines()[-1] if found else ""

    def _is_painted(self) -> bool:
        """On a screen without a window manager, Qt misses the expose event of about one new window in five, whatever the
        program does (a bare namedWindow, imshow, waitKey does it too), and paints nothing until the window is mapped again.
        """
        for _ in range(20):
            if (self.picture()[:60, :300] == ACCENT).all(-1).sum() > 100:  # the chosen tab
                return True
            time.sleep(0.1)
        if self.screen.managed:  # a window that its manager takes away counts as closed, and the program ends
            return False
        self.screen.xdotool("windowunmap", "--sync", self.window, "windowmap", "--sync", self.window)
        return False

    def place(self) -> tuple[int, int, int, int]:
        """Where the window is on the screen, without its frame: left, top, width, height."""
        lines = self.screen.xdotool("getwindowgeometry", "--shell", self.window).splitlines()
        numbers = dict(line.split("=") for line in lines)
        # Its position counts a window manager's frame twice.
        left, top = corner_on_screen(self.screen.name, int(self.window))
        return left, top, int(numbers["WIDTH"]), int(numbers["HEIGHT"])

    def title(self) -> str:
        """What the window is called."""
        return self.screen.xdotool("getwindowname", self.window)

    def picture(self) -> NDArray[np.uint8]:
        """What is seen of the window: uint8 ``[height, width, 3]``, blue first."""
        left, top, width, height = self.place()
        return self.screen.picture()[max(top, 0) : top + height, max(left, 0) : left + width]

    def move(self, x: float, y: float) -> None:
        """Move the mouse to pixels of the window."""
        self.screen.xdotool("mousemove", "--window", self.window, round(x), round(y))

    def click(self, x: float, y: float, button: int = 1) -> None:
        """Press and release a button (4 and 5: the wheel), as a hand would: the mouse rests first, and the button is down
        for a moment. On a busy machine a click without that has got lost."""
        self.move(x, y)
        time.sleep(0.05)
        self.screen.xdotool("mousedown", button)
        time.sleep(0.03)
        self.screen.xdotool("mouseup", button)

    def double_click(self, x: float, y: float) -> None:
        """Click twice within what the window system takes for a double click."""
        self.move(x, y)
        time.sleep(0.05)
        self.screen.xdotool("click", "--repeat", 2, "--delay", 60, 1)

    def drag(self, points: Sequence[tuple[float, float]], pause: float = 0.03) -> None:
        """Press at the first point, go through the others, release at the last."""
        self.move(*points[0])
        self.screen.xdotool("mousedown", 1)
        for point in points[1:]:
            self.move(*point)
            time.sleep(pause)
        self.screen.xdotool("mouseup", 1)

    def key(self, *names: str) -> None:
        """Press keys, by their X names, as fast as a hand. (OpenCV keeps only the last key of one turn of its event loop.)"""
        self.screen.xdotool("key", "--delay", 120, *names)

    def resize(self, width: int, height: int) -> None:
        """Change the window's size, from the screen's corner on, so that all of it can be seen."""
        self.screen.xdotool("windowmove", self.window, 0, 0, "windowsize", self.window, width, height)

    def press_close_button(self) -> None:
        """What a window manager sends when its close button is pressed."""
        send_delete_window(self.screen.name, int(self.window))

    def end(self, seconds: float = 20.0) -> tuple[int, str]:
        """Wait for the end: exit status and standard error."""
        _, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, errors

    def kill(self) -> None:
        """Stop it if a test has failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class _ClientMessage(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong), ("format", ctypes.c_int), ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 16),
    ]  # fmt: skip


@contextmanager
def x11_display(name: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    """The X library, and a connection of its own."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = x11.XDefaultRootWindow.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(name.encode()))
    try:
        yield x11, display
    finally:
        x11.XCloseDisplay(display)


def send_delete_window(display_name: str, window: int) -> None:
    """Send ``WM_DELETE_WINDOW`` (the xdotool of Debian 12 has no command for it)."""
    with x11_display(display_name) as (x11, display):
        event = _ClientMessage(type=33, window=window, format=32)  # 33: ClientMessage
        event.message_type = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
        event.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
        x11.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))


def corner_on_screen(display_name: str, window: int) -> tuple[int, int]:
    """Left and top edge of a window's inside."""
    x, y, child = ctypes.c_int(), ctypes.c_int(), ctypes.c_ulong()
    with x11_display(display_name) as (x11, display):
        root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
        found = ctypes.byref(x), ctypes.byref(y), ctypes.byref(child)
        x11.XTranslateCoordinates(display, ctypes.c_ulong(window), root, 0, 0, *found)
    return x.value, y.value
