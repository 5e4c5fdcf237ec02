"""What ``dptscope bench`` measures: how fast an exported model is on this machine."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.model import DepthModel, load
from dptscope.ort import ONNXRUNTIME_VERSION
from dptscope.prepare import input_size as model_input_size
from dptscope.process.limits import available_cpus
from dptscope.scene import Scene

WARM_UP = 2  # runs at the beginning that are not counted: they also fetch memory
_COMPARED = {
    "load": "load_ms",
    "photo to depth": "depth_ms",
    "photo to depth and norms": "norms_ms",
    "a slider's move": "move_ms",
    "its preview": "preview_ms",
}
IN_A_ROW = {"move": 3, "preview": 3}  # the last one counts: while the user drags, one move follows the other


@dataclass(frozen=True)
class Bench:
    """How long things take. Milliseconds are medians over the rounds; every round does everything once.

    Attributes:
        model: file name.
        input_size: height and width of the model's input.
        threads: threads of a run.
        providers: onnxruntime's execution providers, the first choice first.
        onnxruntime: its version.
        rounds: how often each was measured.
        load_ms: opening the file and what lies beside it, once.
        depth_ms: a prepared input through the whole model, to depth alone.
        norms_ms: the same with the norms of every block's tokens: what the viewer waits for on a new photo.
        move_ms: depth for other fusion scales, for a photo that has been through the encoder; None without the companion.
        preview_ms: the same, coarse, while a slider moves; None without the preview.
        gigaflops: arithmetic of image to depth, in 10⁹ operations; None at other sizes than the native one,
            and where the file does not say.
    """

    model: str
    input_size: tuple[int, int]
    threads: int
    providers: tuple[str, ...]
    onnxruntime: str
    rounds: int
    load_ms: float
    depth_ms: float
    norms_ms: float
    move_ms: float | None
    preview_ms: float | None
    gigaflops: float | None

    def to_json(self) -> dict[str, Any]:
        """All attributes as plain values."""
        return asdict(self)


def measure(
    path: Path,
    size: int | None = None,
    rounds: int = 5,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
) -> Bench:
    """As :func:`measure_each`, with one choice of providers, or the CPU if None."""
    (bench,) = measure_each(path, size, rounds, threads, [providers])
    return bench


def measure_each(
    path: Path, size: int | None, rounds: int, threads: int | None, choices: Sequence[Sequence[str] | None]
) -> list[Bench]:
    """Time a model on seeded noise, square where the model takes that. What a photo shows makes no difference to the time
    where subnormal numbers are flushed (see :mod:`dptscope.subnormals`).

    Args:
        path: ``NAME.onnx``.
        size: pixels a side; the native size if None.
        rounds: how often each thing is measured, one or more.
        threads: see :func:`dptscope.load`.
        choices: of providers, see :func:`dptscope.load`; they take turns.

    Returns:
        what was measured with each.

    Raises:
        DptscopeError: as :func:`dptscope.load` and :meth:`dptscope.DepthModel.prepare` do.
    """
    runs: dict[tuple[int, str], Callable[[], object]] = {}
    opened = []
    for choice, providers in enumerate(choices):
        start = time.perf_counter()
        model = load(path, providers, threads)
        opened.append((providers, model, (time.perf_counter() - start) * 1000))
        input_size = model_input_size(model.card, model.card.native_size, size, square=True)
        input_bchw = np.random.default_rng(0).standard_normal((1, 3, *input_size), dtype=np.float32)
        runs |= {(choice, what): run for what, run in _runs(model, input_bchw).items()}
    taken = _interleave(runs, rounds)
    return [
        _bench(
            model, input_size, threads, providers, rounds, load_ms, {w: t for (c, w), t in taken.items() if c == choice}
        )
        for choice, (providers, model, load_ms) in enumerate(opened)
    ]


def _bench(
    model: DepthModel,
    input_size: tuple[int, int],
    threads: int | None,
    providers: Sequence[str] | None,
    rounds: int,
    load_ms: float,
    taken: Mapping[str, float],
) -> Bench:
    flops = model.card.flops
    return Bench(
        model=model.path.name,
        input_size=input_size,
        threads=threads or available_cpus(),
        providers=tuple(providers or ("CPUExecutionProvider",)),
        onnxruntime=ONNXRUNTIME_VERSION,
        rounds=rounds,
        load_ms=load_ms,
        depth_ms=taken["depth"],
        norms_ms=taken["norms"],
        move_ms=taken.get("move"),
        preview_ms=taken.get("preview"),
        gigaflops=flops / 1e9 if flops is not None and input_size == model.card.native_size else None,
    )


def _runs(model: DepthModel, input_bchw: Float32Array) -> dict[str, Callable[[], object]]:
    input_size = (input_bchw.shape[2], input_bchw.shape[3])
    scene = Scene(model.graphs, input_bchw, input_size)
    moves = itertools.cycle((1.0, scale, 1.0, 1.0) for scale in (0.5, 0.75, 1.25))
    runs: dict[str, Callable[[], object]] = {
        "depth": lambda: model.run(input_bchw, [contract.DEPTH]),
        "norms": lambda: Scene(model.graphs, input_bchw, input_size),
    }
    if model.has_companion:
        runs["move"] = lambda: scene.raw_depth(next(moves))
    if model.has_preview:
        runs["preview"] = lambda: scene.preview_depth(next(moves))
    return runs


def _interleave(runs: dict[tuple[int, str], Callable[[], object]], rounds: int) -> dict[tuple[int, str], float]:
    """Median milliseconds by name. Taking turns lets a slow moment of the machine fall on all."""
    taken: dict[tuple[int, str], list[float]] = {name: [] for name in runs}
    for _, run in itertools.product(range(WARM_UP), runs.values()):
        run()
    for _, (name, run) in itertools.product(range(rounds), runs.items()):
        for _ in range(IN_A_ROW.get(name[1], 1)):
            start = time.perf_counter()
            run()
            milliseconds = (time.perf_counter() - start) * 1000
        taken[name].append(milliseconds)
    return {name: statistics.median(times) for name, times in taken.items()}


def show(bench: Bench) -> None:
    """Print what was measured as a table on standard output."""
    from rich.console import Console
    from rich.table import Table

    height, width = bench.input_size
    rate = f", {bench.gigaflops / bench.depth_ms * 1000:.0f} GFLOP/s" if bench.gigaflops is not None else ""
    rows = [
        ("load", bench.load_ms, "the file and what lies beside it, once"),
        ("photo to depth", bench.depth_ms, f"a prepared photo, the whole model{rate}"),
        ("photo to depth and norms", bench.norms_ms, "the same, and every block's norms"),
        ("a slider's move", bench.move_ms, f"fusion and head{_share(bench, bench.move_ms)}"),
        ("its preview", bench.preview_ms, f"coarse, while it moves{_share(bench, bench.preview_ms)}"),
    ]
    console = Console(highlight=False)
    console.print(
        f"{bench.model} at {height} × {width}, {bench.threads} threads, {', '.join(bench.providers)}, "
        f"onnxruntime {bench.onnxruntime}, medians of {bench.rounds}",
        soft_wrap=True,
    )
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, milliseconds, remark in rows:
        if milliseconds is not None:
            table.add_row(name, f"{milliseconds:.1f} ms", remark)
    console.print(table)


def _share(bench: Bench, milliseconds: float | None) -> str:
    return f", 1/{bench.depth_ms / milliseconds:.0f} of the whole model" if milliseconds else ""


def show_each(benches: Sequence[Bench]) -> None:
    """Print what several providers took, side by side, and which is the quickest."""
    from rich.console import Console
    from rich.table import Table

    first = benches[0]
    height, width = first.input_size
    console = Console(highlight=False)
    console.print(
        f"{first.model} at {height} × {width}, {first.threads} threads, onnxruntime {first.onnxruntime}, medians of "
        f"{first.rounds}, in turn",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("ms")
    for bench in benches:
        table.add_column(", ".join(bench.providers), justify="right", overflow="fold")
    for what, name in _COMPARED.items():
        figures = [getattr(bench, name) for bench in benches]
        if None not in figures:
            table.add_row(what, *(f"{milliseconds:.1f}" for milliseconds in figures))
    console.print(table)
    console.print(verdict(benches), soft_wrap=True)


def verdict(benches: Sequence[Bench]) -> str:
    """The quickest provider for photos and for sliders, in words."""
    said = []
    for what, name in (("a photo", "depth_ms"), ("a slider's move", "move_ms")):
        taken = sorted(
            (ms, ", ".join(bench.providers)) for bench in benches if (ms := getattr(bench, name)) is not None
        )
        if len(taken) > 1:
            said.append(
                f"quickest for {what}: {taken[0][1]} ({taken[1][0] / taken[0][0]:.2f} times as fast as the next)"
            )
    return "; ".join(said)
