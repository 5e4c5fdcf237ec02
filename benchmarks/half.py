"""Two files of one model, such as an export and its ``--half``, or what ``quantise`` made of it: interleaved times.

``python benchmarks/half.py ONE.onnx OTHER.onnx --size 392 --rounds 9``: CPU time of one thread; wall time with
``--threads 2``. How far their numbers are apart: ``dptscope compare``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dptscope import contract
from dptscope.graphs import Graphs
from dptscope.session import SessionOptions

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare.timing import interleave

_FUSION_INPUTS = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
_OTHER_SCALES = (0.8, 1.2, 0.9, 1.1)


def main(one: Path, other: Path, size: int | None, threads: int, rounds: int) -> None:
    """Measure, and print a line for each thing."""
    options = SessionOptions(threads=threads)
    opened = {path: Graphs(path, options) for path in (one, other)}
    height, width = (size, size) if size else opened[one].card.native_size
    image = np.random.default_rng(0).standard_normal((1, 3, height, width), dtype=np.float32)
    runs: dict[str, dict[str, Callable[[], object]]] = {"load": {str(p): partial(Graphs, p, options) for p in opened}}
    for path, graphs in opened.items():
        maps = list(graphs.whole(image, _FUSION_INPUTS).values())
        runs.setdefault("photo to depth", {})[str(path)] = partial(graphs.whole, image, [contract.DEPTH])
        if graphs.has_companion:
            runs.setdefault("a move", {})[str(path)] = partial(graphs.fuse, maps, _OTHER_SCALES)
        if graphs.has_preview:
            runs.setdefault("its preview", {})[str(path)] = partial(graphs.preview, maps, _OTHER_SCALES)
    clock = time.process_time if threads == 1 else time.perf_counter
    print(f"{height} x {width}, {threads} thread{'s' if threads > 1 else ''}, {rounds} rounds")
    for what, contenders in runs.items():
        taken = interleave(contenders, rounds, clock=clock)
        ratio = taken[str(one)].ratio_to(taken[str(other)])
        medians = ", ".join(f"{statistics.median(times.rounds):.1f}" for times in taken.values())
        print(f"{what}: {ratio:.3f} times as fast ({medians} ms)")
    print(f"size: {other.stat().st_size / 1e6:.1f} in place of {one.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--size", type=int, help="pixels a side; the native size by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    main(arguments.one, arguments.other, arguments.size, arguments.threads, arguments.rounds)
