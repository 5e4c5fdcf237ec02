"""Long use of the viewer: thousands of slider moves and hundreds of photos in one process, on a virtual screen.

    python benchmarks/viewer_endurance.py MODEL.onnx FOLDER [--moves 2000] [--photos 200] [--size N]

Starts the program as a user would, moves a slider with a real mouse, changes photos with a real key, and prints resident
memory and the number of threads on the way. Needs Xvfb and xdotool, and reads /proc, so Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.screen import Program, Screen


def measure(pid: int) -> tuple[float, int]:
    """Resident memory in MiB, and threads."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--moves", type=int, default=2000)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--size", type=int)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds a photo is looked at")
    options = parser.parse_args()
    size = ["--size", options.size] if options.size else []
    screen = Screen(1400, 900)
    with tempfile.TemporaryDirectory() as home:
        program = Program(screen, [options.model, options.folder, "--view", "fusion", *size], Path(home))
        try:
            use(program, options.moves, options.photos, options.pause)
            program.key("q")
            print("exit status, standard error:", program.end())
        finally:
            program.kill()
            screen.close()


def use(program: Program, moves: int, photos: int, pause: float) -> None:
    """Half of the photos, the moves, the other half."""

    def report(what: str) -> None:
        memory, threads = measure(program.process.pid)
        print(f"{what:<24}{memory:8.1f} MiB {threads:4d} threads", flush=True)

    def look_at(count: int, done: int) -> None:
        for number in range(1, count + 1):
            program.key("n")
            time.sleep(pause)
            if (done + number) % 25 == 0:
                report(f"{done + number} photos")

    time.sleep(3)
    report("start")
    look_at(photos // 2, 0)
    program.move(640, 625)  # the first slider of a window of 1280 × 800
    program.screen.xdotool("mousedown", 1)
    for number in range(1, moves + 1):
        program.move(300 + (number * 37) % 800, 625)
        if number % 250 == 0:
            report(f"{number} slider moves")
    program.screen.xdotool("mouseup", 1)
    look_at(photos - photos // 2, photos // 2)


if __name__ == "__main__":
    main()
