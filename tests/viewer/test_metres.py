"""Metres by a focal length, and where the sky is, in the fusion view."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.fake_model import FakeModel, make_card

from dptscope.commands import app as cli
from dptscope.sky import fill_sky
from dptscope_view.engine import Engine
from dptscope_view.frame import Question, Subject
from dptscope_view.state import View
from dptscope_view.ui.events import Mouse, Pointer

from .conftest import Bench

CARD = replace(make_card(kind="distance"), canonical_focal=300.0, has_sky=True)
WHOLE, HALF = (0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 1.0, 1.0)
SCALES = (1.0, 0.5, 1.0, 1.0)


def question(crop: Any = WHOLE, scales: Any = SCALES, far_sky: bool = False) -> Question:
    return Question(Subject(0, 280, crop), scales, far_sky=far_sky)


@pytest.mark.parametrize(("options", "focal"), [({"focal": 400.0}, 400.0), ({"fov": 60.0}, 80 * 3**0.5)])
def test_the_focal_length_is_the_photos_and_a_crop_leaves_it(
    photos: tuple[Path, ...], options: dict[str, float], focal: float
) -> None:
    engine, plain = (Engine(FakeModel(CARD, has_preview=True), photos, **more) for more in (options, {}))
    for crop, width in ((WHOLE, 160), (HALF, 80)):
        for frame, raw in zip(
            (engine.full(question(crop)), engine.coarse(question(crop))),
            (plain.full(question(crop)), plain.coarse(question(crop))),
            strict=True,
        ):
            assert (frame.depth_kind, raw.depth_kind) == ("metric", "distance")
            factor = focal * frame.input_size[1] / width / 300
            np.testing.assert_allclose(frame.depth_hw, raw.depth_hw * factor, rtol=1e-5)
            np.testing.assert_allclose(frame.original_hw, raw.original_hw * factor, rtol=1e-5)


def made_with(photos: tuple[Path, ...], tmp_path: Path, **options: float) -> Bench:
    made = Bench(photos, tmp_path, CARD, view=View.FUSION, scales=SCALES)
    made.engine = Engine(made.model, photos, **options)
    made.answer().draw(1280, 800)
    return made


def test_metres_under_the_mouse_and_in_the_files(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = made_with(photos, tmp_path, focal=400.0)
    place = made.rect("depth")
    made.viewer.on_mouse(Mouse(Pointer.MOVE, place.x + place.width // 2, place.y + place.height // 4))
    made.viewer.draw(1280, 800)
    assert " m · sky 0.7" in made.viewer.readout
    made.press("k")  # the sky goes far
    made.answer()
    made.press("s")
    made.worker.jobs[0](made.engine)
    out = tmp_path / "out"
    frame, plain = made.viewer.frame, Engine(FakeModel(CARD), photos).full(question())
    assert frame is not None and frame.sky_hw is not None
    wanted = fill_sky(plain.depth_hw, frame.sky_hw) * np.float32(400 * frame.input_size[1] / 160 / 300)
    np.testing.assert_allclose(frame.depth_hw, wanted, rtol=1e-5)
    saved = np.load(out / "a_fusion_001_depth.npy")
    np.testing.assert_allclose(saved, cv2.resize(wanted, (160, 120)), rtol=1e-4)
    np.testing.assert_allclose(np.load(out / "a_fusion_001_sky.npy"), cv2.resize(frame.sky_hw, (160, 120)), atol=1e-6)
    about = json.loads((out / "a_fusion_001.json").read_text())
    assert (about["depth_kind"], about["depth16"], about["far_sky"]) == ("metric", "metres × 256", True)
    deep = cv2.imread(str(out / "a_fusion_001_depth16.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(deep, saved * 256, atol=0.51)


def test_what_is_too_far_for_16_bits_is_saved_without_them(photos: tuple[Path, ...], tmp_path: Path) -> None:
    made = made_with(photos, tmp_path, focal=9000.0)
    made.press("s")
    made.worker.jobs[0](made.engine)
    assert not (tmp_path / "out/a_fusion_001_depth16.png").exists()
    about = json.loads((tmp_path / "out/a_fusion_001.json").read_text())
    assert about["depth16"].startswith("not written: expected metres up to 256.0") and about["depth_max"] > 256


def test_without_a_focal_length_the_unit_is_said(bench: Callable[..., Bench]) -> None:
    made = bench(card=CARD, view=View.FUSION)
    assert made.viewer.readout.endswith("--focal or --fov gives metres")
    assert any(part.name == "button-k" for part in made.viewer.parts)
    other = bench(view=View.FUSION)
    other.press("k")
    assert not other.viewer.state.far_sky and all(part.name != "button-k" for part in other.viewer.parts)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--focal", "500"], "expected a model whose metres depend on the focal length"),
        (["--far-sky"], "expected a model that says where the sky is"),
    ],
)
def test_models_that_know_nothing_of_it(
    options: list[str],
    said: str,
    tiny_model: Path,
    photo_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["view", str(tiny_model), str(photo_path), "--render", str(tmp_path / "out.png"), *options]
    assert cli.run(arguments) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out.png").exists()
