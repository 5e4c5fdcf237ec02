"""Ctrl-C at any time: status 130, one line, nothing left."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import cv2
import pytest
from support.interrupting import LINE, handles_signals, hidden, runs, start, wait_for

BUSY = """
import hashlib, sys, time
from pathlib import Path
from dptscope.process.children import child_process
from dptscope.process.signals import exit_on_signals, uninterrupted
from dptscope.files.atomic import temporary_file, temporary_folder
folder = Path(sys.argv[1])
def ready():
    (folder / "ready").touch()
def native():
    hashlib.pbkdf2_hmac("sha256", b"", b"", (1 << 31) - 1)  # one call, many minutes
exit_on_signals()
with temporary_file(folder / "a.png"), temporary_folder(folder / "m.onnx") as parts:
    (parts / "m.onnx").write_bytes(b"half")
"""


def busy(folder: Path, code: str, number: int = signal.SIGINT, times: int = 1) -> tuple[int, str]:
    """Run code with unfinished files, send a signal when it is ready; returns status and standard error."""
    with start(["-c", BUSY + code, folder]) as process:
        wait_for((folder / "ready").exists, process)
        for _ in range(times):
            os.killpg(process.pid, number)
            time.sleep(0.05)
        _, errors = process.communicate()
    return process.returncode, errors


@pytest.mark.parametrize("seconds", [0, 0.1, 0.25, 0.5, 1.0])
def test_norms_at_many_moments(tiny_model: Path, photo_path: Path, tmp_path: Path, seconds: float) -> None:
    photos = [tmp_path / f"{index:03d}.png" for index in range(200)]
    for photo in photos:
        photo.symlink_to(photo_path)
    out = tmp_path / "out"
    with start(["-m", "dptscope", "norms", tiny_model, *photos, "-o", out]) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, LINE)
    assert not hidden(tmp_path)
    for path in out.rglob("*"):
        assert json.loads(path.read_text()) if path.suffix == ".json" else cv2.imread(str(path)) is not None


def test_python_alone_would_not_say_it(tmp_path: Path) -> None:
    """What the tests here would see without the handling: they can fail."""
    with start(["-c", "import sys, time; open(sys.argv[1], 'w'); time.sleep(600)", tmp_path / "ready"]) as process:
        wait_for((tmp_path / "ready").exists, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGINT and "Traceback" in errors


@pytest.mark.parametrize(
    "code",
    [
        "    ready(); time.sleep(600)",
        "    ready(); native()",
        "    import threading; threading.Thread(target=native).start(); ready(); time.sleep(600)",
        # what libraries make of it
        "    try: ready(); time.sleep(600)\n    except BaseException: time.sleep(600)",
        "    try: ready(); time.sleep(600)\n    except BaseException as error: raise ImportError('no') from error",
        "    try: ready(); time.sleep(600)\n    except BaseException: sys.excepthook(*sys.exc_info())",
        "    class Bad:\n        def __del__(self): ready(); time.sleep(600)\n    Bad(); time.sleep(600)",
    ],
)
def test_whatever_goes_on(tmp_path: Path, code: str) -> None:
    assert busy(tmp_path, code) == (130, LINE)
    assert not hidden(tmp_path)


def test_impatience_changes_nothing(tmp_path: Path) -> None:
    assert busy(tmp_path, "    try: ready(); native()\n    finally: time.sleep(600)", times=8) == (130, LINE)
    assert not hidden(tmp_path)


def test_it_does_not_take_long(tmp_path: Path) -> None:
    """Also where a library is in the middle of an endless call. The best of three, for the sake of busy machines."""
    taken = []
    for attempt in range(3):
        (tmp_path / str(attempt)).mkdir()
        started = time.monotonic()
        with start(["-c", BUSY + "    ready(); native()", tmp_path / str(attempt)]) as process:
            wait_for((tmp_path / str(attempt) / "ready").exists, process)
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.communicate()
        taken.append(time.monotonic() - started)
    assert min(taken) < 2.0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_end_it_without_a_word(tmp_path: Path, name: str) -> None:
    number = getattr(signal, name)
    assert busy(tmp_path, "    ready(); native()", number) == (128 + number, "")
    assert not hidden(tmp_path)


def test_no_standard_error(tmp_path: Path) -> None:
    """Nobody is told, and it ends all the same."""
    closing = "import os, sys; os.close(2); exec(sys.argv.pop(1))"
    with start(["-c", closing, BUSY + "    ready(); native()", tmp_path]) as process:
        wait_for((tmp_path / "ready").exists, process)
        process.send_signal(signal.SIGINT)
        said = process.communicate()
    assert (process.returncode, said) == (130, ("", ""))
    assert not hidden(tmp_path)


def test_steps_that_belong_together(tmp_path: Path) -> None:
    code = (
        "    with uninterrupted():\n        (folder / '1').touch(); ready(); time.sleep(1.5); (folder / '2').touch()\n"
        "    (folder / '3').touch()"
    )
    assert busy(tmp_path, code) == (130, LINE)
    assert {path.name for path in tmp_path.iterdir()} == {"ready", "1", "2"}


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """As behind nohup, or in the background of a script."""
    code = "    ready()\n    while not (folder / 'go').exists(): time.sleep(0.01)"
    ignoring = "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); exec(sys.argv.pop(1))"
    with start(["-c", ignoring, BUSY + code, tmp_path]) as process:
        wait_for((tmp_path / "ready").exists, process)
        process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("stubborn", [False, True])
def test_no_child_is_left(tmp_path: Path, stubborn: bool) -> None:
    child = "import signal, time; " + "signal.signal(signal.SIGTERM, signal.SIG_IGN); " * stubborn + "time.sleep(600)"
    code = (
        f"    with child_process([sys.executable, '-c', {child!r}]) as child:\n"
        "        time.sleep(0.5); (folder / 'pid').write_text(str(child.pid)); ready(); child.wait()"
    )
    assert busy(tmp_path, code) == (130, LINE)
    assert not runs(int((tmp_path / "pid").read_text()))
