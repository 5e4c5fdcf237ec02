"""Workers with threads, as those of a Dask cluster have, and one that dies before it is given anything."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import dptscope
from dptscope.process.quiet import native_libraries_silenced
from dptscope_survey import worker
from dptscope_survey.pool import local_pool


def test_threads_of_a_worker_share_one_model(
    photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"  # that no other test has loaded
    model.symlink_to(tiny_model)
    loaded = []

    def load(*arguments: Any) -> Any:
        time.sleep(0.1)
        loaded.append(arguments)
        return dptscope.load(*arguments)

    monkeypatch.setattr(worker, "load", load)
    task = worker.Task(model, photos, 28, False, ("part",), 1, None)
    found: list[worker.Found] = []
    asking = [Thread(target=lambda: found.append(worker.ask(task, [Path("photo_0.png")]))) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(loaded) == 1
    assert len(found) == 3 and found[0].rows["part"] and found[0] == found[1] == found[2]


def test_threads_leave_standard_error_as_it_was() -> None:
    """One begins to decode while another does, and ends after it."""

    def decode(inside: Event, leave: Event) -> None:
        with native_libraries_silenced():
            inside.set()
            leave.wait(10)

    before = os.fstat(2)
    events = [(Event(), Event()) for _ in range(2)]
    threads = [Thread(target=decode, args=pair) for pair in events]
    for thread, (inside, _) in zip(threads, events, strict=True):
        thread.start()
        assert inside.wait(10)
    assert not os.path.samestat(os.fstat(2), before)
    for thread, (_, leave) in zip(threads, events, strict=True):
        leave.set()
        thread.join()
    assert os.path.samestat(os.fstat(2), before)


def test_a_worker_that_dies_while_it_waits() -> None:
    """Its death is told by the next future, as that of one that works is."""
    with local_pool(1, 1) as pool:
        process = pool.submit(os.getpid).result(30)
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while (future := pool.submit(os.getpid)).exception(30) is None:
            assert time.monotonic() < deadline
        assert isinstance(future.exception(), pool.deaths)
        assert isinstance(pool.submit(os.getpid).exception(30), pool.deaths)
        pool.renew()
        assert pool.submit(os.getpid).result(30) != process
