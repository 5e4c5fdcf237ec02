"""What the window costs: a mouse move from the event to the picture, and the processor while nothing happens.

    python benchmarks/window.py [MODEL.onnx FOLDER] [--rounds 60]

The moves are over the map of a ViT-L at 518 × 518 with made-up tokens (24 blocks of 37 × 37 × 1024), one token on at a time:
the event, what it changes, and the drawing of the whole window; the median, in brackets the quickest and the processor's time
of all threads, which other programs disturb least. With a model and a folder of photos, also how soon the marks in the tiles
follow the pointer on a virtual screen, and how much of one core the program takes there while nobody does anything (needs
Xvfb and xdotool, reads /proc).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.fake_model import FakeModel, make_card
from support.screen import Program, Screen, x11_display

from dptscope.contract import BlockSpec
from dptscope_view.engine import Engine
from dptscope_view.state import Compare, Facts, Show, State, View
from dptscope_view.ui.events import Mouse, Pointer
from dptscope_view.viewer import Viewer

VITL = tuple(BlockSpec(channels=1024, stride=14) for _ in range(24))
SIZES = (1280, 800), (1920, 1080)
CASES: dict[str, dict[str, Any]] = {
    **{show.value: {"show": show} for show in Show if show is not Show.ATTENTION},
    "norm, photo under": {"show": Show.NORM, "blend": 0.35},
    "fusion": {"view": View.FUSION, "scales": (1.0, 0.5, 1.0, 1.0)},
    "fusion, difference": {"view": View.FUSION, "scales": (1.0, 0.5, 1.0, 1.0), "compare": Compare.DIFFERENCE},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    moves(options.rounds)
    if options.model:
        on_screen(options.model, options.folder, options.rounds)


def moves(rounds: int) -> None:
    """Milliseconds from a move of the mouse to the picture."""
    card = replace(make_card(VITL, native=518), has_cls=True)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        cv2.imwrite(
            str(photo), cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8), (1200, 1200))
        )
        engine = Engine(FakeModel(card), (photo,))
        facts = Facts.of("vitl", card, (photo.name,))
        print(f"{'a move of the mouse, ms':<28}" + "".join(f"{w} × {h}".rjust(26) for w, h in SIZES))
        for name, state in CASES.items():
            start = State(**{"size": facts.native, "block": 12, **state})
            viewer = Viewer(facts, start, (photo,), None, Path(), Path())
            viewer.take(engine.full(viewer.question()))
            found = (timed(viewer, *size, rounds) for size in SIZES)
            print(f"{name:<28}" + "".join(f"{np.median(t):.1f} ({np.min(t):.1f}; {c:.1f})".rjust(26) for t, c in found))


def timed(viewer: Viewer, width: int, height: int, rounds: int) -> tuple[list[float], float]:
    """Milliseconds of each move, and what all threads together take for one."""
    viewer.draw(width, height)
    rect = next(part.rect for part in viewer.parts if part.name in ("map", "depth"))
    taken, processor = [], 0.0
    for number in range(rounds + 5):
        if number == 5:
            processor = time.process_time()
        x, y = (0.1 + 0.8 * (number * step % 37) / 37 for step in (1, 7))
        begin = time.perf_counter()
        viewer.on_mouse(Mouse(Pointer.MOVE, round(rect.x + x * rect.width), round(rect.y + y * rect.height)))
        viewer.tick(False)
        assert viewer.dirty
        viewer.draw(width, height)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken[5:], (time.process_time() - processor) * 1000 / rounds


def on_screen(model: str, folder: str, rounds: int) -> None:
    """In the real window: from the pointer's move to what it changes on the screen, and the processor at rest."""
    screen = Screen(1920, 1080)
    with tempfile.TemporaryDirectory() as home:
        program = Program(screen, [model, folder, "--window", "1920x1080"], Path(home))
        try:
            time.sleep(5)
            taken = [seen(screen, 200 + 97 * (number % 5), 300 + 61 * (number % 4)) for number in range(rounds)]
            print(f"seen on a screen of 1920 × 1080 after {np.median(taken):.0f} ms ({np.percentile(taken, 95):.0f})")
            time.sleep(2)
            before, seconds = cpu_seconds(program.process.pid), 20.0
            time.sleep(seconds)
            share = (cpu_seconds(program.process.pid) - before) / seconds
            print(f"idle: {100 * share:.1f} % of one core over {seconds:.0f} s")
        finally:
            program.kill()
            screen.close()


def seen(screen: Screen, x: int, y: int) -> float:
    """Milliseconds from a move of the pointer until the marks in the tiles have followed."""
    time.sleep(0.15)
    with x11_display(screen.name) as (x11, display):
        live = screen.live_picture()[300:500, 1000:1800]
        before = live.copy()
        begin = time.perf_counter()
        x11.XWarpPointer(display, 0, ctypes.c_ulong(x11.XDefaultRootWindow(display)), 0, 0, 0, 0, x, y)
        x11.XFlush(display)
        while np.array_equal(live, before):
            time.sleep(0.0005)
            if time.perf_counter() - begin > 5:
                raise RuntimeError("the window does not follow the mouse")
    return (time.perf_counter() - begin) * 1000


def cpu_seconds(pid: int) -> float:
    """What a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
