"""Runs cases one after the other and says what was wrong."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from hostile.cases import Case, complaints
from hostile.children import Children, Outcome


def run_case(case: Case, children: Children) -> tuple[Outcome, list[str]]:
    """Run a case in a new folder; returns how it ended and what is wrong with that."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case.make(folder)
        before = {path.name for path in folder.iterdir()}
        outcome = children.run(case.arguments, folder, until_trace=case.until_trace)
        return outcome, complaints(case, outcome, before, folder)


def run_all(cases: Iterable[Case], children: Children, ended: Counter[str]) -> Iterator[str]:
    """Run cases, count in ``ended`` how they ended, and yield a line for everything that is wrong."""
    for case in cases:
        outcome, found = run_case(case, children)
        ended["wrong" if found else "worked" if outcome.status == 0 else "refused"] += 1
        for complaint in found:
            yield f"{case.name}: {complaint}"
