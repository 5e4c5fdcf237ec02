"""``dptscope demo`` with the exported file that ships; also run from the built wheel, without PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import dptscope
from dptscope.commands import demo as pictures
from dptscope.commands.extras import extra_packages
from dptscope.pictures.fusion_sheet import SCALINGS, fusion_sheet


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    command = [sys.executable, "-m", "dptscope", "demo", "--shipped", "-o", str(folder)]
    no_screen = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=no_screen)
    return folder, done


def test_writes_what_it_names(demo_folder: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = demo_folder
    assert (done.returncode, done.stderr) == (0, "")
    assert "no screen" in done.stdout
    written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    stems = [path.stem for path in pictures.demo_photos()]
    assert len(stems) >= 2
    expected = {Path(f"{stem}_{kind}.png") for stem in stems for kind in ("depth", "norms", "fusion")}
    expected |= {Path("photos") / path.name for path in pictures.demo_photos()}
    files = {Path(path.name) for path in pictures.ASSETS.glob(f"{pictures.MODEL.stem}*.onnx")}
    assert {Path("dptscope_tiny.onnx"), Path("dptscope_tiny.fusion.onnx")} <= files
    expected |= files
    assert written == expected
    for path in written:
        assert str(folder / path) in done.stdout or path.name.count(".") == 2


def test_the_pictures_show_something(demo_folder: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = demo_folder
    for photo in pictures.demo_photos():
        depth = cv2.imread(str(folder / f"{photo.stem}_depth.png"))
        assert depth.shape == cv2.imread(str(photo)).shape
        assert len(np.unique(depth.reshape(-1, 3), axis=0)) > 100


def test_the_sheet_has_a_tile_for_every_scaling() -> None:
    """Five columns and four rows; where the factor is 1, every row shows the plain depth, and elsewhere something else."""
    model = dptscope.load(pictures.MODEL)
    photo = cv2.imread(str(pictures.demo_photos()[0]))
    scene = model.prepare(photo)
    sheet = fusion_sheet(scene, model.card.depth_kind, "")
    tile_w = round(150 * photo.shape[1] / photo.shape[0])
    left, top = sheet.shape[1] - 5 * (tile_w + 12), sheet.shape[0] - 4 * 162
    tiles = [
        [
            sheet[top + r * 162 : top + r * 162 + 150, left + c * (tile_w + 12) : left + c * (tile_w + 12) + tile_w]
            for c in range(5)
        ]
        for r in range(4)
    ]
    plain = tiles[0][SCALINGS.index(1.0)]
    for row in tiles:
        for factor, tile in zip(SCALINGS, row, strict=True):
            assert (tile == plain).all() == (factor == 1.0)


def test_the_model_tells_near_from_far() -> None:
    """Trained weights: in the rendered scene the ground at the lower edge is nearer than what is seen at half height."""
    model = dptscope.load(pictures.MODEL)
    (scene,) = (path for path in pictures.demo_photos() if path.stem == "scene")
    depth = model.predict(cv2.imread(str(scene))).depth
    height = depth.shape[0]
    assert np.median(depth[-height // 10 :]) > np.median(depth[height // 3 : height // 2])


def test_extra_is_read_from_the_package() -> None:
    lines = [
        "numpy>=1.26",
        "torch<2.13.1,>=2.13.0; extra == 'export'",
        'onnx>=1.19; extra == "export"',
        "pytest; extra == 'dev'",
    ]
    assert extra_packages(lines, "export") == ["torch", "onnx"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dptscope.commands.app import run

    (tmp_path / "file").write_text("")
    assert run(["demo", "--shipped", "--no-view", "-o", str(tmp_path / "file" / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
