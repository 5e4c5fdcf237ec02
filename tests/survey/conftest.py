"""A survey that many tests look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from dptscope.commands import app as cli
from dptscope.commands.demo import MODEL

OPTIONS = ["--size", "140", "--fusion", "--depth"]


@pytest.fixture(scope="session")
def options() -> list[str]:
    """Of the survey."""
    return OPTIONS


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parts of a picture in several shapes, and of a file that is none."""
    folder = tmp_path_factory.mktemp("survey") / "photos"
    folder.mkdir()
    scene_bgr = cv2.imread(str(MODEL.parent / "photos/scene.png"))
    assert scene_bgr is not None
    for number, (height, width) in enumerate([(112, 150), (150, 112), (100, 100), (90, 180), (112, 150), (200, 160)]):
        factor = max(height / scene_bgr.shape[0], width / scene_bgr.shape[1])
        smaller = cv2.resize(scene_bgr, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"photo_{number}.png"), smaller[:height, :width])
    (folder / "broken.png").write_text("no photo")
    return folder


@pytest.fixture(scope="session")
def model() -> Path:
    """The demonstration model, which is small and has outliers."""
    return MODEL


@pytest.fixture(scope="session")
def survey(photos: Path, model: Path) -> Path:
    """The folder of a survey of them in two processes."""
    output = photos.parent / "survey"
    assert cli.run(["survey", str(model), str(photos), "-o", str(output), "--jobs", "2", *OPTIONS]) == 2
    return output
