"""Where two files of one model part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.weights import multiplied

import dptscope
from dptscope.commands import app as cli
from dptscope.comparison import BOUND, Comparison
from dptscope.files.photos import read_image
from dptscope.pictures.block_errors import BACKGROUND, block_errors_picture, decades

SQUARE = {"size": 140, "square": True}


@pytest.fixture
def changed(tiny_model: Path, tmp_path: Path) -> Path:
    """The small model with one weight of block 2 a hundredth larger, without companion and preview."""
    path = tmp_path / "changed.onnx"
    path.write_bytes(multiplied(tiny_model.read_bytes(), "encoder/block_02/norm1/weight", 1.01))
    return path


def test_they_part_where_a_weight_differs(tiny_model: Path, changed: Path, photo_bgr: Any, photo_path: Path) -> None:
    found = dptscope.compare(tiny_model, changed, [photo_bgr, str(photo_path)], **SQUARE)
    assert [photo.photo for photo in found.photos] == ["photo 0", str(photo_path)]
    assert [photo.input_size for photo in found.photos] == [(140, 140)] * 2
    assert [norms.worst for norms in found.norms[:2]] == [0, 0] and found.first_beyond == 2
    assert all(norms.worst > BOUND for norms in found.norms[2:])
    assert all(tokens.worst >= norms.worst for tokens, norms in zip(found.tokens, found.norms, strict=True))


def test_the_figures_are_what_they_say(tiny_model: Path, changed: Path, photo_bgr: Any) -> None:
    """Against the same in plain numpy."""
    (photo,) = dptscope.compare(tiny_model, changed, [photo_bgr], **SQUARE).photos
    scenes = [
        dptscope.load(path).prepare(photo_bgr, size=140, square=True, keep_tokens=True)
        for path in (tiny_model, changed)
    ]
    first, second = (scene.block_tokens[2].astype(np.float64) for scene in scenes)
    mean = np.linalg.norm(first, axis=2).mean()
    norms = np.abs(np.linalg.norm(first, axis=2) - np.linalg.norm(second, axis=2)).max() / mean
    assert photo.norms[2] == pytest.approx(norms, rel=1e-3)
    assert photo.tokens[2] == pytest.approx(np.linalg.norm(first - second, axis=2).max() / mean, rel=1e-3)
    before, after = (scene.raw_depth().astype(np.float64).ravel() for scene in scenes)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(before / after, after / before)
    assert photo.depth.delta1 == pytest.approx(float(((ratio < 1.25) | (before == after)).mean()), abs=1e-9)
    assert photo.depth.correlation == pytest.approx(float(np.corrcoef(before, after)[0, 1]), abs=1e-9)
    assert photo.depth.largest == pytest.approx(np.abs(before - after).max() / before.std(), rel=1e-6)
    assert 0 < photo.depth.delta1 <= 1 and photo.depth.largest > 0


def test_worst_and_mean_over_photos(tiny_model: Path, changed: Path, photo_bgr: Any) -> None:
    found = dptscope.compare(tiny_model, changed, [photo_bgr, photo_bgr[:, ::-1].copy()], **SQUARE)
    for spread, values, worst in (
        (found.norms[3], [photo.norms[3] for photo in found.photos], max),
        (found.largest, [photo.depth.largest for photo in found.photos], max),
        (found.correlation, [photo.depth.correlation for photo in found.photos], min),
        (found.delta1, [photo.depth.delta1 for photo in found.photos], min),
    ):
        assert values[0] != values[1]
        assert (spread.worst, spread.mean) == (worst(values), pytest.approx(np.mean(values)))


def test_a_file_without_metadata_is_compared_by_the_names_of_its_tensors(
    tiny_model: Path, changed: Path, photo_bgr: Any, tmp_path: Path
) -> None:
    nameless = tmp_path / "nameless.onnx"
    nameless.write_bytes(changed.read_bytes().replace(b"dptscope.contract", b"nobodies.contract"))
    with pytest.raises(dptscope.ModelFileError, match="got an ONNX file of something else"):
        dptscope.compare(nameless, tiny_model, [photo_bgr])
    assert dptscope.compare(tiny_model, nameless, [photo_bgr], **SQUARE).first_beyond == 2


def test_another_model_is_refused(tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_model.read_bytes().replace(b'{"channels": 64, "stride"', b'{"channels": 32, "stride"'))
    with pytest.raises(dptscope.ModelFileError, match=r"same model as .*\(4 blocks of 64 .*got .*\(4 blocks of 32 "):
        dptscope.compare(tiny_model, other, [photo_bgr])


def test_no_photos(tiny_model: Path) -> None:
    with pytest.raises(dptscope.DptscopeError, match="expected one photo or more to compare on, got none"):
        dptscope.compare(tiny_model, tiny_model, [])


def test_a_constant_depth_measures_nothing(tiny_model: Path, photo_bgr: Any, tmp_path: Path) -> None:
    constant = tmp_path / "constant.onnx"
    constant.write_bytes(multiplied(tiny_model.read_bytes(), "head/conv2/weight", 0.0))
    with pytest.raises(dptscope.DptscopeError, match=r"a depth that varies over the photo, .* got [\d.]+ everywhere"):
        dptscope.compare(constant, tiny_model, [photo_bgr], **SQUARE)
    (photo,) = dptscope.compare(tiny_model, constant, [photo_bgr], **SQUARE).photos
    assert photo.depth.correlation == 0 and set(photo.norms) == {0.0}


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    status = cli.run(["compare", *(str(argument) for argument in arguments), "--size", "140"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def test_table(tiny_model: Path, changed: Path, photo_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said, errors = run(capsys, tiny_model, changed, photo_path)
    assert (status, errors) == (0, [])
    found = dptscope.compare(tiny_model, changed, [photo_path], size=140)
    lines = said.splitlines()
    assert lines[0] == f"changed.onnx against tiny.onnx, {photo_path} at 140 × 210"
    assert f"{found.norms[2].worst:.1e}" in next(line for line in lines if line.split()[:1] == ["2"])
    assert f"{found.correlation.worst:.6f}" in said and f"{found.delta1.worst:.4f}" in said
    assert lines[-1] == f"first block beyond 0.001: 2 ({found.norms[2].worst:.1e})"
    assert "mean" not in lines[1]  # of one photo there is no mean
    status, said, _ = run(capsys, tiny_model, changed, photo_path, photo_path, "--bound", 0.9)
    assert "2 photos at 140 × 210" in said and "norms mean" in said
    assert said.splitlines()[-1] == "no block's norms differ by more than 0.9"


def test_one_bad_photo_does_not_stop_the_others(
    tiny_model: Path, changed: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.png"
    status, said, errors = run(capsys, tiny_model, changed, missing, photo_path, "--json")
    assert status == 2
    assert errors == [f"dptscope: {missing}: no such file", "dptscope: 1 of 2 photos were left out"]
    told = json.loads(said)
    assert [photo["photo"] for photo in told["photos"]] == [str(photo_path)]
    assert told["first_beyond"] == 2 and told["blocks"][2]["norms"]["worst"] > BOUND
    assert 0 < told["depth"]["correlation"]["worst"] < 1
    status, said, errors = run(capsys, tiny_model, changed, missing)
    assert (status, said, len(errors)) == (2, "", 1)


def test_plot(
    tiny_model: Path, changed: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, tiny_model, changed, photo_path, "--plot", tmp_path / "plot.png")[0] == 0
    assert (read_image(tmp_path / "plot.png") != BACKGROUND).any()
    status, _, errors = run(capsys, tiny_model, changed, photo_path, "--plot", tmp_path / "no" / "plot.png")
    assert status == 2 and "cannot be written (No such file or directory)" in errors[0]


def test_a_larger_error_is_drawn_higher() -> None:
    def top(errors: list[float]) -> int:
        drawn = block_errors_picture({"": errors}, 1.0, "") == (70, 200, 250)
        return int(np.flatnonzero(drawn.all(axis=2).any(axis=1)).min())

    assert top([1e-6, 1e-2]) < top([1e-6, 1e-5]) < top([1e-7, 1e-7])
    assert decades([1e-6, 3e-3]) == (-6, -2) and decades([1e-3, 0.0]) == (-4, -2) and decades([0.0]) == (-1, 1)


def test_its_bound_is_what_the_help_says(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert cli.run(["compare", "--help"]) == 0
    assert f"{BOUND:g} by default" in " ".join(capsys.readouterr().out.split())
    assert Comparison("a", "b", BOUND, ()).first_beyond is None
