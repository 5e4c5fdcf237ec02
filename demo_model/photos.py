"""The real photos of the evaluation: in the wheels of scikit-image and scikit-learn, and here. None is trained on."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

Array = np.ndarray
_PAIRS = Path(__file__).with_name("point_pairs.json")
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images", "demo_model": "further_photos"}


@dataclass(frozen=True)
class Photo:
    """A photo with hand-placed pairs.

    Attributes:
        name: file name.
        rgb: (H, W, 3) uint8.
        pairs_n4: x, y of a nearer and x, y of a farther point, as shares of width and height.
    """

    name: str
    rgb: Array
    pairs_n4: Array


def wheel_file(package: str, name: str) -> Path:
    """A picture inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{package} is not installed; its wheel holds {name}")
    return Path(spec.origin).parent / _FOLDERS[package] / name


def read_rgb(path: Path) -> Array:
    """(H, W, 3) uint8."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"{path} is no picture")
    return np.ascontiguousarray(bgr[..., ::-1])


def paired_photos(part: str) -> list[Photo]:
    """The photos with point pairs of one part: ``photos``, ``further_photos`` or ``later_photos``."""
    entries = json.loads(_PAIRS.read_text())[part]
    return [Photo(e["file"], read_rgb(wheel_file(e["package"], e["file"])), np.array(e["pairs"])) for e in entries]


def motorcycle() -> tuple[Array, Array]:
    """The photo with measured depth: RGB, and stereo disparity in pixels, which is inverse depth up to a factor; inf or NaN
    where it was not measured (Scharstein et al. 2014, Middlebury)."""
    with np.load(wheel_file("skimage", "motorcycle_disp.npz")) as archive:
        disparity_hw = archive["arr_0"]
    return read_rgb(wheel_file("skimage", "motorcycle_left.png")), disparity_hw
