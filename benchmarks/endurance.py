"""Long use without a screen: slider moves, photos of changing size, loads and unloads, in one process.

    python benchmarks/endurance.py MODEL.onnx [--moves 10000] [--photos 1000] [--loads 200] [--size N]

Prints resident memory, threads and open files on the way. Moves and photos go through the viewer's engine, as its worker
asks it. Reads /proc, so Linux only.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import dptscope
from dptscope_view.engine import Engine
from dptscope_view.frame import Question, Subject


def measure() -> tuple[float, int, int]:
    """Resident memory in MiB, threads, and open files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"]), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def report(what: str) -> None:
    memory, threads, files = measure()
    print(f"{what:<24}{memory:8.1f} MiB {threads:4d} threads {files:4d} files", flush=True)


def write_photos(folder: Path, count: int) -> tuple[Path, ...]:
    """Noise of many sizes and aspects."""
    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        height, width = (int(side) for side in generator.integers(60, 900, 2))
        image = cv2.resize(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height))
        paths.append(folder / f"{number:02d}.jpg")
        cv2.imwrite(str(paths[-1]), image)
    return tuple(paths)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--moves", type=int, default=10000)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--loads", type=int, default=200)
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    report("start")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photos(Path(folder), 40)
        model = dptscope.load(options.model, spin=False)
        engine = Engine(model, paths)
        question = Question(Subject(0, options.size or model.card.native_size[0]))
        for number in range(1, options.moves + 1):
            scales = (1 + number % 7 / 5, 1.0, -number % 5 / 3, 1.0)
            asked = replace(question, scales=scales)
            if number % 3 and engine.wants_coarse(asked):
                engine.coarse(asked)
            else:
                engine.full(asked)
            if number % max(options.moves // 5, 1) == 0:
                report(f"{number} slider moves")
        for number in range(1, options.photos + 1):
            subject = replace(question.subject, photo=number % len(paths), square=number % 3 == 0)
            engine.full(Question(subject, tokens=number % 4 == 0))
            if number % max(options.photos // 5, 1) == 0:
                report(f"{number} photos")
        del engine, model
    for number in range(1, options.loads + 1):
        loaded = dptscope.load(options.model)
        loaded.predict(np.zeros((70, 98, 3), np.uint8), size=options.size)
        del loaded
        gc.collect()
        if number % max(options.loads // 5, 1) == 0:
            report(f"{number} loads")


if __name__ == "__main__":
    main()
