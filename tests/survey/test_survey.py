"""Rows equal what ``dptscope norms`` says of each photo; what fails stops nothing; a second start goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pyarrow.parquet
import pytest

import dptscope
from dptscope.commands import app as cli
from dptscope.contract import companion_path
from dptscope_survey.columns import BLOCKS, TABLES
from dptscope_survey.folder import Part
from dptscope_survey.photos import all_photos, name_of
from dptscope_survey.tables import read


def rows(folder: Path, table: str = "part") -> Any:
    return pandas.read_parquet(sorted(folder.glob(f"{table}-*.parquet")))


def test_the_numbers_are_those_of_norms(survey: Path, photos: Path, model: Path, tmp_path: Path) -> None:
    found = rows(survey)
    good = sorted(photos.glob("photo*.png"))
    assert list(found.photo.unique()) == [str(photo) for photo in good]
    assert (
        cli.run(["norms", str(model), *map(str, good), "-o", str(tmp_path), "--format", "json", "--size", "140"]) == 0
    )
    outliers = 0
    for photo in good:
        report = json.loads((tmp_path / f"{photo.stem}_norms.json").read_text())
        of_photo = found[found.photo == str(photo)].sort_values("block")
        assert len(of_photo) == len(report["blocks"])
        for row, block in zip(of_photo.itertuples(), report["blocks"], strict=True):
            assert [row.photo_height, row.photo_width] == report["photo_size"]
            assert [row.input_height, row.input_width] == report["input_size"]
            assert [row.grid_height, row.grid_width] == block["grid"]
            for name in ("block", "min", "median", "max", "mean", "cls_norm"):
                assert getattr(row, name) == block[name], name
            told = block["outliers"]
            outliers += told["count"]
            assert (row.outliers, row.threshold) == (told["count"], told["threshold"])
            assert [list(place) for place in zip(row.outlier_rows, row.outlier_columns, strict=True)] == told[
                "positions"
            ]
            assert list(row.outlier_norms) == told["norms"]
            assert [y * row.grid_height - 0.5 for y in row.outlier_y] == pytest.approx(list(row.outlier_rows))
            assert [x * row.grid_width - 0.5 for x in row.outlier_x] == pytest.approx(list(row.outlier_columns))
            assert row.min <= row.q01 <= row.q05 <= row.q25 <= row.median <= row.q75 <= row.q95 <= row.q99 <= row.max
    assert outliers > 0


def test_what_fails_is_listed(
    survey: Path, photos: Path, model: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And a second start says so again, without a run."""
    (line,) = (survey / "failed.jsonl").read_text().splitlines()
    assert json.loads(line)["photo"] == str(photos / "broken.png")
    assert json.loads(line)["reason"].startswith("expected a photo")
    written = {file: file.stat().st_mtime_ns for file in survey.iterdir()}
    assert len(written) == 3 * 7 + 2
    assert cli.run(["survey", str(model), str(photos), "-o", str(survey), *options]) == 2
    assert capsys.readouterr().err == f"dptscope: 1 of 7 photos were left out: {survey / 'failed.jsonl'}\n"
    assert {file: file.stat().st_mtime_ns for file in survey.iterdir()} == written


def test_the_files_say_what_they_are_of(survey: Path, model: Path) -> None:
    card = dptscope.load(model).card
    for file in survey.glob("part-*.parquet"):
        schema = pyarrow.parquet.read_schema(file)
        assert schema.names == [column.name for column in BLOCKS]
        about = json.loads(schema.metadata[b"dptscope.survey"])
        assert (about["model_id"], about["dptscope"]) == (card.model_id, dptscope.__version__)
        assert schema.metadata[b"dptscope.model_id"].decode() == card.model_id
        assert json.loads(schema.metadata[b"dptscope.native_size"]) == list(card.native_size)
        assert about["size"] == 140 and "onnxruntime" in about


