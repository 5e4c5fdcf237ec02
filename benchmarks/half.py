"""Two files of one model, such as an export and its ``--half``: CPU time of one thread to run and to load them, interleaved.

``python benchmarks/half.py ONE.onnx OTHER.onnx --rounds 9``. How far their numbers are apart: ``dptscope compare``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import dptscope
from dptscope import contract
from dptscope.session import Session, SessionOptions

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare.timing import interleave


def main(one: Path, other: Path, rounds: int) -> None:
    options = SessionOptions(threads=1)
    native = dptscope.load(one).card.native_size
    image = np.random.default_rng(0).normal(size=(1, 3, *native)).astype(np.float32)
    sessions = {path: Session(path, options) for path in (one, other)}
    runs = {str(p): lambda s=s: s.run([contract.DEPTH], {contract.IMAGE: image}) for p, s in sessions.items()}
    loads = {str(p): lambda p=p: Session(p, options) for p in sessions}
    for what, contenders in (("run", runs), ("load", loads)):
        taken = interleave(contenders, rounds, clock=time.process_time)
        ratio = taken[str(other)].ratio_to(taken[str(one)])
        medians = ", ".join(f"{statistics.median(times.rounds):.0f}" for times in taken.values())
        print(f"{what}: {ratio:.3f} of the time ({medians} ms)")
    print(f"size: {other.stat().st_size / 1e6:.1f} in place of {one.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    main(arguments.one, arguments.other, arguments.rounds)
