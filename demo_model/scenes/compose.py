"""From a seed to a picture: picks a layout, renders it and develops the picture as a camera would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo_model.scenes import closeup, indoor, outdoor
from demo_model.scenes.render import render
from demo_model.scenes.scene import Scene

Array = np.ndarray
Layout = Callable[[np.random.Generator, tuple[int, int]], Scene]

LAYOUTS: tuple[tuple[Layout, float], ...] = (
    (outdoor.field, 4.0),
    (outdoor.street, 4.0),
    (outdoor.facade, 1.0),
    (outdoor.skyward, 1.0),
    (outdoor.overlook, 0.5),
    (indoor.room, 5.0),
    (indoor.corridor, 2.0),
    (indoor.corner, 0.5),
    (closeup.table_top, 3.0),
    (closeup.portrait, 5.0),
    (closeup.heap, 0.75),
    (closeup.greenery, 0.75),
    (closeup.flat, 0.25),
)
"""What a small model can learn in an hour or two comes often; heaps and foliage, of which it made nothing, come seldom."""

DATA_VERSION = 2
"""Raised when the same seed no longer gives the same picture."""


def render_scene(seed: int, size_hw: tuple[int, int]) -> tuple[Array, Array]:
    """One picture and its inverse depth.

    Args:
        seed: the same seed and size give the same arrays.
        size_hw: picture size in pixels.

    Returns:
        ``rgb`` (H, W, 3) uint8 sRGB, and ``inverse`` (H, W) float32: 1 / z-depth in 1/m, 0 for the sky.
    """
    rng = np.random.default_rng((DATA_VERSION, seed))
    # A scene can come out empty or with a lens inside a wall; the next draw of the same generator replaces it.
    for _ in range(20):
        linear, inverse = render(_pick_layout(rng)(rng, size_hw), rng)
        if _is_worthwhile(inverse):
            break
    return develop(linear, rng), inverse


def layout_name(seed: int) -> str:
    """Name of the layout that a seed asks for first; a scene that was drawn again may have another."""
    return _pick_layout(np.random.default_rng((DATA_VERSION, seed))).__name__


def _pick_layout(rng: np.random.Generator) -> Layout:
    odds = np.array([weight for _, weight in LAYOUTS])
    return LAYOUTS[int(rng.choice(len(LAYOUTS), p=odds / odds.sum()))][0]


def _is_worthwhile(inverse: Array) -> bool:
    """Whether there is depth to learn: not all sky, not one constant, and nothing so near that it hides all else."""
    low, middle, high = np.quantile(inverse, (0.02, 0.5, 0.98))
    return bool(high > 1.15 * low + 1e-4 and high < 12.0 and (inverse > 0).mean() > 0.15 and middle < high)


def develop(linear: Array, rng: np.random.Generator) -> Array:
    """Linear light to sRGB bytes: automatic exposure, a shoulder for the highlights, and the transfer curve."""
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    key = float(rng.uniform(0.12, 0.32)) / max(float(luminance.mean() * 0.5 + np.median(luminance) * 0.5), 1e-3)
    exposed = np.maximum(linear * np.float32(key), 0)
    shoulder = exposed * (1 + exposed / 6.0) / (1 + exposed)  # Reinhard et al. 2002, white at √6
    return (np.clip(shoulder * 1.35, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
