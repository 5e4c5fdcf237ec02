"""Photo to depth by every rule that the contract has: the page's own resizing against dptscope's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from playwright.sync_api import Page
from support.browser import drop, problem, saved, show

import dptscope
from dptscope.commands import demo
from dptscope.files.photos import read_image

TINY = Path(__file__).parents[1] / "data" / "tiny.onnx"
ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"
BYTES = {"resize_rule": "longest", "interpolation": "uint8_area_or_cubic", "output_resize": "bicubic"}
TIPS = {"resize_rule": "exact", "interpolation": "uint8_linear_antialiased", "output_resize": "bilinear"}
PADDED = {"resize_rule": "pad", "output_resize": "bilinear"}


@pytest.mark.parametrize(
    ("rule", "photo_hw"),
    [
        ({"resize_rule": "minimal", "output_resize": "bicubic"}, (301, 233)),
        (BYTES, (29, 51)),
        (TIPS, (301, 233)),
        (TIPS, (40, 55)),
        (PADDED, (301, 233)),
        (PADDED, (50, 65)),
        ({"resize_rule": "exact"}, (66_000, 20)),
    ],
    ids=lambda value: "-".join(map(str, value if isinstance(value, tuple) else value.values())),
)
def test_rules(page: Page, rule: dict[str, Any], photo_hw: tuple[int, int], tmp_path: Path) -> None:
    """At the model's own size: photos that become smaller, or larger, and one that is longer than Chromium's canvases."""
    for path in TINY.parent.glob("tiny*.onnx"):
        shutil.copy(path, tmp_path)
    model = onnx.load(TINY)
    for entry in model.metadata_props:
        if entry.key == "dptscope.preparation":
            entry.value = json.dumps(json.loads(entry.value) | rule)
    onnx.save(model, tmp_path / "tiny.onnx")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), cv2.resize(read_image(ASTRONAUT), photo_hw[::-1]))
    drop(page, [*sorted(tmp_path.glob("tiny*.onnx")), photo])
    assert problem(page) == ""
    show(page, "Fusion")
    depth = np.load(saved(page, "Numbers", tmp_path))
    loaded = dptscope.load(tmp_path / "tiny.onnx")
    expected = loaded.predict(read_image(photo), size=max(loaded.card.native_size)).depth
    assert depth.shape == expected.shape == photo_hw
    assert np.abs(depth - expected).max() < 1e-5 * np.ptp(expected)
