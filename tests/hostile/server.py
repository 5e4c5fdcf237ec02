"""The parent of all cases: imports everything once, then forks a child for each request.

Reads one JSON request a line and writes one JSON answer a line; see :mod:`hostile.children`. Nothing here may start a
thread: a fork copies only the thread that calls it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

MIB = 1 << 20


def import_all(with_torch: bool) -> None:
    """Import what the commands import when they run."""
    for name in ("dptscope.cli", "dptscope.commands", "dptscope.info", "dptscope.model"):
        importlib.import_module(name)
    importlib.import_module("cv2").setNumThreads(1)
    if with_torch:
        for name in ("dptscope_export.pipeline", "dptscope_export.progress"):
            importlib.import_module(name)
        importlib.import_module("torch").set_num_threads(1)


def serve(with_torch: bool) -> None:
    """Answer requests until standard input ends."""
    import_all(with_torch)
    threads = len(list(Path("/proc/self/task").iterdir()))
    print(json.dumps({"ready": True, "threads": threads}), flush=True)  # noqa: T201
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one case in a child and say how it ended."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        be_the_child(request)
    timed_out = False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - started > request["seconds"]:
            os.kill(child, signal.SIGKILL)
            timed_out = True
            os.waitpid(child, 0)
            status = 0
            break
        time.sleep(0.002)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        timed_out = True
    return {
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "timed_out": timed_out,
        "seconds": time.monotonic() - started,
    }


def be_the_child(request: dict[str, Any]) -> NoReturn:
    """Limit this process, run the command, and end without any clean-up that the parent's copy would need."""
    status = 70
    try:
        os.chdir(request["folder"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            handle = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
            os.close(handle)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))} if request["one_cpu"] else os.sched_getaffinity(0))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + request["mib"] * MIB,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_seconds"], request["cpu_seconds"] + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if request["user"]:
            os.seteuid(request["user"])
        status = run(request["arguments"], request["until_trace"])
    except BaseException:  # noqa: BLE001 - whatever comes out is the finding
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(arguments: list[str], until_trace: bool) -> int:
    """The command; with ``until_trace`` an export that gets as far as tracing counts as done."""
    from dptscope.cli import run as run_command

    if not until_trace:
        return run_command(arguments)
    from dptscope_export import pipeline

    class Reached(Exception):
        pass

    def stop(*_arguments: Any) -> Any:
        raise Reached

    pipeline.trace_whole = stop
    try:
        return run_command(arguments)
    except Reached:
        return 0


if __name__ == "__main__":
    serve(with_torch="torch" in sys.argv[1:])
