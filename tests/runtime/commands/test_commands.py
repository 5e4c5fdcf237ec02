"""The commands of the runtime, called as a user calls them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.without_torch import run_without_torch

import dptscope
from dptscope.commands import app as cli
from dptscope.files.photos import output_stems
from dptscope.pictures.block_sheets import GAP, TILE_WIDTH
from dptscope.pictures.colours import NORM_COLOURS, colour_map
from dptscope.pictures.depth import depth_16_bit


def test_depth_without_torch(tiny_model: Path, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    run = run_without_torch("depth", tiny_model, photo_path, "-o", tmp_path / "out", "--scales", 1, 0.5, -1, 1)
    assert (run.returncode, run.stderr) == (0, "")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["motorcycle_depth.npy", "motorcycle_depth.png", "motorcycle_depth16.png"]
    wanted = dptscope.load(tiny_model).prepare(photo_bgr).depth((1, 0.5, -1, 1))
    written = np.load(tmp_path / "out/motorcycle_depth.npy")
    np.testing.assert_allclose(written, wanted, atol=1e-5 * wanted.std())
    deep = cv2.imread(str(tmp_path / "out/motorcycle_depth16.png"), cv2.IMREAD_UNCHANGED)
    assert (deep.dtype, deep.shape, deep.min(), deep.max()) == (np.uint16, wanted.shape, 0, 65535)
    colour = cv2.imread(str(tmp_path / "out/motorcycle_depth.png"))
    assert colour.shape == photo_bgr.shape
    near, far = np.unravel_index(written.argmax(), written.shape), np.unravel_index(written.argmin(), written.shape)
    assert colour[near].sum() > colour[far].sum()


def test_norms_without_torch(tiny_model: Path, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    run = run_without_torch("norms", tiny_model, photo_path, "-o", tmp_path / "out", "--format", "png,json,npy")
    assert (run.returncode, run.stderr) == (0, "")
    norms = np.load(tmp_path / "out/motorcycle_norms.npy")
    wanted = np.stack(dptscope.load(tiny_model).block_norms(photo_bgr))
    np.testing.assert_allclose(norms, wanted, rtol=1e-5)
    summary = json.loads((tmp_path / "out/motorcycle_norms.json").read_text())
    assert [block["block"] for block in summary["blocks"]] == [0, 1, 2, 3]
    np.testing.assert_allclose([block["max"] for block in summary["blocks"]], wanted.max(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        [block["median"] for block in summary["blocks"]], np.median(wanted, axis=(1, 2)), rtol=1e-5
    )
    assert "median" in summary["rule"]
    sheet = cv2.imread(str(tmp_path / "out/motorcycle_norms.png"))
    assert sheet.std() > 20
    cls = dptscope.load(tiny_model).prepare(photo_bgr).cls_tokens
    assert cls is not None
    np.testing.assert_allclose([b["cls_norm"] for b in summary["blocks"]], np.linalg.norm(cls, axis=1), rtol=1e-5)


def test_components_and_similarity_in_files(tiny_model: Path, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    """What the command writes is what the functions give, for the token that sees the pixel."""
    told = ("--pca", "--similar-to", 499, 300, "--format", "png,npy")
    run = run_without_torch("norms", tiny_model, photo_path, "-o", tmp_path / "out", *told)
    assert (run.returncode, run.stderr) == (0, "")
    names = [f"motorcycle_{what}.{ending}" for what in ("norms", "pca", "similar") for ending in ("png", "npy")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    tokens = dptscope.load(tiny_model).block_tokens(photo_bgr)
    rows, columns = tokens[0].shape[:2]
    assert photo_bgr.shape[:2] == (500, 741)
    place = (rows - 1, int(300.5 * columns / 741))
    similar, colours = (np.load(tmp_path / f"out/motorcycle_{what}.npy") for what in ("similar", "pca"))
    np.testing.assert_allclose(similar, [dptscope.tokens.similarity(t, place) for t in tokens], atol=1e-5)
    assert (similar[:, place[0], place[1]] > 0.99999).all()
    wanted = [found.colours() for found in dptscope.tokens.components_of_blocks(tokens)]
    np.testing.assert_allclose(colours, wanted, atol=0.01)
    pictures = [cv2.imread(str(tmp_path / f"out/motorcycle_{what}.png")) for what in ("pca", "similar")]
    assert all(picture.std() > 20 for picture in pictures)
    # The token of the pixel is in the outliers' colour: in the first map's column, and in the last map's last row.
    marked_hw = (pictures[1] == colour_map(NORM_COLOURS).outlier).all(axis=-1)
    at_rows, at_columns = np.nonzero(marked_hw)
    assert at_columns.min() == pytest.approx(GAP + TILE_WIDTH * place[1] / columns, abs=1)
    assert at_rows.max() == len(marked_hw) - GAP - 1
    assert marked_hw.sum() == pytest.approx(len(tokens) * (TILE_WIDTH / columns) ** 2, rel=0.1)


def test_a_pixel_outside_the_photo_is_an_error(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    run = run_without_torch("norms", tiny_model, photo_path, "-o", tmp_path / "out", "--similar-to", 500, 3)
    assert run.returncode == 2 and not (tmp_path / "out").exists()
    assert "--similar-to: expected a pixel of the photo, y below 500 and x below 741, got 500 3" in run.stderr


def test_bad_input_is_one_line(
    tiny_model: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no photo")
    (tmp_path / "other").mkdir()
    shutil.copy(photo_path, tmp_path / "other" / photo_path.name)
    out = str(tmp_path / "out")
    cases = {
        ("depth", tiny_model, tmp_path / "text.png", "-o", out): "expected a photo",
        ("norms", tiny_model, tmp_path / "nothing.png", "-o", out): "no such file",
        ("depth", tmp_path / "text.png", photo_path, "-o", out): "expected an ONNX model",
        ("depth", tiny_model, photo_path, "-o", out, "--size", "100"): "multiple of 14",
        (
            "depth",
            tiny_model,
            photo_path,
            "-o",
            out,
            "--format",
            "tiff",
        ): "expected --format of png, png16, npy, got tiff",
        ("depth", tiny_model, photo_path, photo_path, "-o", out): "photos with different names",
        ("depth", tiny_model, photo_path, "-o", out, "--provider", "Nonsense"): "got Nonsense",
        ("depth", tiny_model, photo_path): "--output",
        (
            "depth",
            tiny_model,
            photo_path,
            "-o",
            out,
            "--scales",
            "1",
            "x",
            "1",
            "1",
        ): "--scales': expected a valid number, got 'x'",
        (
            "view",
            tiny_model,
            photo_path,
            "--show",
            "x",
        ): "Invalid value for '--show': 'x' is not one of 'photo', 'norm'",
        ("unknown",): "unknown",
    }
    for arguments, message in cases.items():
        assert cli.run([str(argument) for argument in arguments]) == 2, arguments
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("dptscope: ")
        assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_metric_depth_keeps_its_metres() -> None:
    depth = np.array([[0.0, 1.5, 79.99]], np.float32)
    np.testing.assert_array_equal(depth_16_bit(depth, "metric"), [[0, 384, 20477]])
    with pytest.raises(dptscope.DptscopeError, match=r"up to 256\.0 for a 16-bit PNG, got 300\.0"):
        depth_16_bit(np.array([[300.0]], np.float32), "metric")


def test_complaints_are_of_a_length_that_is_read(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["depth", str(tiny_model), "x" * 5000, "-o", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < 900
    assert line.startswith("dptscope: ")
    assert line.endswith(" …")


def test_a_name_that_is_no_text(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    """Bytes that are no UTF-8: the names of what was written are printed as they are."""
    photo = tmp_path / os.fsdecode(b"caf\xe9.png")
    photo.write_bytes(photo_path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "dptscope", "norms", tiny_model, photo, "-o", tmp_path / "out", "--format", "json"],
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.rstrip().endswith(b"caf\xe9_norms.json") and Path(os.fsdecode(done.stdout.rstrip())).is_file()


@pytest.mark.parametrize("command", ["depth", "norms"])
def test_one_bad_photo_does_not_stop_the_others(
    command: str, tiny_model: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with a broken photo, and one that is not there: the rest is written, and both are named at the end."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(photo_path.read_bytes())
    (folder / "b.png").write_bytes(photo_path.read_bytes()[:2000])
    missing = tmp_path / "missing.png"
    arguments = [command, tiny_model, folder, missing, "-o", tmp_path / "out", "--format", "png"]
    assert cli.run([str(argument) for argument in arguments]) == 2
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"a_{command}.png", f"c_{command}.png"]
    captured = capsys.readouterr()
    assert captured.out.split() == [str(tmp_path / "out" / name) for name in written]
    broken, gone, end = captured.err.splitlines()
    assert str(folder / "b.png") in broken and f"{missing}: no such file" in gone
    assert end == "dptscope: 2 of 4 photos were left out"


def test_an_error_of_the_program_is_not_a_photos(
    tiny_model: Path, photo_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dptscope.commands.photos.read_image", lambda path: {}[path])
    with pytest.raises(KeyError):
        cli.run(["depth", str(tiny_model), str(photo_path), str(tmp_path / "b.png"), "-o", str(tmp_path / "out")])


def test_a_phones_photos_beside_others_are_said_to_be_left_out(
    tiny_model: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some").mkdir()
    shutil.copy(photo_path, tmp_path / "some")
    (tmp_path / "some/IMG_0001.HEIC").write_bytes(b"")
    told = ["norms", str(tiny_model), str(tmp_path / "some"), "-o", str(tmp_path / "out"), "--format", "json"]
    for line in ("HEIC photos are left out (1, beside 1 that can be read)", ""):
        assert cli.run(told) == 0
        said = capsys.readouterr().err
        assert line in said and said.count("\n") == bool(line)
        (tmp_path / "some/IMG_0001.HEIC").unlink(missing_ok=True)


def test_photos_of_one_name_in_several_folders(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    photos = [tmp_path / "cam0" / "0001.png", tmp_path / "cam1" / "0001.png", tmp_path / "cam1" / "0001.bmp"]
    for photo in (*photos, tmp_path / "cam0" / "0002.png"):
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(photo_path.read_bytes())
    arguments = ["norms", tiny_model, tmp_path / "cam0", tmp_path / "cam1", "-o", tmp_path / "out", "--format", "json"]
    assert cli.run([str(argument) for argument in arguments]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "0002_norms.json",
        "cam0_0001_norms.json",
        "cam1_0001.bmp_norms.json",
        "cam1_0001.png_norms.json",
    ]


def test_twenty_thousand_names() -> None:
    """One pass over them, and not one for every name."""
    photos = [Path(f"folder_{number % 7}") / f"{number // 7}.jpg" for number in range(20_000)]
    assert len(set(output_stems(photos))) == len(photos)


def test_an_output_that_cannot_write_every_sign(tiny_model: Path) -> None:
    """Redirected on Windows: what is printed is spelled out, and nothing breaks."""
    done = subprocess.run(
        [sys.executable, "-m", "dptscope", "info", tiny_model],
        env=os.environ | {"PYTHONIOENCODING": "cp437"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"") and b"70 \\xd7 70" in done.stdout


class FarSighted:
    """A metric model that sees a photo's brightness as metres: white is as far as it says."""

    card = None

    def __init__(self, metres: float) -> None:
        self.metres = metres

    def predict(self, image_bgr: Any, **_: Any) -> dptscope.Prediction:
        depth = image_bgr[..., 0].astype(np.float32) * (self.metres / 255)
        return dptscope.Prediction(depth=depth, raw=depth, kind="metric")


