"""What it costs that a file can take registers at test time, and what a run with them costs: CPU time of one thread.

``python benchmarks/registers.py PLAIN.onnx REGISTERS.onnx --rounds 31``: one checkpoint exported without and with
``--registers``. All contenders run once a round, in another order each time, the plain file twice. The table has their time
divided by the mean of those two in the same round: median over the rounds, and quartiles. What the plain file has there is
the method's own error.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import dptscope
from dptscope import contract
from dptscope.registers import AddedRegisters
from dptscope.session import Session, SessionOptions

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare.timing import WARM_UP

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
    contenders = {
        "plain": (sessions[0], feeds, contract.DEPTH),
        "plain again": (Session(plain, options), feeds, contract.DEPTH),
        "off": (sessions[1], feeds, contract.DEPTH),
        "one register, no neurons": (sessions[1], feeds | AddedRegisters().feeds(card, width), contract.DEPTH),
        f"one register, {NEURONS} neurons": (
            sessions[1],
            feeds | AddedRegisters(neurons).feeds(card, width),
            contract.DEPTH,
        ),
        f"{PROBES} probes": (sessions[1], feeds | probes, contract.MLP_AT_PROBES),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    for count in range(-WARM_UP, rounds):
        shuffle(order)
        for name in order:
            session, given, output = contenders[name]
            start = time.process_time()
            session.run([output], given)
            if count >= 0:
                taken[name].append(time.process_time() - start)
    means = [(one + again) / 2 for one, again in zip(taken["plain"], taken["plain again"], strict=True)]
    print(f"{other.name} at {height} × {width_pixels}, {rounds} rounds, plain {statistics.median(means) * 1000:.0f} ms")
    for name, times in taken.items():
        ratios = [mine / its for mine, its in zip(times, means, strict=True)]
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
