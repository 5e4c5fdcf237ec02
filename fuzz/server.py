"""The parent of all cases: runs commands on good files, then forks a child for each request.

A command imports most of what it needs when it runs; what the parent has imported, its children need not. Reads one JSON
request a line and writes one JSON answer a line; see :mod:`fuzz.children`. Nothing here may start a thread: a fork
copies only the thread that calls it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

MIB = 1 << 20


def warm_up(good: list[dict[str, Any]]) -> None:
    """Run commands on good files, in one thread.

    Args:
        good: folder, arguments and ``until_trace`` of each, as in a request.
    """
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    importlib.import_module("cv2").setNumThreads(1)
    if any(case["until_trace"] for case in good):
        importlib.import_module("torch").set_num_threads(1)
    for case in good:
        with chdir(case["folder"]), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            status = run(case["arguments"], case["until_trace"])
        if status:
            raise RuntimeError(f"expected a good file to work, got status {status}: {case['arguments']}")
    os.sched_setaffinity(0, everywhere)
    gc.collect()
    gc.freeze()  # so that collecting in a child does not copy the pages that it shares with this process


def serve(good: list[dict[str, Any]]) -> None:
    """Answer requests until standard input ends."""
    warm_up(good)
    threads = len(list(Path("/proc/self/task").iterdir()))
    print(json.dumps({"ready": True, "threads": threads}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one case in a child and say how it ended."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        be_the_child(request)
    timed_out = False
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if not timed_out and time.monotonic() - started > request["seconds"]:
            os.kill(child, signal.SIGKILL)
            timed_out = True
        time.sleep(0.002)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        timed_out = True
    return {
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) and not timed_out else 0,
        "timed_out": timed_out,
        "seconds": time.monotonic() - started,
        "cpu_seconds": used.ru_utime + used.ru_stime,
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
        if request["cpu"] is not None:
            os.sched_setaffinity(0, {request["cpu"]})
        resource.setrlimit(resource.RLIMIT_AS, (memory_used() + request["mib"] * MIB,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_seconds"], request["cpu_seconds"] + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with obeying_permissions() if request["bound"] else nullcontext():
            status = run(request["arguments"], request["until_trace"])
    except BaseException:  # noqa: BLE001 - whatever comes out is the finding
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def memory_used() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """Do without what lets root read and write every file; its own files it still may, as their owner (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    before = sets[0]
    sets[0] &= ~((1 << 1) | (1 << 2))  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(header, sets)


def run(arguments: list[str], until_trace: bool) -> int:
    """The command; with ``until_trace`` an export that gets as far as tracing counts as done."""
    from dptscope.commands.app import run as run_command

    if not until_trace:
        return run_command(arguments)
    pipeline = importlib.import_module("dptscope_export.pipeline")

    class Reached(Exception):
        pass

    with mock.patch.object(pipeline, "trace_whole", side_effect=Reached):
        try:
            return run_command(arguments)
        except Reached:
            return 0


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
