"""What it costs that a file can take registers at test time, and what a run with them costs: CPU time of one thread.

``python benchmarks/registers.py PLAIN.onnx REGISTERS.onnx --rounds 31``: one checkpoint exported without and with
``--registers``. All contenders run once a round, in another order each time, the plain file twice. The table has their time
divided by the mean of those two in the same round: median over the rounds, and quartiles. What the plain file has there is
the method's own error.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

import dptscope
from dptscope import contract
from dptscope.registers import AddedRegisters
from dptscope.session import Session, SessionOptions

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare.timing import interleave

NEURONS = 50
PROBES = 20


def main(plain: Path, other: Path, rounds: int, size: int | None) -> None:
    """Measure, and print a table."""
    model = dptscope.load(other)
    card, width = model.card, model.graphs.register_width()
    generator = np.random.default_rng(0)
    height, width_pixels = (size, size) if size else card.native_size
    image = generator.normal(size=(1, 3, height, width_pixels)).astype(np.float32)
    blocks, indices = generator.integers(len(card.blocks), size=NEURONS), generator.integers(width, size=NEURONS)
    neurons = tuple(zip(blocks.tolist(), indices.tolist(), strict=True))
    feeds = {contract.IMAGE: image}
    options = SessionOptions(threads=1)
    sessions = Session(plain, options), Session(other, options)
    probes = {contract.PROBE_POSITIONS: np.arange(PROBES, dtype=np.int64)}
    depth = partial(sessions[1].run, [contract.DEPTH])
    contenders = {
        "plain": partial(sessions[0].run, [contract.DEPTH], feeds),
        "plain again": partial(Session(plain, options).run, [contract.DEPTH], feeds),
        "off": partial(depth, feeds),
        "one register, no neurons": partial(depth, feeds | AddedRegisters().feeds(card, width)),
        f"one register, {NEURONS} neurons": partial(depth, feeds | AddedRegisters(neurons).feeds(card, width)),
        f"{PROBES} probes": partial(sessions[1].run, [contract.MLP_AT_PROBES], feeds | probes),
    }
    taken = interleave(contenders, rounds, clock=time.process_time, shuffled=True)
    plains = zip(taken["plain"].rounds, taken["plain again"].rounds, strict=True)
    means = [statistics.fmean(both) for both in plains]
    print(f"{other.name} at {height} × {width_pixels}, {rounds} rounds, plain {statistics.median(means):.0f} ms")
    for name, times in taken.items():
        ratios = [mine / its for mine, its in zip(times.rounds, means, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name:28}{middle:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plain", type=Path)
    parser.add_argument("registers", type=Path)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--size", type=int, help="Pixels a side; the native ones by default.")
    arguments = parser.parse_args()
    main(arguments.plain, arguments.registers, arguments.rounds, arguments.size)
