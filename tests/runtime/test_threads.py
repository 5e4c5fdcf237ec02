"""One loaded model asked by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import dptscope

THREADS = 8
SCALES = [(1.0, 1.0, 1.0, 1.0), (0.5, 1.0, -1.0, 2.0), (1.0, 0.0, 1.0, 1.0), (3.0, 1.0, 1.0, 0.25)]


def test_the_same_bits_as_alone(tiny_model: Path, photo_bgr: Any) -> None:
    model = dptscope.load(tiny_model)
    photos = [photo_bgr[: 300 + 25 * number, : 500 + 30 * number] for number in range(THREADS)]

    def answers(number: int) -> list[np.ndarray[Any, Any]]:
        scene = model.prepare(photos[number])
        return [*scene.block_norms, *(scene.depth(scales) for scales in SCALES), model.predict(photos[number]).depth]

    alone = [answers(number) for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(3):
            for wanted, got in zip(alone, pool.map(answers, range(THREADS)), strict=True):
                for one, other in zip(wanted, got, strict=True):
                    np.testing.assert_array_equal(other, one)


def test_one_scene_asked_by_all(tiny_model: Path, photo_bgr: Any) -> None:
    scene = dptscope.load(tiny_model).prepare(photo_bgr)
    wanted = [scene.depth(scales) for scales in SCALES]
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [number % len(SCALES) for number in range(64)]
        for number, got in zip(asked, pool.map(lambda number: scene.depth(SCALES[number]), asked), strict=True):
            np.testing.assert_array_equal(got, wanted[number])
