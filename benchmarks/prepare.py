"""What it costs to prepare a photo, and what cheaper ways would change.

``python benchmarks/prepare.py MODEL.onnx PHOTO…``: at the model's native size and at half of it, CPU time of one thread ÷
that of the originals' lines, interleaved; the largest difference from their values, and what that does to depth and norms.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import dptscope
from dptscope import contract
from dptscope.files.photos import read_image
from dptscope.norms import token_norms
from dptscope.prepare import input_size, prepare_image

ROUNDS = 15
Array = NDArray[Any]
Way = Callable[[Array, tuple[int, int]], Array]


def ways(card: dptscope.ModelCard) -> dict[str, Way]:
    mean, std = np.asarray(card.preparation.mean), np.asarray(card.preparation.std)

    def originals(image_bgr: Array, size_hw: tuple[int, int]) -> Array:
        rgb = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB) / 255.0
        resized = cv2.resize(rgb, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        return np.ascontiguousarray(((resized - mean) / std).transpose(2, 0, 1), np.float32)[None]

    def in_float32(image_bgr: Array, size_hw: tuple[int, int]) -> Array:
        found = np.empty((1, 3, *size_hw), np.float32)
        for channel, plane in enumerate(reversed(cv2.split(image_bgr))):
            resized = cv2.resize(plane.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_CUBIC)
            np.multiply(resized, np.float32(1 / (255 * std[channel])), out=found[0, channel])
            found[0, channel] -= np.float32(mean[channel] / std[channel])
        return found

    def without_ipp(image_bgr: Array, size_hw: tuple[int, int]) -> Array:
        cv2.ipp.setUseIPP(False)
        try:
            return in_float32(image_bgr, size_hw)
        finally:
            cv2.ipp.setUseIPP(True)

    return {
        "the originals' lines": originals,
        "dptscope": lambda image_bgr, size_hw: prepare_image(card, image_bgr, min(size_hw)),
        "float32": in_float32,
        "float32 without IPP": without_ipp,
        "the originals', a last bit off": lambda image_bgr, size_hw: (
            originals(image_bgr, size_hw) * np.float32(1 + 6e-8)
        ),
    }


def main(model_path: str, photos: list[str]) -> None:
    cv2.setNumThreads(1)
    model = dptscope.load(model_path)
    blocks = [contract.block_tokens_name(index) for index in range(len(model.card.blocks))]
    ratios: dict[tuple[str, int], list[float]] = {}
    worst: dict[str, list[float]] = {}
    multiple = model.card.size_multiple
    for photo in photos:
        image_bgr = read_image(Path(photo))
        for size in (model.card.native_size[0], model.card.native_size[0] // (2 * multiple) * multiple):
            size_hw = input_size(model.card, (image_bgr.shape[0], image_bgr.shape[1]), size)
            reference, *others = ways(model.card).items()
            wanted_input = reference[1](image_bgr, size_hw)
            wanted = model.run(wanted_input, [contract.DEPTH, *blocks])
            for name, way in others:
                found_input = way(image_bgr, size_hw)
                found = model.run(found_input, [contract.DEPTH, *blocks])
                norms = [(token_norms(wanted[block][0]), token_norms(found[block][0])) for block in blocks]
                off = (
                    float(np.abs(found_input - wanted_input).max()),
                    float(np.abs(found[contract.DEPTH] - wanted[contract.DEPTH]).max() / wanted[contract.DEPTH].std()),
                    max(float(np.abs(one - other).max() / one.mean()) for one, other in norms),
                )
                worst[name] = [*map(max, worst.get(name, (0.0, 0.0, 0.0)), off)]
            for _ in range(ROUNDS):
                taken = {}
                for name, way in (reference, *others):
                    start = time.process_time()
                    way(image_bgr, size_hw)
                    taken[name] = time.process_time() - start
                for name, _way in others:
                    ratios.setdefault((name, size), []).append(taken[name] / taken[reference[0]])
    print(
        f"OpenCV {cv2.__version__}; median of the ratio; largest difference at both sizes: input, depth of std, norms of mean"
    )
    for (name, size), values in ratios.items():
        print(
            f"{size:4} {name:32} {statistics.median(values):.2f}  " + "  ".join(f"{value:.1e}" for value in worst[name])
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
