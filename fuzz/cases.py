"""What a case is, and what must hold of every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fuzz.children import Outcome

Expected = Literal["works", "refused", "either"]
DATA = Path(__file__).parents[1] / "tests/data"
CANARY = "canary"  # the file that code hidden in a hostile file would make, in the current folder


@dataclass(frozen=True)
class Case:
    """One hostile file and what is done with it.

    Attributes:
        name: says what is wrong with the file; the same name makes the same bytes.
        make: writes the files of the case into an empty folder.
        arguments: of the command, run in that folder; what it writes goes to ``out``.
        expected: whether the file is good, bad, or may be either (a flipped bit can fall where nothing reads it).
        message: a part of the line that a refusal must contain.
        bound: permission bits bind the command, also where root runs the tests.
        until_trace: stop an export where tracing would begin, and count that as done.
    """

    name: str
    make: Callable[[Path], object]
    arguments: tuple[str, ...]
    expected: Expected = "either"
    message: str = ""
    bound: bool = False
    until_trace: bool = False


Groups = dict[str, Callable[[], Iterator[Case]]]
"""What was made by hand of one kind, by what is tried."""


def complaints(case: Case, outcome: Outcome, before: set[str], folder: Path) -> list[str]:
    """What is wrong with the way a case ended; empty where all is well."""
    if outcome.timed_out:
        return [f"hung: not done after {outcome.seconds:.0f} s"]
    if outcome.signal:
        return [f"crashed with signal {outcome.signal}: {outcome.stderr[-300:]}"]
    found = []
    if outcome.status not in (0, 2):
        found.append(f"exit status {outcome.status}: {outcome.stderr[-600:]}")
    if (folder / CANARY).exists():
        found.append("code from the file was run")
    if outcome.status == 2:
        found += _refusal(case, outcome, folder)
    elif outcome.status == 0:
        found += _success(case, outcome, folder)
    strangers = {path.name for path in folder.iterdir()} - before - {"out"}
    if strangers:
        found.append(f"left behind: {sorted(strangers)}")
    return found


def _refusal(case: Case, outcome: Outcome, folder: Path) -> list[str]:
    found = []
    lines = outcome.stderr.splitlines()
    if case.expected == "works":
        found.append("a good file was refused")
    if len(lines) != 1 or not lines[0].startswith("dptscope: ") or len(lines[0]) > 1000:
        found.append(f"expected one line that begins with 'dptscope: ', got {outcome.stderr[-600:]!r}")
    elif case.message not in lines[0]:
        found.append(f"expected {case.message!r} in {lines[0]!r}")
    written = [path.name for path in (folder / "out").iterdir()] if (folder / "out").is_dir() else []
    if written:
        found.append(f"refused, but wrote {written}")
    return found


def _success(case: Case, outcome: Outcome, folder: Path) -> list[str]:
    found = []
    if case.expected == "refused":
        found.append("a bad file was taken")
    if outcome.stderr:
        found.append(f"expected nothing on standard error, got {outcome.stderr[-600:]!r}")
    for array in (folder / "out").glob("*.npy"):
        if not np.isfinite(np.load(array)).all():
            found.append(f"{array.name} holds numbers that are not finite")
    return found
