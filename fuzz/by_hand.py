"""All files of a kind that were made by hand, one after the other in this process: ``python -m fuzz.by_hand KIND``.

A line of JSON a step: which case of which group begins, and what was wrong with it. So whoever reads the lines knows which
case ended the process, where one does. The table of the suite is made of them (``tests/test_untrusted_files.py``).
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from fuzz.children import Outcome
from fuzz.run_cases import run_case
from fuzz.server import MIB, memory_used, obeying_permissions, run

SECONDS = 120  # for a case; then the process ends and says where it was
MEMORY = 2048 * MIB  # of address space, beyond what the process has


class Here:
    """Runs commands in this process, with a limit on the memory."""

    def run(self, arguments: Sequence[str], folder: Path, *, until_trace: bool = False, bound: bool = False) -> Outcome:
        """See :meth:`fuzz.children.Children.run`."""
        status, started, cpu = 70, time.monotonic(), time.process_time()
        with tempfile.TemporaryDirectory() as said:
            stdout, stderr = Path(said, "stdout"), Path(said, "stderr")
            with chdir(folder), _outputs(1, stdout), _outputs(2, stderr), _little_memory():
                try:
                    with obeying_permissions() if bound else nullcontext():
                        status = run(list(arguments), until_trace)
                except BaseException:  # noqa: BLE001 - whatever comes out is the finding
                    traceback.print_exc()
            texts = (path.read_text(errors="replace") for path in (stdout, stderr))
            return Outcome(status, 0, False, time.monotonic() - started, time.process_time() - cpu, *texts)


@contextmanager
def _outputs(number: int, path: Path) -> Iterator[None]:
    """Send standard output (1) or error (2) to a file, also what native code writes there."""
    kept = os.dup(number)
    with path.open("wb") as file:
        os.dup2(file.fileno(), number)
    try:
        yield
        (sys.stdout if number == 1 else sys.stderr).flush()
    finally:
        os.dup2(kept, number)
        os.close(kept)


@contextmanager
def _little_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_used() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> None:
    lines, errors = os.fdopen(os.dup(1), "w", buffering=1), os.fdopen(os.dup(2), "w")
    faulthandler.enable(errors)

    def say(**values: Any) -> None:
        lines.write(json.dumps(values) + "\n")

    files, here = importlib.import_module(f"fuzz.{sys.argv[1]}"), Here()
    for group, make in files.GROUPS.items():
        for case in make():
            say(group=group, case=case.name)
            faulthandler.dump_traceback_later(SECONDS, exit=True, file=errors)
            outcome, wrong = run_case(case, here)
            faulthandler.cancel_dump_traceback_later()
            say(status=outcome.status, seconds=round(outcome.seconds, 2), wrong=wrong)


if __name__ == "__main__":
    main()
