"""The harness sees what it is there to see."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fuzz.cases import CANARY, Case, complaints
from fuzz.children import Children, Outcome
from fuzz.run_cases import Tally, run_all


def outcome(**values: object) -> Outcome:
    good = {
        "status": 0,
        "signal": 0,
        "timed_out": False,
        "seconds": 0.1,
        "cpu_seconds": 0.1,
        "stdout": "",
        "stderr": "",
    }
    return Outcome(**{**good, **values})  # type: ignore[arg-type]


BAD = {
    "hung": outcome(timed_out=True),
    "crashed with signal 11": outcome(signal=int(signal.SIGSEGV)),
    "exit status 70": outcome(status=70, stderr="Traceback (most recent call last):"),
    "expected one line": outcome(status=2, stderr="one\ndptscope: two\n"),
    "expected nothing on standard error": outcome(stderr="a warning\n"),
}


@pytest.mark.parametrize("text", BAD)
def test_bad_endings(text: str, tmp_path: Path) -> None:
    case = Case("x", lambda folder: None, ())
    assert any(text in complaint for complaint in complaints(case, BAD[text], set(), tmp_path))
    assert complaints(case, outcome(), set(), tmp_path) == []


def test_what_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / CANARY).touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "depth.png").touch()
    refused = outcome(status=2, stderr="dptscope: no\n")
    found = " ".join(complaints(Case("x", lambda folder: None, (), "works"), refused, set(), tmp_path))
    for text in ("code from the file was run", "left behind", "refused, but wrote", "a good file was refused"):
        assert text in found


def test_children_are_limited(tmp_path: Path) -> None:
    with Children() as children:
        good = children.run(["--version"], tmp_path)
        assert (good.status, good.stderr) == (0, "")
        assert good.stdout.startswith("dptscope ")
        slow = children.run(["info", "nothing.onnx"], tmp_path, seconds=0)
        assert slow.timed_out or slow.status == 2
        bad = children.run(["info", "nothing.onnx"], tmp_path)
        assert (bad.status, bad.stderr) == (2, "dptscope: nothing.onnx: no such file\n")


def test_cases_run_on_all_processors_in_their_order(tmp_path: Path) -> None:
    cases = [Case(f"x {number}", lambda folder: None, ("info", f"{number}.onnx"), "refused") for number in range(20)]
    tally = Tally()
    ended = list(run_all(cases, ()))
    assert [case.name for case, _, _ in ended] == [case.name for case in cases]
    assert [outcome.stderr for _, outcome, _ in ended] == [f"dptscope: {n}.onnx: no such file\n" for n in range(20)]
    assert list(tally.add(ended)) == []
    assert tally.counts == {"x": {"refused": 20}}


def test_a_case_without_memory_harms_no_other(tmp_path: Path) -> None:
    with Children() as children:
        stopped = children.run(["info", "nothing.onnx"], tmp_path, mib=-1)
        assert stopped.status != 0
        assert children.run(["--version"], tmp_path).status == 0