@pytest.fixture
def bright_and_dark(tmp_path: Path) -> list[Path]:
    photos = [tmp_path / "photos" / "bright.png", tmp_path / "photos" / "dark.png"]
    photos[0].parent.mkdir()
    for photo, white in zip(photos, (255, 100), strict=True):
        cv2.imwrite(str(photo), np.full((4, 4, 3), white, np.uint8))
    return photos


@pytest.mark.parametrize("formats", ["png,png16,npy", "npy,png16", "png16"])
def test_a_format_that_cannot_hold_the_values_does_not_stop_the_others(
    formats: str, bright_and_dark: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("dptscope.model.load", lambda *_: FarSighted(300))
    out = tmp_path / "out"
    endings = {"png": "_depth.png", "png16": "_depth16.png", "npy": "_depth.npy"}
    wanted = [endings[name] for name in endings if name in formats.split(",")]
    could = [ending for ending in wanted if ending != "_depth16.png"]
    assert cli.run(["depth", "m.onnx", str(bright_and_dark[0]), "-o", str(out), "--format", formats]) == 2
    assert sorted(path.name for path in out.iterdir()) == sorted(f"bright{ending}" for ending in could)
    said = capsys.readouterr()
    reason = f"{out / 'bright_depth16.png'}: expected metres up to 256.0 for a 16-bit PNG, got 300.0; use npy"
    assert said.err.splitlines() == [f"dptscope: {reason}"]
    assert cli.run(["depth", "m.onnx", *map(str, bright_and_dark), "-o", str(out), "--format", formats]) == 2
    names = [f"bright{ending}" for ending in could] + [f"dark{ending}" for ending in wanted]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    said = capsys.readouterr()
    assert said.out.split() == [str(out / name) for name in names]
    assert said.err.splitlines()[-1] == "dptscope: 1 of 2 lack a file that was asked for"
    assert reason in said.err.splitlines()[0]
    if "npy" in formats:
        np.testing.assert_array_equal(np.load(out / "bright_depth.npy"), np.full((4, 4), 300, np.float32))


def test_photos_that_fail_and_photos_that_lack_a_format(
    bright_and_dark: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("dptscope.model.load", lambda *_: FarSighted(300))
    photos = [*map(str, bright_and_dark), str(tmp_path / "missing.png")]
    assert cli.run(["depth", "m.onnx", *photos, "-o", str(tmp_path / "out")]) == 2
    end = capsys.readouterr().err.splitlines()[-1]
    assert end == "dptscope: 1 of 3 photos were left out, 1 of 3 lack a file that was asked for"
