"""Photos, models, checkpoints and settings that somebody made to do harm, or in an unusual way.

The files and what must come of each are made in ``fuzz/``. Here all that were made by hand are tried, a kind in one process
of its own; ``python -m fuzz.full`` damages them at random, by the thousand. docs/untrusted_files.md says what it is for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from fuzz.children import ONE_THREAD

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/untrusted_files.md"
TIME = 1200  # seconds for a kind, on a busy machine

# Kind, what is tried, and how many cases there are at least.
TABLE = [
    ("photos", "good photos", 42),
    ("photos", "bad photos", 31),
    ("models", "good models", 3),
    ("models", "not a model", 15),
    ("models", "metadata", 117),
    ("models", "external data", 19),
    ("models", "companions and previews", 15),
    ("models", "edited graphs", 35),
    ("checkpoints", "good checkpoints", 16),
    ("checkpoints", "tensors", 50),
    ("checkpoints", "pickles", 42),
    ("checkpoints", "archives", 42),
    ("checkpoints", "safetensors", 29),
    ("checkpoints", "folders", 28),
    ("checkpoints", "options", 17),
    ("settings", "scales", 36),
    ("settings", "options", 55),
    ("settings", "presets", 26),
    ("settings", "no files", 56),
    ("settings", "unreadable files", 5),
]


@dataclass
class Results:
    """How the cases of a kind ended.

    Attributes:
        cases: how many were done, by group.
        wrong: a line for everything that was wrong, by group.
        last: what the process was at when it ended, and what it said; empty where it came to its end.
    """

    cases: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    last: str = ""


@cache
def results(kind: str) -> Results:
    """Run all cases of a kind, in their order, in one process."""
    command = [sys.executable, "-m", "fuzz.by_hand", kind]
    environment = os.environ | ONE_THREAD  # the libraries' threads would wait for one another on busy cores
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=TIME)
    found, group, case = Results(), "", "its start"
    for line in map(json.loads, done.stdout.splitlines()):
        if "case" in line:
            group, case = line["group"], line["case"]
        else:
            found.cases[group] += 1
            found.wrong[group] += [f"{case}: {complaint}" for complaint in line["wrong"]]
    if done.returncode:
        found.last = f"the process ended with status {done.returncode} at {case}: {done.stderr[-2000:]}"
    return found


@pytest.mark.parametrize(("kind", "group", "cases"), TABLE, ids=[f"{kind}-{group}" for kind, group, _ in TABLE])
def test_made_by_hand(kind: str, group: str, cases: int) -> None:
    """Each is refused in one line with status 2, or works where it is harmless, and nothing is left behind."""
    found = results(kind)
    assert not found.wrong[group], "\n".join(found.wrong[group])
    assert found.cases[group] >= cases, found.last


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in TABLE}))
def test_every_group_is_in_the_table(kind: str) -> None:
    found = results(kind)
    assert not found.last, found.last
    assert found.cases.keys() == {group for of, group, _ in TABLE if of == kind}


def test_the_page_names_files_that_are_there() -> None:
    named = re.findall(r"`((?:runtime|exporter|viewer)/[\w/]+\.py)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
