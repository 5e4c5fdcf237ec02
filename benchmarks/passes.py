"""What each graph pass gives alone: ``python -m benchmarks.passes [SUBJECT…] [--rounds N]``.

Each pass is left out once, and the file without it runs in turn with the full one. A ratio is the full file's time over that
of the file without the pass, within a round, and the median over the rounds: below one the pass gains. Two times are taken:
CPU time of sessions of one thread, which stays true on a machine that others use, and wall time of two threads; behind ± is
half of what lies between the quartiles. Peak memory is that of a process that loads the file and runs it once, with two
threads (Linux): the median of three, which differ by up to a tenth. Subjects are those of ``python -m benchmarks``;
their files, and those that are made here, are kept between runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import typer

from benchmarks.__main__ import WORK

FULL = "all passes"
Feeds = Mapping[str, np.ndarray[Any, Any]]


def main(
    subjects: Annotated[list[str] | None, typer.Argument(help="Models; all but the largest by default.")] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 9,
    only: Annotated[list[str] | None, typer.Option(help="Passes to leave out in turn; all by default.")] = None,
    wall: Annotated[bool, typer.Option(help="Wall time, too: not on a machine that others use.")] = True,
    work: Annotated[Path, typer.Option(help="Where checkpoints and exports are kept between runs.")] = WORK,
    again: Annotated[bool, typer.Option("--again", help="Export once more, after a change of the exporter.")] = False,
) -> None:
    """Measure what every graph pass gives alone."""
    from rich.console import Console

    from benchmarks.compare.subjects import SUBJECTS

    for name in subjects or ("vits", "beit_base", "swinv2_tiny"):
        subject = SUBJECTS[name]
        folder = work / name / "passes"
        if again or not (folder / f"{FULL}.onnx").is_file():
            export_each(subject, work, folder)
        feeds: Feeds = {"image": lively_image(subject.size)}
        files = files_of(folder, ".onnx", only)
        measure(Console(), f"{name} at {subject.size}², image to depth", files, feeds, rounds, wall)
        names = [f"fusion_input_{k}" for k in (1, 2, 3, 4)]
        found = open_session(folder / f"{FULL}.onnx", 2).run(names, dict(feeds))
        feeds = dict(zip(names, found, strict=True))
        files = files_of(folder, ".fusion.onnx", only)
        measure(Console(), f"{name} at {subject.size}², a slider's move", files, feeds, rounds, wall)


def export_each(subject: Any, work: Path, folder: Path) -> None:
    """Write the whole graph and the companion with all passes, and without each. They are traced once."""
    from benchmarks.compare.files import hub_of
    from dptscope_export.checkpoints.read import read_checkpoint
    from dptscope_export.families import ExportOptions, recognise
    from dptscope_export.graph.finish import Traced, finish
    from dptscope_export.graph.passes import PASSES, choose_passes
    from dptscope_export.graph.trace import example_fusion_inputs
    from dptscope_export.pipeline import DEFAULT_OPSET, build, make_card, make_preview, trace_graphs

    checkpoint = read_checkpoint(hub_of(subject, work))
    plan = recognise(
        checkpoint, ExportOptions(variant=dict([subject.options]).get("--variant") if subject.options else None)
    )
    card = make_card(checkpoint, plan, DEFAULT_OPSET, "default", PASSES)
    model = build(checkpoint, plan)
    examples = example_fusion_inputs(model, plan.sizes)
    folder.mkdir(parents=True, exist_ok=True)
    graphs = trace_graphs(model, make_preview(model, plan, examples), plan, examples, DEFAULT_OPSET)
    for traced, _ in zip(graphs, ("whole", "companion"), strict=False):
        for left_out in (FULL, *(graph_pass.name for graph_pass in PASSES)):
            fresh = Traced(traced.suffix, traced.model.clone(), traced.inputs, traced.outputs)
            passes = choose_passes(() if left_out == FULL else (left_out,))
            ir.save(finish(fresh, card, passes, subject.name), folder / f"{left_out}{traced.suffix}")


def files_of(folder: Path, suffix: str, only: list[str] | None) -> dict[str, Path]:
    """The file with all passes, and that without each; but for those that the pass left as they are."""
    from dptscope_export.graph.passes import PASSES

    full = folder / f"{FULL}{suffix}"
    files = {name: folder / f"{name}{suffix}" for name in only or (graph_pass.name for graph_pass in PASSES)}
    return {FULL: full} | {name: path for name, path in files.items() if path.read_bytes() != full.read_bytes()}


def measure(console: Any, title: str, files: Mapping[str, Path], feeds: Feeds, rounds: int, wall: bool) -> None:
    """Time and weigh the file with all passes against each without one."""
    from rich.table import Table

    clocks = {"CPU, 1 thread": (1, time.process_time)} | ({"wall, 2 threads": (2, time.perf_counter)} if wall else {})
    table = Table("without", *clocks, "peak MiB", title=title, title_justify="left")
    taken = [interleaved(files, feeds, rounds, threads, clock) for threads, clock in clocks.values()]
    for name, path in files.items():
        ratios = [ratio(times[FULL].rounds, times[name].rounds) for times in taken]
        table.add_row(name, *ratios, f"{statistics.median(peak_of(path, feeds) for _ in range(3))}")
    console.print(table, f"{taken[0][FULL].median:.0f} ms of CPU with all passes; others had nothing to do")


def ratio(full: tuple[float, ...], without: tuple[float, ...]) -> str:
    ratios = np.array(full) / np.array(without)
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ± {(high - low) / 2:.3f}"


def interleaved(files: Mapping[str, Path], feeds: Feeds, rounds: int, threads: int, clock: Any) -> Any:
    from benchmarks.compare.timing import interleave

    sessions = {name: open_session(path, threads) for name, path in files.items()}
    runs = {name: lambda s=session: s.run(["depth"], dict(feeds)) for name, session in sessions.items()}
    return interleave(runs, rounds, clock=clock)


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """A session with the settings of :mod:`dptscope.ort`, and threads that leave the others their time."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def lively_image(size: int) -> np.ndarray[Any, Any]:
    import torch

    from dptscope_export.verify import lively_image as make

    return np.asarray(make(1, size, size, torch.Generator().manual_seed(5)))


def peak_of(path: Path, feeds: Feeds) -> int:
    """Peak memory in MiB of a process that runs the file once."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "feeds.npz", **dict(feeds))
        command = [sys.executable, "-m", "benchmarks.passes", "--one", str(path), str(Path(folder) / "feeds.npz")]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_once(path: str, feeds: str) -> None:
    open_session(Path(path), 2).run(["depth"], dict(np.load(feeds)))
    # Not ru_maxrss, which begins with what the process that started this one holds.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) // 2**10)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_once(*sys.argv[2:])
    else:
        typer.run(main)
