"""What a survey costs beside bare onnxruntime, and how many processes with how many threads are fastest.

``python -m benchmarks.survey overhead [MODEL.onnx PHOTO…]``: CPU time of one thread, which stays true on a machine that
others use, for a photo that is decoded. A plain loop resizes with OpenCV in float32, normalises, runs, and looks at nothing
that comes out; a survey does what it does. Both work on every photo once a round; a ratio is taken within a round, and the
table has the median over the rounds, and behind ± half of what lies between the quartiles.

``python -m benchmarks.survey jobs [MODEL.onnx PHOTO…]``: photos a second of whole surveys in turn, from the first part that
is written to the last, so without the start. For a quiet machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.compare.timing import interleave
from benchmarks.passes import open_session, ratio
from dptscope import load
from dptscope.arrays import Float32Array, UInt8Array
from dptscope.commands.demo import MODEL, demo_photos
from dptscope.contract import BLOCK_CLS_TOKENS, DEPTH, FUSION_BLOCKS, block_tokens_name, fusion_input_name
from dptscope.files.photos import read_image
from dptscope.model import DepthModel
from dptscope.prepare import input_size
from dptscope.process.limits import available_cpus
from dptscope_survey.columns import rows_of

app = typer.Typer(add_completion=False)

ModelArgument = Annotated[Path, typer.Argument(help="An exported model; the shipped one by default.")]
PhotosArgument = Annotated[list[Path] | None, typer.Argument(help="Photos; the shipped ones by default.")]
SizeOption = Annotated[int, typer.Option(help="Size at which the model sees the photos.")]
RoundsOption = Annotated[int, typer.Option(help="Interleaved rounds.")]


@app.command()
def overhead(
    model: ModelArgument = MODEL, photos: PhotosArgument = None, size: SizeOption = 252, rounds: RoundsOption = 30
) -> None:
    """A survey's work on decoded photos beside a plain loop."""
    from rich.console import Console
    from rich.table import Table

    cv2.setNumThreads(1)
    images = [read_image(path) for path in photos or demo_photos()]
    survey = load(model, threads=1)
    contenders = {
        "plain loop": plain_loop(survey, images, size),
        "survey": lambda: [rows_of(("part",), "", survey.prepare(image, size=size)) for image in images],
    }
    taken = interleave(contenders, rounds, clock=time.process_time)
    table = Table("", "ms of CPU a photo", "÷ plain loop", title=f"{model.name} at {size}, {len(images)} photos")
    for name, times in taken.items():
        table.add_row(name, f"{times.median / len(images):.1f}", ratio(times.rounds, taken["plain loop"].rounds))
    Console().print(table)


def plain_loop(model: DepthModel, images: list[UInt8Array], size: int) -> Callable[[], object]:
    """What one would write without this project, with its sessions' settings. It fetches what a survey fetches."""
    card, rule = model.card, model.card.preparation
    session = open_session(model.path, 1)
    names = [DEPTH, *(block_tokens_name(block) for block in range(len(card.blocks))), BLOCK_CLS_TOKENS]
    names += [fusion_input_name(k) for k in FUSION_BLOCKS]
    names = [name for name in names if name in {node.name for node in session.get_outputs()}]
    mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)

    def prepare(image: UInt8Array) -> Float32Array:
        height, width = input_size(card, (image.shape[0], image.shape[1]), size)
        values = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        values = (cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)

    return lambda: [session.run(names, {"image": prepare(image)}) for image in images]


@app.command()
def jobs(
    model: ModelArgument = MODEL,
    photos: PhotosArgument = None,
    size: SizeOption = 252,
    rounds: RoundsOption = 1,
    number: Annotated[int, typer.Option(help="Photos of each survey; the given ones again and again.")] = 128,
) -> None:
    """Photos a second for each choice of processes and threads."""
    from rich.console import Console
    from rich.table import Table

    cpus = available_cpus()
    processes = [2**power for power in range(cpus.bit_length()) if 2**power < cpus]
    choices = [(1, 1), *((jobs, cpus // jobs) for jobs in processes), (cpus, 1), (cpus + 1, 1)]
    rates: dict[tuple[int, int], list[float]] = {choice: [] for choice in dict.fromkeys(choices)}
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "photos"
        asked.mkdir()
        given = photos or demo_photos()
        for place in range(number):
            photo = given[place % len(given)].absolute()
            (asked / f"{place:06d}{photo.suffix}").symlink_to(photo)
        for turn in range(rounds):
            for choice, found in rates.items():
                found.append(rate(model, asked, Path(folder) / f"{turn}-{choice}", size, *choice))
    table = Table(
        "processes × threads", "photos a second", title=f"{model.name} at {size}, {number} photos, {cpus} CPUs"
    )
    for (jobs, threads), found in rates.items():
        table.add_row(f"{jobs} × {threads}", f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})")
    Console().print(table)


def rate(model: Path, photos: Path, output: Path, size: int, processes: int, threads: int) -> float:
    """Photos a second from the first part on."""
    command = ["survey", str(model), str(photos), "-o", str(output), "--size", str(size), "--format", "jsonl"]
    command += ["--jobs", str(processes), "--threads", str(threads)]
    subprocess.run([sys.executable, "-m", "dptscope", *command], check=True, stdout=subprocess.DEVNULL)
    written = sorted(part.stat().st_mtime for part in output.glob("part-*"))
    a_part = len(list(photos.iterdir())) / len(written)
    return a_part * (len(written) - 1) / (written[-1] - written[0])


if __name__ == "__main__":
    app()
