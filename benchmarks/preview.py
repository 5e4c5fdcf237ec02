"""The preview as the viewer shows it: its own figure while a slider moves, and how close it is to the full picture.

python benchmarks/preview.py MODEL.onnx PHOTO
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import dptscope

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare.speed import psnr
from dptscope.scales import FusionScales
from dptscope_view.engine import Engine
from dptscope_view.frame import Question, Subject

MOVES = 60


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("photo")
    options = parser.parse_args()
    model = dptscope.load(options.model, threads=2, spin=False)  # as the viewer opens it
    engine = Engine(model, (Path(options.photo),))
    subject = Subject(0, max(model.card.native_size))
    engine.full(Question(subject))
    milliseconds, closeness = [], []
    for number in range(MOVES):
        moved = -1 + 3 * number / MOVES
        scales = [1.0, 1.0, 1.0, 1.0]
        scales[number % 4] = moved
        question = Question(subject, as_scales(scales))
        milliseconds.append(engine.coarse(question).fusion_ms)
    for number in range(0, MOVES, 6):
        scales = [1.0, 1.0, 1.0, 1.0]
        scales[number % 4] = -1 + 3 * number / MOVES
        question = Question(subject, as_scales(scales))
        closeness.append(psnr(engine.coarse(question).depth_hw, engine.full(question).depth_hw))
    height, width = engine.full(question).input_size
    print(
        f"{Path(options.model).name} at {height} × {width}: preview {statistics.median(milliseconds):.1f} ms", end=", "
    )
    print(
        f"full {engine.full(question).fusion_ms:.1f} ms, {statistics.median(closeness):.1f} dB (worst {min(closeness):.1f})"
    )


def as_scales(scales: list[float]) -> FusionScales:
    return scales[0], scales[1], scales[2], scales[3]


if __name__ == "__main__":
    main()
