"""Metres by a focal length, and what a camera says of it."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import dptscope
from dptscope import DptscopeError, ModelCard
from dptscope.camera import focal_of_view, metres_a_unit, view_of_film
from dptscope.files.exif import focal_on_film


@pytest.fixture(scope="module")
def card(tiny_model: Path) -> ModelCard:
    return replace(dptscope.load(tiny_model).card, depth_kind="distance", canonical_focal=300.0)


def test_the_focal_length_of_the_input(card: ModelCard) -> None:
    """3000 pixels in a photo of 4000, seen at 504: 378 pixels, so a unit is 1.26 m."""
    assert metres_a_unit(card, 4000, 504, focal=3000.0) == pytest.approx(378 / 300)
    assert metres_a_unit(card, 4000, 504, fov=90.0) == pytest.approx(252 / 300)  # half a width away at 45 degrees
    assert metres_a_unit(card, 4000, 504) is None


def test_views() -> None:
    assert focal_of_view(60, 1000) == pytest.approx(500 * 3**0.5)
    assert view_of_film(36, (2400, 3600)) == pytest.approx(53.130, abs=1e-3)  # 18 mm beside 36 mm
    assert view_of_film(50, (3000, 4000)) == pytest.approx(38.2, abs=0.1)  # of 4:3, by the diagonal


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"focal": 0.0}, "expected a focal length from 1 to 1e.06 pixels of the photo, got 0"),
        ({"focal": float("nan")}, "got nan"),
        ({"fov": 180.0}, "expected a horizontal field of view from 0.1 to 179 degrees, got 180"),
        ({"fov": 60.0, "focal": 500.0}, "expected a focal length or a field of view, got both: 500 pixels, 60 degrees"),
    ],
)
def test_what_is_no_focal_length(card: ModelCard, arguments: dict[str, float], said: str) -> None:
    with pytest.raises(DptscopeError, match=said):
        metres_a_unit(card, 4000, 504, **arguments)


def test_models_that_a_focal_length_does_not_concern(card: ModelCard, tiny_model: Path) -> None:
    mono = replace(card, canonical_focal=None)
    with pytest.raises(DptscopeError, match="which has no metres, whatever the focal length"):
        metres_a_unit(mono, 4000, 504, focal=3000.0)
    with pytest.raises(DptscopeError, match="which needs no focal length"):
        metres_a_unit(replace(mono, depth_kind="metric", max_depth=20.0), 4000, 504, focal=3000.0)
    image = np.zeros((70, 70, 3), np.uint8)
    with pytest.raises(DptscopeError, match="expected a model that says where the sky is, got depth-anything-v2"):
        dptscope.load(tiny_model).predict(image, far_sky=True)


def exif(order: str, value: int) -> bytes:
    """A TIFF with nothing but the pointer to its Exif, and the focal length on film in that."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    first = struct.pack(f"{order}HHHIII", 1, 34665, 4, 1, 26, 0)
    return head + first + struct.pack(f"{order}HHHIHHI", 1, 0xA405, 3, 1, value, 0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_camera_says(order: str) -> None:
    _, encoded = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    jpeg = encoded.tobytes()
    body = b"Exif\0\0" + exif(order, 26)
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(marked, np.uint8), cv2.IMREAD_COLOR).shape == (8, 8, 3)
    assert focal_on_film(marked) == 26
    assert focal_on_film(exif(order, 35)) == 35
    assert focal_on_film(exif(order, 0)) is None
    assert focal_on_film(jpeg) is None


def test_half_a_file_says_nothing() -> None:
    _, encoded = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    body = b"Exif\0\0" + exif("<", 26)
    marked = encoded.tobytes()[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    found = [focal_on_film(marked[:end]) for end in range(len(marked) + 1)]
    assert found[-1] == 26 and set(found) == {None, 26}
    assert focal_on_film(b"\x89PNG") is None
