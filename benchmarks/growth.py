"""How time grows with pixels and with the batch, drawn as a plot. Needs matplotlib.

python benchmarks/growth.py MODEL.onnx PLOT.png [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time

import matplotlib as mpl
import numpy as np

import dptscope
from dptscope import contract

SIDES = (252, 364, 518, 728, 1036)
BATCHES = (1, 2, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("plot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-side", type=int, default=252)
    options = parser.parse_args()
    model = dptscope.load(options.model, threads=2)
    sides = {side: median(model, (1, 3, side, side), options.rounds) for side in SIDES}
    batches = {
        batch: median(model, (batch, 3, options.batch_side, options.batch_side), options.rounds) for batch in BATCHES
    }
    draw(sides, batches, options.batch_side, options.plot)
    for side, seconds in sides.items():
        print(f"{side}²: {seconds:.3f} s, {seconds / side**2 * 1e6:.2f} µs a pixel")
    for batch, seconds in batches.items():
        print(f"batch {batch} at {options.batch_side}²: {seconds:.3f} s, {seconds / batch:.3f} s an image")


def median(model: dptscope.DepthModel, shape: tuple[int, ...], rounds: int) -> float:
    """Seconds of a run of the whole graph, after one to warm up."""
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model.run(image, [contract.DEPTH])
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def draw(sides: dict[int, float], batches: dict[int, float], batch_side: int, path: str) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot([side**2 / 1e6 for side in sides], list(sides.values()), "o-")
    left.set(xlabel="megapixels", ylabel="seconds", title="one image", xlim=0, ylim=0)
    right.plot(list(batches), list(batches.values()), "o-")
    right.set(xlabel="batch", ylabel="seconds", title=f"{batch_side} × {batch_side}", xlim=0, ylim=0)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
