"""From a seed to a picture: picks a layout, renders it and develops the picture as a camera would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo_model.scenes import closeup, foreground, indoor, outdoor
from demo_model.scenes.render import render
from demo_model.scenes.scene import Scene

Array = np.ndarray
Layout = Callable[[np.random.Generator, tuple[int, int]], Scene]

LAYOUTS: tuple[tuple[Layout, float], ...] = (
    (outdoor.field, 4.0),
    (outdoor.street, 4.0),
    (outdoor.facade, 1.0),
    (outdoor.skyward, 1.0),
    (outdoor.overlook, 0.75),
    (indoor.room, 4.5),
    (indoor.workshop, 2.5),
    (indoor.corridor, 1.5),
    (indoor.corner, 0.5),
    (closeup.table_top, 3.5),
    (closeup.portrait, 4.0),
    (closeup.detail, 4.0),
    (closeup.heap, 1.0),
    (closeup.greenery, 1.25),
    (closeup.flat, 0.25),
)
"""How often each layout comes in the held-out scenes."""

TRAINING_LAYOUTS: tuple[tuple[Layout, float], ...] = (
    *LAYOUTS,
    (foreground.foreground, 11.0),
    (closeup.pile, 4.0),
    (outdoor.highland, 2.0),
)
"""In those to train on: half as much again of what photographs showed to be lacking. The held-out scenes stay what they were,
so that figures of all trainings compare."""

DATA_VERSION = 5
"""Raised when the same training seed no longer gives the same picture."""

HELD_OUT_SEED = 10_000_000
"""Training seeds lie below; evaluation uses this seed and those after it."""

HELD_OUT_VERSION = 3
"""The same for the held-out ones."""


def render_scene(seed: int, size_hw: tuple[int, int]) -> tuple[Array, Array]:
    """The picture and the inverse depth of :func:`render_solids`."""
    rgb, inverse, _ = render_solids(seed, size_hw)
    return rgb, inverse


def render_solids(seed: int, size_hw: tuple[int, int]) -> tuple[Array, Array, Array]:
    """One picture, its inverse depth, and which solid each pixel shows.

    Args:
        seed: the same seed and size give the same arrays.
        size_hw: picture size in pixels.

    Returns:
        ``rgb`` (H, W, 3) uint8 sRGB; ``inverse`` (H, W) float32: 1 / z-depth in 1/m, 0 for the sky; ``solid`` (H, W) int32,
        -1 for the sky.
    """
    held_out = seed >= HELD_OUT_SEED
    rng = np.random.default_rng((HELD_OUT_VERSION if held_out else DATA_VERSION, seed))
    layouts = LAYOUTS if held_out else TRAINING_LAYOUTS
    # A scene can come out empty or with a lens inside a wall; the next draw of the same generator replaces it.
    for _ in range(20):
        linear, inverse, solid = render(_pick_layout(rng, layouts)(rng, size_hw), rng)
        if _is_worthwhile(inverse):
            break
    return develop(linear, rng), inverse, solid


def _pick_layout(rng: np.random.Generator, layouts: tuple[tuple[Layout, float], ...]) -> Layout:
    odds = np.array([weight for _, weight in layouts])
    return layouts[int(rng.choice(len(layouts), p=odds / odds.sum()))][0]


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
