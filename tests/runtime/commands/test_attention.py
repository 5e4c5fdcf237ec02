"""``dptscope attention``, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
from support.without_torch import run_without_torch

import dptscope
from dptscope.commands import app as cli

SHIPPED = Path(dptscope.__file__).parent / "assets/dptscope_tiny.onnx"
ROCKET = Path(skimage.__file__).parent / "data/rocket.jpg"  # some of its tokens stand out in the shipped model


def test_of_the_token_at_a_pixel(photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    told = ("--token", 499, 300, "--block", 6, "--size", 98)
    run = run_without_torch("attention", SHIPPED, photo_path, "-o", tmp_path, *told)
    assert (run.returncode, run.stderr) == (0, "")
    stem = "motorcycle_attention_block_06"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.{ending}" for ending in ("json", "npy", "png")]
    scene = dptscope.load(SHIPPED).prepare(photo_bgr, size=98, keep_tokens=True)
    rows, columns = scene.block_norms[0].shape
    token = rows - 1, int(300.5 * columns / 741)
    found = scene.attention(6, token)
    np.testing.assert_allclose(np.load(tmp_path / f"{stem}.npy"), [found.row, found.column], atol=1e-5)
    report = json.loads((tmp_path / f"{stem}.json").read_text())
    assert (report["block"], report["token"], report["pixel"], report["window"]) == (6, list(token), [499, 300], None)
    for head, one in enumerate(report["heads"]):
        assert one["most"] == pytest.approx(float(found.row[head].max()), abs=1e-5)
        assert found.row[head][tuple(one["attends_most_to"])] == pytest.approx(one["most"], abs=1e-5)
        received = found.column[head].sum() + found.column_special[head].sum()
        assert one["received"] == pytest.approx(float(received), rel=1e-3)
    sheet = cv2.imread(str(tmp_path / f"{stem}.png"))
    marked = (sheet == (200, 60, 255)).all(axis=-1)  # the token, in the colour that the map does not hold
    assert sheet.std() > 20 and marked.sum() == 8 * 30 * 30  # three heads and their mean, both ways


def test_of_the_class_token(photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    """In the first block, whose class token is read from the weights."""
    told = ["--class-token", "--block", "0", "--size", "98"]
    assert cli.run(["attention", str(SHIPPED), str(photo_path), "-o", str(tmp_path), *told]) == 0
    stem = "motorcycle_class_attention_block_00"
    found = dptscope.load(SHIPPED).prepare(photo_bgr, size=98, keep_tokens=True).attention(0, "class")
    np.testing.assert_allclose(np.load(tmp_path / f"{stem}.npy"), [found.row, found.column], atol=1e-5)
    report = json.loads((tmp_path / f"{stem}.json").read_text())
    assert (report["token"], report["pixel"], len(report["heads"])) == ("class", None, 3)
    assert cv2.imread(str(tmp_path / f"{stem}.png")).std() > 20


def test_of_outliers(tmp_path: Path) -> None:
    run = run_without_torch("attention", SHIPPED, ROCKET, "-o", tmp_path, "--outliers", "--block", 4)
    assert (run.returncode, run.stderr) == (0, "")
    scene = dptscope.load(SHIPPED).prepare(cv2.imread(str(ROCKET)), keep_tokens=True)
    outliers = scene.statistics()[4].outliers
    assert len(outliers) > 1
    stem = "rocket_outliers_block_04"
    report = json.loads((tmp_path / f"{stem}.json").read_text())
    assert [tuple(one["position"]) for one in report["outliers"]] == [(row, column) for row, column, _ in outliers]
    maps = np.load(tmp_path / f"{stem}.npy")
    row, column, _ = outliers[1]
    found = [scene.attention(block, (row, column)) for block in report["blocks"]]
    np.testing.assert_allclose(maps[1], sum(each.column.mean(axis=0) for each in found), rtol=1e-3, atol=1e-4)
    wanted = [each.column.sum((1, 2)).mean() + each.column_special.sum(1).mean() for each in found]
    np.testing.assert_allclose(report["outliers"][1]["received"], wanted, rtol=1e-3)
    medians = [np.median(scene.block_attention(block).received().grid) for block in report["blocks"]]
    np.testing.assert_allclose(report["median_received"], medians, rtol=1e-3)
    assert cv2.imread(str(tmp_path / f"{stem}.png")).std() > 10


def test_no_outliers(photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        "attention",
        str(SHIPPED),
        str(photo_path),
        "-o",
        str(tmp_path),
        "--outliers",
        "--block",
        "4",
        "--size",
        "98",
    ]
    assert cli.run(told) == 0
    assert capsys.readouterr().err.splitlines() == [f"dptscope: note: {photo_path}: no outliers in block 4"]
    assert json.loads((tmp_path / "motorcycle_outliers_block_04.json").read_text())["outliers"] == []
    assert np.load(tmp_path / "motorcycle_outliers_block_04.npy").shape == (0, 7, 10)
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ((), "expected one of --token Y X, --class-token and --outliers, got none"),
        (("--token", "1", "1", "--outliers"), "--class-token and --outliers, got --token and --outliers"),
        (("--token", "1", "741"), "--token: expected a pixel of the photo, y below 500 and x below 741, got 1 741"),
        (("--token", "1", "1", "--block", "12"), "--block: expected a block from 0 to 11, got 12"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    told: tuple[str, ...], message: str, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["attention", str(SHIPPED), str(photo_path), "-o", str(tmp_path / "out"), *told]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (tmp_path / "out").exists()
