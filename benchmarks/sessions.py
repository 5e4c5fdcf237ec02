"""What the sessions' settings gain: subnormal numbers flushed in every thread, and threads that sleep between runs.

    python benchmarks/sessions.py runtime/dptscope/assets/dptscope_tiny.onnx

Each contender runs in a process of its own, one after the other, round after round; the table has medians over the rounds.
*photo* and *noise* are the whole model at the photo's size: a trained model's attention has many subnormal weights on a
photo, so a processor that is slow with them takes longer for it. *in turn* is depth, a slider's move and its preview one
after the other at the native size, *alone* depth after depth.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime as ort
import typer

RUNS = 9  # a process; the first two are not counted
THREADS = 2
FUSION_INPUTS = [f"fusion_input_{k}" for k in (1, 2, 3, 4)]
LONG_SIDE = 518  # target of the resize rule for the photo

Feeds = dict[str, np.ndarray[Any, Any]]
Opened = Callable[[str], Callable[[list[str], Feeds], list[np.ndarray[Any, Any]]]]


def dptscopes(path: str) -> Callable[[list[str], Feeds], list[np.ndarray[Any, Any]]]:
    from dptscope.session import Session, SessionOptions

    return Session(Path(path), SessionOptions(threads=THREADS)).run


def defaults(path: str) -> Callable[[list[str], Feeds], list[np.ndarray[Any, Any]]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    run: Any = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    return lambda names, feeds: run(names, feeds)


def milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def median_of(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(RUNS):
        for name, run in runs.items():
            taken[name].append(milliseconds(run))
    return {name: statistics.median(times[2:]) for name, times in taken.items()}


def measure(open_model: Opened, model: Path, input_bchw: np.ndarray[Any, Any], native: int) -> dict[str, float]:
    whole, fusion, preview = (
        open_model(str(model).replace(".onnx", ending)) for ending in (".onnx", ".fusion.onnx", ".preview.onnx")
    )
    random = np.random.default_rng(0)
    noise = random.standard_normal(input_bchw.shape, dtype=np.float32)
    found = median_of({"photo": lambda: whole(["depth"], {"image": input_bchw})})
    found |= median_of({"noise": lambda: whole(["depth"], {"image": noise})})
    small = random.standard_normal((1, 3, native, native), dtype=np.float32)
    maps = dict(zip(FUSION_INPUTS, whole(FUSION_INPUTS, {"image": small}), strict=True))
    maps["fusion_scale_2"] = np.float32([0.5])
    found |= median_of(
        {
            "in turn: depth": lambda: whole(["depth"], {"image": small}),
            "move": lambda: fusion(["depth"], maps),
            "preview": lambda: preview(["depth"], maps),
        }
    )
    return found | median_of({"alone: depth": lambda: whole(["depth"], {"image": small})})


def in_an_older_thread(model: Path, input_bchw: np.ndarray[Any, Any], native: int) -> dict[str, float]:
    """Ask from a thread that was there before the model."""
    opened = threading.Event()
    sessions: dict[str, Any] = {}
    found: dict[str, float] = {}

    def work() -> None:
        opened.wait()
        found.update(measure(sessions.__getitem__, model, input_bchw, native))

    thread = threading.Thread(target=work)
    thread.start()
    for ending in (".onnx", ".fusion.onnx", ".preview.onnx"):
        path = str(model).replace(".onnx", ending)
        sessions[path] = dptscopes(path)
    opened.set()
    thread.join()
    return found


CONTENDERS: dict[str, Callable[[Path, np.ndarray[Any, Any], int], dict[str, float]]] = {
    "dptscope": lambda *rest: measure(dptscopes, *rest),
    "dptscope, older thread": in_an_older_thread,
    "onnxruntime's defaults": lambda *rest: measure(defaults, *rest),
}


def main(
    model: Path,
    photo: Annotated[Path | None, typer.Option(help="A photo; scikit-image's motorcycle by default.")] = None,
    rounds: Annotated[int, typer.Option(help="Processes a contender.")] = 3,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    if photo is None:
        import skimage

        photo = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    if only is not None:
        import onnx

        from dptscope.card import ModelCard
        from dptscope.files.photos import read_image
        from dptscope.prepare import prepare_image

        metadata = {entry.key: entry.value for entry in onnx.load(model, load_external_data=False).metadata_props}
        card = ModelCard.from_metadata(metadata, str(model))
        print(
            json.dumps(CONTENDERS[only](model, prepare_image(card, read_image(photo), LONG_SIDE), card.native_size[0]))
        )
        return
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            command = [sys.executable, __file__, str(model), "--photo", str(photo), "--only", name]
            results[name].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    for name, found in results.items():
        medians = {key: statistics.median(result[key] for result in found) for key in found[0]}
        print(f"{name:24}", ", ".join(f"{key} {value:.1f}" for key, value in medians.items()), "ms")


if __name__ == "__main__":
    typer.run(main)
