"""Execution providers other than the CPU's, as far as a machine with that one alone can tell."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import dptscope
from dptscope import contract, session
from dptscope.commands import app as cli
from dptscope.contract import companion_path
from dptscope.errors import ModelFileError, ProviderError
from dptscope.files.optional_inputs import with_required_inputs
from dptscope.session import Session, SessionOptions

SCALES = [contract.fusion_scale_name(k) for k in contract.FUSION_BLOCKS]


def test_scales_become_inputs_that_must_be_given(tiny_model: Path) -> None:
    """A provider cannot make constants of them then, as OpenVINO's does of defaults."""
    for path in (tiny_model, companion_path(tiny_model)):
        data, defaults = with_required_inputs(path)
        before = path.read_bytes()
        assert sum(a != b for a, b in zip(data, before, strict=True)) == 4  # a byte each
        options = ort.SessionOptions()
        options.log_severity_level = 4
        made = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        assert made.get_overridable_initializers() == []
        assert set(SCALES) < {node.name for node in made.get_inputs()}
        assert {name: array.tolist() for name, array in defaults.items()} == {name: [1.0] for name in SCALES}


def test_a_session_of_such_a_provider_answers_the_same(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).standard_normal((1, 3, 70, 84), dtype=np.float32)
    plain = dptscope.load(tiny_model)
    monkeypatch.setattr(session, "DEFAULT_PROVIDERS", ("NoOther",))
    other = dptscope.load(tiny_model, "CPUExecutionProvider")
    assert (other.inputs(), other.outputs()) == (plain.inputs(), plain.outputs())
    for scales in ((1.0, 1.0, 1.0, 1.0), (0.5, 1.0, 2.0, -1.0)):
        a, b = (model.run(image, [contract.DEPTH], scales)[contract.DEPTH] for model in (plain, other))
        np.testing.assert_array_equal(a, b)


def test_a_default_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"\x3a\x05\x2a\x7f")
    with pytest.raises(ModelFileError, match="expected defaults of optional inputs"):
        with_required_inputs(tmp_path / "broken.onnx")


def test_a_provider_that_is_installed_and_cannot_start(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime goes on with the CPU then; asked for, it is an error."""
    monkeypatch.setattr(ort.InferenceSession, "get_providers", lambda _self: ["OtherProvider"])
    with pytest.raises(
        ProviderError, match="CPUExecutionProvider to run the model, got OtherProvider: it is installed"
    ):
        Session(tiny_model, SessionOptions())


def test_bench_sets_what_is_installed_side_by_side(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "installed_providers", lambda: ("NoSuchProvider", *["CPUExecutionProvider"] * 2))
    assert cli.run(["bench", str(tiny_model), "--rounds", "1"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("dptscope: NoSuchProvider is left out: expected one of the providers")
    assert said.out.count("CPUExecutionProvider") == 4 and "a slider's move" in said.out
    assert re.search(r"quickest for a photo: CPUExecutionProvider \(\d+\.\d\d times as fast as the next\)", said.out)
