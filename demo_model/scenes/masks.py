"""Outlines for cut-out sheets: leaves, blobs, foliage, bars, wheels, skylines. True where the sheet is."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from demo_model.scenes.textures import spectral_noise

Array = np.ndarray
SIZE = 256
_BANK_SEED = 20_240_602


def _grid() -> tuple[Array, Array]:
    """x right and y up over [-1, 1]²."""
    line = (np.arange(SIZE, dtype=np.float32) + 0.5) * (2 / SIZE) - 1
    return np.broadcast_to(line[None, :], (SIZE, SIZE)), np.broadcast_to(-line[:, None], (SIZE, SIZE))


def _blob(rng: np.random.Generator) -> Array:
    x, y = _grid()
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    edge = np.full_like(angle, 0.7)
    for harmonic in range(1, 9):
        edge = edge + rng.normal() * 0.22 / harmonic * np.cos(harmonic * angle + rng.uniform(0, 6.3))
    return distance < np.clip(edge, 0.15, 1.0)


def _flower(rng: np.random.Generator) -> Array:
    x, y = _grid()
    petals = int(rng.integers(3, 12))
    angle = np.arctan2(y, x) + rng.uniform(0, 6.3)
    return np.hypot(x, y) < 0.45 + 0.5 * np.abs(np.cos(angle * petals / 2)) ** rng.uniform(0.5, 2)


def _leaf(rng: np.random.Generator) -> Array:
    x, y = _grid()
    bend = rng.uniform(-0.3, 0.3)
    width = rng.uniform(0.15, 0.5) * np.cos(np.clip(y, -1, 1) * np.pi / 2) ** rng.uniform(0.6, 1.5)
    return np.abs(x - bend * (1 - y * y)) < width


def _thicket(rng: np.random.Generator) -> Array:
    """Leafy, ragged and full of holes."""
    noise = spectral_noise(rng, rng.uniform(0.9, 1.4), size=SIZE)
    x, y = _grid()
    fade = 1.6 - 2.2 * (x * x + (y - rng.uniform(-0.2, 0.2)) ** 2)
    return noise + fade * 1.3 > rng.uniform(-0.2, 0.5)


def _undergrowth(rng: np.random.Generator) -> Array:
    """Stalks that rise from the lower edge."""
    picture = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(int(rng.integers(12, 60))):
        x = rng.uniform(0, SIZE)
        tip = (int(x + rng.normal() * 40), int(rng.uniform(5, SIZE * 0.7)))
        bend = (int(x + rng.normal() * 10), int((SIZE + tip[1]) / 2))
        path = np.array([[int(x), SIZE], bend, tip], np.int32)
        cv2.polylines(picture, [path], False, 1, int(rng.integers(2, 9)))
    return picture > 0


def _branches(rng: np.random.Generator) -> Array:
    picture = np.zeros((SIZE, SIZE), np.uint8)

    def grow(x: float, y: float, angle: float, length: float, width: float) -> None:
        tip = x + np.cos(angle) * length, y - np.sin(angle) * length
        cv2.line(picture, (int(x), int(y)), (int(tip[0]), int(tip[1])), 1, max(int(width), 1))
        if length > 10:
            for _ in range(int(rng.integers(2, 4))):
                grow(*tip, angle + rng.normal() * 0.5, length * rng.uniform(0.6, 0.85), width * 0.65)

    grow(SIZE / 2, SIZE, np.pi / 2 + rng.normal() * 0.15, SIZE * 0.28, rng.uniform(6, 18))
    return picture > 0


def _bars(rng: np.random.Generator) -> Array:
    """Fences and grilles."""
    picture = np.zeros((SIZE, SIZE), np.uint8)
    step, width = int(rng.choice([16, 24, 32, 48])), int(rng.integers(2, 9))
    kind = rng.integers(3)
    for at in range(step // 2, SIZE, step):
        if kind != 2:
            cv2.line(picture, (at, 0), (at, SIZE), 1, width)
        if kind == 1:
            cv2.line(picture, (0, at), (SIZE, at), 1, width)
        if kind == 2:
            cv2.line(picture, (at - SIZE, 0), (at, SIZE), 1, width)
            cv2.line(picture, (at, 0), (at - SIZE, SIZE), 1, width)
    for at in (20, SIZE - 30):
        cv2.line(picture, (0, at), (SIZE, at), 1, width + 3)
    return picture > 0


def _wheel(rng: np.random.Generator) -> Array:
    picture = np.zeros((SIZE, SIZE), np.uint8)
    middle, rim = (SIZE // 2, SIZE // 2), int(rng.integers(8, 34))
    cv2.circle(picture, middle, SIZE // 2 - rim // 2 - 2, 1, rim)
    cv2.circle(picture, middle, int(rng.integers(8, 40)), 1, -1)
    spokes = int(rng.integers(3, 14))
    for spoke in range(spokes):
        angle = 2 * np.pi * spoke / spokes
        end = (int(SIZE / 2 * (1 + 0.9 * np.cos(angle))), int(SIZE / 2 * (1 + 0.9 * np.sin(angle))))
        cv2.line(picture, middle, end, 1, int(rng.integers(2, 12)))
    return picture > 0


def _skyline(rng: np.random.Generator) -> Array:
    """Hills, tree lines and roofs: everything below an outline."""
    rough = rng.uniform(0.8, 2.0)
    spectrum = np.arange(1, SIZE // 2 + 1, dtype=np.float64) ** -rough
    phases = np.exp(2j * np.pi * rng.random(SIZE // 2))
    outline = np.fft.irfft(np.concatenate([[0], spectrum * phases]), n=SIZE)
    outline = outline / np.abs(outline).max() * 0.5 + 0.2
    if rng.random() < 0.4:  # roofs: the outline in steps
        step = int(rng.choice([8, 16, 32]))
        outline = np.repeat(outline[::step], step)
    return _grid()[1] < outline[None, :]


def _page(rng: np.random.Generator) -> Array:
    """A sheet with a window cut out: frames, doorways, arches."""
    x, y = _grid()
    width, height = rng.uniform(0.3, 0.9, 2)
    if rng.random() < 0.5:
        return ~((np.abs(x) < width) & (np.abs(y) < height))
    return ~((np.abs(x) < width) & (y < height - width * 0.8)) & ~(np.hypot(x, y - (height - width * 0.8)) < width)


_MAKERS = {
    "blob": (_blob, 16), "flower": (_flower, 8), "leaf": (_leaf, 8), "thicket": (_thicket, 16),
    "undergrowth": (_undergrowth, 8), "branches": (_branches, 8), "bars": (_bars, 10), "wheel": (_wheel, 8),
    "skyline": (_skyline, 16), "page": (_page, 6),
}  # fmt: skip


@lru_cache(maxsize=1)
def mask_bank() -> dict[str, tuple[Array, ...]]:
    """All masks by name, (256, 256) bool each: the same in every process."""
    bank = {}
    for index, (name, (maker, count)) in enumerate(_MAKERS.items()):
        rng = np.random.default_rng((_BANK_SEED, index))
        bank[name] = tuple(np.ascontiguousarray(maker(rng)) for _ in range(count))
    return bank