def test_parts_together_are_the_whole(
    survey: Path, photos: Path, model: Path, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also as lines of JSON, one process after the other. A call tells of its own part, and of what failed there."""
    for number, count, status in ((2, 3, 0), (1, 4, 2), (2, 3, 0)):
        part = ["--part", f"{number}/2", "--format", "jsonl", "--jobs", "1"]
        assert cli.run(["survey", str(model), str(photos), "-o", str(tmp_path), *options, *part]) == status
        told = capsys.readouterr()
        assert told.out == f"{tmp_path}: part {number}/2, {count} of 7 photos\n"
        assert ("1 of 4 photos were left out" in told.err) == (status == 2)
    for table in TABLES:
        lines = [json.loads(line) for file in sorted(tmp_path.glob(f"{table}-*.jsonl")) for line in file.open()]
        whole = read(sorted(survey.glob(f"{table}-*.parquet")), list(lines[0]))
        assert {name: [line[name] for line in lines] for name in lines[0]} == whole
    assert (tmp_path / "failed.jsonl").read_text() == (survey / "failed.jsonl").read_text()


def test_a_photo_that_was_mended(photos: Path, model: Path, tmp_path: Path) -> None:
    bad, output = tmp_path / "bad.png", tmp_path / "out"
    bad.write_text("no photo")
    command = ["survey", str(model), str(bad), str(photos / "photo_0.png"), "-o", str(output), "--size", "28"]
    assert cli.run(command) == 2
    bad.write_bytes((photos / "photo_1.png").read_bytes())
    assert cli.run([*command, "--again"]) == 0
    assert set(rows(output).photo) == {str(bad), str(photos / "photo_0.png")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["--size", "70"], "another size (70 in place of 140)"),
        (["--square"], "another square (true in place of false)"),
        (["--format", "jsonl"], "another format (jsonl in place of parquet)"),
        (["PHOTO"], "another list of photos (8 in place of 7)"),
        (["MODEL"], "another weights_sha256"),
    ],
)
def test_another_survey_is_refused(
    change: list[str], reason: str, survey: Path, photos: Path, model: Path, options: list[str], photo_path: Path,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = model
    if change == ["MODEL"]:
        asked = tmp_path / "other.onnx"
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        asked.write_bytes(data)
        companion_path(asked).write_bytes(companion_path(model).read_bytes())
    changed = [] if change[0].isupper() else change
    more = [str(photo_path)] if change == ["PHOTO"] else []
    assert cli.run(["survey", str(asked), str(photos), *more, "-o", str(survey), *options, *changed]) == 2
    said = capsys.readouterr().err
    assert (
        f"dptscope: {survey}: expected the survey that was begun there, got {reason}" in said and said.count("\n") == 1
    )


def test_a_part_that_runs_is_refused(
    survey: Path, photos: Path, model: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from dptscope.files.claim import claim

    command = ["survey", str(model), str(photos), "-o", str(survey), *options]
    with claim(survey, "part-2-of-4", lambda _: False) as other:
        assert other is None
        for part in ("2/4", "1/1", "2/2", "4/6"):
            capsys.readouterr()
            assert cli.run([*command, "--part", part]) == 2
            assert "got part 2/4, which is" in capsys.readouterr().err
        assert cli.run([*command, "--part", "1/2"]) == 2
        assert "left out" in capsys.readouterr().err
    (survey / ".part-1-of-1.dptscope-running").touch()  # of a process that was killed
    assert cli.run(command) == 2
    assert "left out" in capsys.readouterr().err
    assert not list(survey.glob(".*"))


def test_parts_overlap_where_they_share_chunks() -> None:
    numbers = range(60)
    parts = [Part(number, of) for of in (1, 2, 3, 4, 6) for number in range(1, of + 1)]
    for one in parts:
        for two in parts:
            assert one.overlaps(two) == any(one.has(number) and two.has(number) for number in numbers)


def test_where_photos_come_from(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    odd = Path(os.fsdecode(b"a/\xff.png"))
    monkeypatch.chdir(tmp_path)
    odd.write_bytes((photos / "photo_0.png").read_bytes())
    (inside / "c.png").write_bytes(odd.read_bytes())
    Path("list.txt").write_bytes(b"\xef\xbb\xbfa/b/c.png\r\n\na/\xff.png\nnot there.png\na/b/c.png\n")
    assert all_photos([Path("list.txt")]) == [Path("a/b/c.png"), odd, Path("not there.png")]
    assert all_photos([Path("**/*.png"), Path("a")]) == [Path("a/b/c.png"), odd]
    assert name_of(odd) == "a/\\xff.png"
    for place, reason in (
        ("a/b/*.jpg", "expected a pattern of photos"),
        ("nothing", "no such file or folder"),
        (".", r"'\./\*\*/\*\.jpg'"),
    ):
        with pytest.raises(dptscope.ImageError, match=reason):
            all_photos([Path(place)])
    Path("list.txt").write_text("nothing\n")
    with pytest.raises(dptscope.ImageError, match="none of 1 is there"):
        all_photos([Path("list.txt")])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--part", "0/3"], "--part: expected one such as 3/16"),
        (["--part", "4/3"], "--part: expected one such as 3/16"),
        (
            ["--backend", "dask"],
            "expected --backend loky, or --backend dask with --scheduler ADDRESS, got dask without",
        ),
        (["--scheduler", "tcp://127.0.0.1:1"], "got loky with a scheduler"),
        (["--format", "csv"], "expected --format parquet or jsonl, got csv"),
        (["--size", "57"], "expected a size that is a multiple of 14"),
    ],
)
def test_refused_before_anything_is_written(
    options: list[str], reason: str, photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["survey", str(model), str(photos), "-o", str(tmp_path / "out"), *options]) == 2
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_tables_are_of_the_photos(survey: Path, photos: Path, model: Path) -> None:
    """The rows are those of a scene in Python."""
    fusion = pandas.read_parquet(sorted(survey.glob("fusion-*.parquet")))
    depth = pandas.read_parquet(sorted(survey.glob("depth-*.parquet")))
    assert (len(fusion), len(depth)) == (6 * 4 * 2, 6)
    photo = photos / "photo_3.png"
    scene = dptscope.load(model).prepare(cv2.imread(str(photo)), size=140)
    plain = scene.raw_depth()
    row = depth[depth.photo == str(photo)].iloc[0]
    assert (row["min"], row["max"]) == (plain.min(), plain.max())
    assert (row["median"], row["std"]) == pytest.approx((np.median(plain), plain.std()))
    for block in (1, 2, 3, 4):
        scales = [1.0] * 4
        scales[block - 1] = 0.5
        scaled = scene.raw_depth((scales[0], scales[1], scales[2], scales[3]))
        chosen = (fusion.photo == str(photo)) & (fusion.fusion_block == block) & (fusion.factor == 0.5)
        row = fusion[chosen].iloc[0]
        assert row.correlation == pytest.approx(np.corrcoef(plain.ravel(), scaled.ravel())[0, 1])
        slope, shift = np.polyfit(scaled.ravel().astype(float), plain.ravel(), 1)
        assert row.change == pytest.approx(np.abs(slope * scaled + shift - plain).mean() / plain.std(), rel=1e-4)
        assert 0 < row.edges_kept <= 1


def test_no_companion(photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(model.read_bytes())
    assert cli.run(["survey", str(alone), str(photos), "-o", str(tmp_path / "out"), "--fusion"]) == 2
    assert f"{tmp_path / 'alone.fusion.onnx'}: expected this file for --fusion" in capsys.readouterr().err
