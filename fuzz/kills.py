"""Whole exports that are killed at seeded random moments, over a good export under the same name.

At the root of the checkout: ``python -m fuzz.kills [--kills 50] [--seed 1]``. A fifth of the kills
falls anywhere in an export, a fifth between its first file and the publishing, the rest while it publishes, which takes a few
milliseconds. After each, model, companion and preview must be those of one export, byte by byte (companion and preview may be
away for the moment in which the model changes), and nothing may be left but the killed run's own folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.checkpoints import write_tiny

import dptscope
from dptscope.files.atomic import PART_SUFFIX

ENDINGS = (".onnx", ".fusion.onnx", ".preview.onnx")
OPSETS = {"old": 20, "new": 21}  # two exports of one checkpoint that differ
STAGES = ("anywhere", "files are written", "publishing", "publishing", "publishing")


@dataclass(frozen=True)
class Whole:
    """An export that nobody disturbed.

    Attributes:
        hashes: of its files.
        first_file: seconds of processor time until the first one; wall clocks say little on a busy machine.
        publishing: the same until the publishing.
        published: seconds that the publishing took.
    """

    hashes: tuple[str, ...]
    first_file: float
    publishing: float
    published: float


def start(folder: Path, opset: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "dptscope",
        "export",
        str(folder / "tiny.safetensors"),
        "-o",
        str(folder / "m.onnx"),
    ]
    return subprocess.Popen(
        [*command, "--opset", str(opset)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder
    )


def staged(folder: Path) -> list[Path]:
    return list(folder.glob(f".*{PART_SUFFIX}/m.onnx"))


def wait_for_first_file(folder: Path, process: subprocess.Popen[bytes], known: list[Path]) -> Path:
    while process.poll() is None:
        if found := [path for path in staged(folder) if path not in known]:
            return found[0]
        time.sleep(0.005)
    raise RuntimeError(f"the export ended by itself: {process.communicate()[1].decode()}")


def wait_for_publishing(model: Path, process: subprocess.Popen[bytes]) -> None:
    """It begins with an entry that is appended to the model."""
    preview = model.with_name("m.preview.onnx")
    while process.poll() is None and not preview.exists():
        time.sleep(0.005)
    size = model.stat().st_size
    while process.poll() is None:
        try:
            if model.stat().st_size != size:
                return
        except FileNotFoundError:
            return
        time.sleep(0.0002)


def hashes(folder: Path) -> tuple[str, ...]:
    """Of model, companion and preview; empty where there is no such file."""
    paths = [folder / f"m{ending}" for ending in ENDINGS]
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "" for path in paths)


def undisturbed(folder: Path, opset: int) -> Whole:
    with start(folder, opset) as process:
        model = wait_for_first_file(folder, process, staged(folder))
        first_file = processor_seconds(process)
        wait_for_publishing(model, process)
        publishing, began = processor_seconds(process), time.monotonic()
        while model.exists():
            time.sleep(0.0002)
        published = time.monotonic() - began
        if process.wait():
            raise RuntimeError(f"an export failed: {process.communicate()[1].decode()}")
    return Whole(hashes(folder), first_file, publishing, published)


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return float("inf")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_processor(process: subprocess.Popen[bytes], seconds: float) -> None:
    while process.poll() is None and processor_seconds(process) < seconds:
        time.sleep(0.005)


def kill_one(folder: Path, opset: int, stage: str, whole: Whole, dice: random.Random) -> None:
    known = staged(folder)
    with start(folder, opset) as process:
        if stage == "anywhere":
            wait_for_processor(process, dice.uniform(0, whole.publishing))
        elif stage == "files are written":
            wait_for_processor(process, dice.uniform(whole.first_file, whole.publishing))
        else:
            wait_for_publishing(wait_for_first_file(folder, process, known), process)
            time.sleep(dice.uniform(0, 1.2 * whole.published))
        process.kill()


def state(folder: Path, wholes: dict[str, Whole]) -> str:
    """Whose files lie there: ``old``, ``new``, the same without companion or preview, or ``mixed``."""
    there = hashes(folder)
    for name, whole in wholes.items():
        if there == whole.hashes:
            return name
        if there[0] == whole.hashes[0] and all(
            own in ("", good) for own, good in zip(there, whole.hashes, strict=True)
        ):
            return f"{name}, without all beside it"
    return "mixed"


def look(folder: Path) -> tuple[bool, int]:
    """Whether the model works, and how many unfinished things lie beside it."""
    left = sum(path.name.startswith(".") for path in folder.iterdir())
    try:
        scene = dptscope.load(folder / "m.onnx").prepare(np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3))
        return bool(np.isfinite(scene.depth((1, 0.5, 1, 1))).all()), left
    except dptscope.DptscopeError as error:
        say(str(error))
        return False, left


def kill_many(folder: Path, kills: int, dice: random.Random, wholes: dict[str, Whole]) -> tuple[int, Counter[str]]:
    """Kill exports of the one that does not lie there; returns how often something was wrong, and what was found."""
    found: Counter[str] = Counter()
    there, wrong = "new", 0
    for number in range(kills):
        stage = STAGES[number % len(STAGES)]
        wanted = "old" if there.startswith("new") else "new"
        kill_one(folder, OPSETS[wanted], stage, wholes[wanted], dice)
        after = state(folder, wholes)
        works, left = look(folder)
        bad = after == "mixed" or not works or left > 1
        wrong += bad
        if "without" in after:
            outcome = "the model without all that lies beside it"
        else:
            outcome = "all as before" if after == there else "all replaced"
        found[f"{stage}: {outcome}"] += 1
        say(f"{number + 1:3d} {stage:18s} {after}, {left} left over{'  WRONG' if bad else ''}")
        there = after
    return wrong, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny(folder / "tiny.safetensors")
        wholes = {which: undisturbed(folder, opset) for which, opset in OPSETS.items()}
        for which, whole in wholes.items():
            times = f"first file after {whole.first_file:.1f} s of processor time, publishing after {whole.publishing:.1f} s"
            say(f"{which}: {times}, for {1000 * whole.published:.0f} ms")
        wrong, found = kill_many(folder, options.kills, random.Random(options.seed), wholes)
        undisturbed(folder, OPSETS["new"])
        names = {path.name for path in folder.iterdir()}
        tidy = state(folder, wholes) == "new" and names == {"tiny.safetensors", *(f"m{ending}" for ending in ENDINGS)}
    for line, count in sorted(found.items()):
        say(f"{count:3d} {line}")
    say(f"{options.kills} kills, {wrong} wrong; {time.monotonic() - began:.0f} s")
    if not tidy:
        say("the export after the last kill did NOT leave everything in order")
    return 1 if wrong or not tidy else 0


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
