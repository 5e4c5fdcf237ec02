"""Fixtures for all rooms. Nothing here needs PyTorch: a leg of the CI runs the runtime's and the viewer's tests without."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the file that takes longest first: as the last it would leave one of two processes without work."""
    items.sort(key=lambda item: item.path.name != "test_untrusted_files.py")


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """A small exported model with random weights and its companion; tests/exporter/test_tiny_file.py holds them fresh."""
    return DATA / "tiny.onnx"


@pytest.fixture(scope="session")
def photo_bgr() -> NDArray[np.uint8]:
    """A real photo, 500 × 741."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    image = cv2.imread(str(path))
    assert image is not None
    return image


@pytest.fixture(scope="session")
def photo_path(photo_bgr: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same photo as a file."""
    path = tmp_path_factory.mktemp("photos") / "motorcycle.png"
    cv2.imwrite(str(path), photo_bgr)
    return path
