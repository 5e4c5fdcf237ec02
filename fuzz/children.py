"""Runs commands in child processes with limits on time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuzz.cases import Case

ROOT = Path(__file__).parents[1]
# onnxruntime starts a thread for its telemetry when it is imported.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")} | {
    "ORT_DISABLE_TELEMETRY": "1"
}


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        status: its exit status.
        signal: the signal that killed it, else 0.
        timed_out: it was stopped after its time.
        seconds: what it took, as the wall clock has it.
        cpu_seconds: what it took of a processor.
        stdout, stderr: what it wrote.
    """

    status: int
    signal: int
    timed_out: bool
    seconds: float
    cpu_seconds: float
    stdout: str
    stderr: str


class Children:
    """Starts a server, and asks it for one child a command. To be used in a ``with`` statement.

    Args:
        good: cases that work, which the server runs itself before it forks; see :mod:`fuzz.server`.
        cpu: the processor that children run on, and so in one thread; None: all that there are.
    """

    def __init__(self, good: Sequence[Case] = (), cpu: int | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._cpu = cpu
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "fuzz.server", json.dumps([self._prepared(case) for case in good])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=self._scratch.name
        )
        self.threads = 0

    def _prepared(self, case: Case) -> dict[str, Any]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch.name))
        case.make(folder)
        return {"folder": str(folder), "arguments": case.arguments, "until_trace": case.until_trace}

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        until_trace: bool = False,
        cpu_seconds: int = 30,
        seconds: int = 300,
        mib: int = 2048,
        bound: bool = False,
    ) -> Outcome:
        """Run ``dptscope ARGUMENTS`` in ``folder``.

        Args:
            arguments: of the command.
            folder: its current folder.
            until_trace: see :class:`fuzz.cases.Case`.
            cpu_seconds: processor time that it may use.
            seconds: time on the wall clock after which it is killed; generous, for busy machines.
            mib: address space that it may take beyond what the server has.
            bound: permission bits bind it, also where root runs the server.
        """
        self._wait_until_ready()
        said = {name: str(Path(self._scratch.name) / name) for name in ("stdout", "stderr")}
        request = {
            "arguments": list(arguments), "folder": str(folder), "until_trace": until_trace, "cpu_seconds": cpu_seconds,
            "seconds": seconds, "mib": mib, "cpu": self._cpu, "bound": bound, **said,
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        texts = {name: Path(path).read_text(errors="replace") for name, path in said.items()}
        return Outcome(**answer, **texts)

    def _wait_until_ready(self) -> None:
        if not self.threads:
            self.threads = int(self._read()["threads"])
        if self.threads != 1:
            raise RuntimeError(f"expected a server with one thread to fork from, got {self.threads}")

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with status {self._process.wait()}")
        read: dict[str, Any] = json.loads(line)
        return read

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._scratch.cleanup()
