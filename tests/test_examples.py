"""The examples run as their own first lines say, and say true things."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as imageio
import numpy as np
import pytest
from examples import onnxruntime_only

import dptscope
from dptscope.prepare import prepare_image

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = Path(__file__).parent / "data"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_depth_from_python(tiny_model: Path, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    said = run("depth_from_python.py", tiny_model, photo_path, "-o", tmp_path)
    depth = np.load(tmp_path / "motorcycle.npy")
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    assert f"nearest point: row {row}, column {column}" in said
    wanted = dptscope.load(tiny_model).predict(photo_bgr).depth
    np.testing.assert_allclose(depth, wanted, atol=1e-5 * wanted.std())
    assert cv2.imread(str(tmp_path / "motorcycle.png")).shape == photo_bgr.shape


def test_block_tokens(tiny_model: Path, photo_path: Path, photo_bgr: Any, tmp_path: Path) -> None:
    said = run("block_tokens.py", tiny_model, photo_path, "-o", tmp_path)
    assert said.count("likeness to the middle") == 4
    written = np.load(tmp_path / "motorcycle_tokens.npz")
    for index, tokens in enumerate(dptscope.load(tiny_model).block_tokens(photo_bgr)):
        np.testing.assert_allclose(written[f"block_{index:02d}"], tokens, atol=1e-5 * tokens.std())
    sheet = cv2.imread(str(tmp_path / "motorcycle_tokens.png"))
    assert sheet.shape == (320, 4 * 160, 3)
    assert sheet.std() > 20


def test_fusion_sweep(tiny_model: Path, photo_path: Path, tmp_path: Path) -> None:
    run("fusion_sweep.py", tiny_model, photo_path, tmp_path / "sweep.gif", "--frames", 3, "--block", 2, "--width", 120)
    frames = imageio.imread(tmp_path / "sweep.gif", index=None)
    assert frames.shape[0] >= 5  # a GIF keeps two equal pictures, at the turning point, as one
    assert frames.shape[2:] == (120, 3)
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 3  # the scale changed the picture
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() < 1  # and it came back


@pytest.mark.parametrize("scales", [(), (1, 0.5, -1, 2)])
@pytest.mark.parametrize("size", [(500, 741), (300, 210), (64, 64)])
def test_onnxruntime_only(
    tiny_model: Path, photo_bgr: Any, tmp_path: Path, size: tuple[int, int], scales: tuple[float, ...]
) -> None:
    """The same numbers as dptscope, from a program that knows only the contract."""
    source = (EXAMPLES / "onnxruntime_only.py").read_text(encoding="utf-8")
    assert "import dptscope" not in source and "from dptscope" not in source
    photo = cv2.resize(photo_bgr, (size[1], size[0]))
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    run("onnxruntime_only.py", tiny_model, tmp_path / "photo.png", tmp_path / "depth.npy", *scales)
    scene = dptscope.load(tiny_model).prepare(photo)
    wanted = scene.depth(scales) if scales else scene.depth()  # type: ignore[arg-type]
    np.testing.assert_allclose(np.load(tmp_path / "depth.npy"), wanted, atol=1e-4 * wanted.std())


def test_required_scales(tiny_model: Path, tmp_path: Path) -> None:
    """The same numbers; the scales are inputs that must be fed."""
    import onnxruntime as ort

    run("required_scales.py", tiny_model, tmp_path / "required.onnx")
    scales = {f"fusion_scale_{k}": np.float32([value]) for k, value in enumerate((1, 0.5, -1, 2), start=1)}
    image = np.random.default_rng(0).normal(size=(1, 3, 70, 70)).astype(np.float32)
    before, after = ort.InferenceSession(tiny_model), ort.InferenceSession(tmp_path / "required.onnx")
    assert [node.name for node in after.get_inputs()] == ["image", *scales]
    feeds = {"image": image, **scales}
    np.testing.assert_array_equal(after.run(["depth"], feeds)[0], before.run(["depth"], feeds)[0])


@pytest.mark.parametrize("size", [(1200, 1600), (500, 741), (343, 504), (150, 100), (20, 3000)])
def test_onnxruntime_only_prepares_as_depth_anything_3_does(tiny_model: Path, size: tuple[int, int]) -> None:
    card = dptscope.load(tiny_model).card
    rule = replace(card.preparation, resize_rule="longest", interpolation="uint8_area_or_cubic")
    card = replace(card, native_size=(504, 504), preparation=rule)
    photo = np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)
    size_hw = onnxruntime_only.size_for(size, asdict(card))
    wanted = prepare_image(card, photo)
    np.testing.assert_allclose(onnxruntime_only.prepare(photo, size_hw, asdict(card)), wanted, rtol=0, atol=1e-6)
