"""Runs cases on all processors and says what was wrong."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from fuzz.cases import Case, complaints
from fuzz.children import Children, Outcome

HOW = ("worked", "refused", "wrong")
_AHEAD = 4  # cases a server that are made before they can run; more would only fill memory

Ended = tuple[Case, Outcome, list[str]]


class Runner(Protocol):
    """Who runs a command in a folder."""

    def run(self, arguments: Sequence[str], folder: Path, *, until_trace: bool, bound: bool) -> Outcome: ...


def run_case(case: Case, runner: Runner) -> tuple[Outcome, list[str]]:
    """Run a case in a new folder; returns how it ended and what is wrong with that."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case.make(folder)
        folder.chmod(0o777)
        before = {path.name for path in folder.iterdir()}
        outcome = runner.run(case.arguments, folder, until_trace=case.until_trace, bound=case.bound)
        return outcome, complaints(case, outcome, before, folder)


def run_all(cases: Iterable[Case], good: Sequence[Case]) -> Iterator[Ended]:
    """Run cases, as many at once as there are processors, and yield them in their order.

    Args:
        cases: what to run.
        good: see :class:`fuzz.children.Children`.
    """
    with ExitStack() as stack:
        servers: SimpleQueue[Children] = SimpleQueue()
        cpus = sorted(os.sched_getaffinity(0))
        for cpu in cpus:
            servers.put(stack.enter_context(Children(good, cpu)))
        executor = stack.enter_context(ThreadPoolExecutor(len(cpus)))

        def run(case: Case) -> Ended:
            children = servers.get()
            try:
                return (case, *run_case(case, children))
            finally:
                servers.put(children)

        running: deque[Future[Ended]] = deque()
        for case in cases:
            running.append(executor.submit(run, case))
            if len(running) > _AHEAD * len(cpus):
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


@dataclass
class Tally:
    """How cases ended.

    Attributes:
        counts: worked, refused and wrong, by what the cases' names begin with.
        complaints: a line for everything that is wrong.
        cpu_seconds: processor time of all children.
        slowest: name and processor time of the case that took most.
    """

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    complaints: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0
    slowest: tuple[str, float] = ("", 0.0)

    def add(self, ended: Iterable[Ended]) -> Iterator[str]:
        """Count cases, and yield complaints as they come."""
        for case, outcome, found in ended:
            group = re.sub(r" \d+$", "", case.name.partition(":")[0])
            self.counts[group]["wrong" if found else "worked" if outcome.status == 0 else "refused"] += 1
            self.cpu_seconds += outcome.cpu_seconds
            self.slowest = max(self.slowest, (case.name, outcome.cpu_seconds), key=lambda pair: pair[1])
            for complaint in found:
                self.complaints.append(f"{case.name}: {complaint}")
                yield self.complaints[-1]

    def total(self) -> Counter[str]:
        """Worked, refused and wrong of all."""
        return sum(self.counts.values(), Counter())

    def table(self) -> Iterator[str]:
        """The figures, a line a group and one for all."""
        for group, counts in (*self.counts.items(), ("all", self.total())):
            yield f"{group}: {counts.total()} cases" + "".join(f", {counts[how]} {how}" for how in HOW)
        yield f"{self.cpu_seconds:.0f} s of processor time; most for {self.slowest[0]}: {self.slowest[1]:.1f} s"
