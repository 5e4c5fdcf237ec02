"""A bank of tileable grey textures with mip pyramids, made once from a fixed seed and shared by all scenes.

Colour comes later (materials.py maps grey to a palette), so a few dozen textures give endless looks. Natural surfaces have
amplitude spectra near 1/f (Field 1987, "Relations between the statistics of natural images and the response properties of
cortical cells"); overlapping opaque shapes give the edges of natural pictures (Lee, Mumford & Huang 2001, dead leaves).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

Array = np.ndarray
SIZE = 512
_LEVELS = 9
_BANK_SEED = 20_240_601


@dataclass(frozen=True)
class Texture:
    """A tileable grey picture and its smaller versions, laid end to end.

    Attributes:
        name: what it looks like.
        texels: all levels, flattened, float32 in [0, 1].
        offsets: where each level starts.
    """

    name: str
    texels: Array
    offsets: Array

    def sample(self, u_n: Array, v_n: Array, footprint_n: Array) -> Array:
        """Grey values (N,) in [0, 1]; ``u``, ``v`` in periods, ``footprint`` the periods that one pixel covers."""
        level = np.log2(np.maximum(footprint_n * SIZE, 1.0)).astype(np.int32)
        np.clip(level, 0, _LEVELS - 1, out=level)
        size = SIZE >> level
        column = np.floor((u_n - np.floor(u_n)) * size).astype(np.int32) & (size - 1)
        row = np.floor((v_n - np.floor(v_n)) * size).astype(np.int32) & (size - 1)
        return self.texels[self.offsets[level] + row * size + column]


def make_texture(name: str, grey: Array) -> Texture:
    """A :class:`Texture` from a (SIZE, SIZE) picture of any range."""
    level = grey.astype(np.float32)
    level = (level - level.min()) / max(float(np.ptp(level)), 1e-6)
    levels = [level]
    for _ in range(_LEVELS - 1):
        level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        levels.append(level)
    sizes = np.array([picture.size for picture in levels])
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return Texture(name, np.concatenate([picture.ravel() for picture in levels]), offsets)


def spectral_noise(
    rng: np.random.Generator, slope: float, stretch: tuple[float, float] = (1.0, 1.0), size: int = SIZE
) -> Array:
    """(size, size) tileable noise of zero mean and unit deviation whose amplitude falls as 1/f**slope."""
    fy = np.fft.fftfreq(size)[:, None] * stretch[1]
    fx = np.fft.rfftfreq(size)[None, :] * stretch[0]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = 1.0
    spectrum = frequency**-slope * np.exp(2j * np.pi * rng.random(frequency.shape))
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _squash(noise: Array, gain: float = 0.9) -> Array:
    return 1 / (1 + np.exp(-gain * noise))


def _noise(rng: np.random.Generator) -> Array:
    return _squash(spectral_noise(rng, rng.uniform(0.7, 1.8)))


def _streaks(rng: np.random.Generator) -> Array:
    return _squash(spectral_noise(rng, rng.uniform(0.9, 1.4), (rng.uniform(4, 14), 1.0)))


def _marble(rng: np.random.Generator) -> Array:
    phase = spectral_noise(rng, 1.7) * rng.uniform(2, 5)
    return np.abs(np.sin(phase)) ** rng.uniform(0.3, 1.0)


def _wood(rng: np.random.Generator) -> Array:
    bend = spectral_noise(rng, 1.8, (8.0, 1.0))
    rings = np.sin(bend * rng.uniform(4, 9))
    return 0.6 * _squash(rings, 1.5) + 0.4 * _squash(spectral_noise(rng, 1.0, (20.0, 1.0)))


def _planks(rng: np.random.Generator) -> Array:
    rows = int(rng.choice([4, 8, 16]))
    grain = spectral_noise(rng, 1.1, (12.0, 1.0))
    height = SIZE // rows
    picture = np.empty((SIZE, SIZE), np.float32)
    for row in range(rows):
        band = slice(row * height, (row + 1) * height)
        picture[band] = np.roll(grain[band], int(rng.integers(SIZE)), axis=1) * 0.35 + rng.normal() * 0.6
        picture[band.start : band.start + max(height // 24, 1)] = -3
        joint = int(rng.integers(SIZE))
        picture[band, joint : joint + 2] = -3
    return _squash(picture)


def _bricks(rng: np.random.Generator) -> Array:
    rows = int(rng.choice([8, 12, 16]))
    columns = rows // 2
    picture = np.full((SIZE, SIZE), rng.choice([-1.5, 1.8]), np.float32)
    height, width = SIZE / rows, SIZE / columns
    joint = height * rng.uniform(0.05, 0.15)
    for row in range(rows):
        for column in range(-1, columns):
            left = (column + 0.5 * (row % 2)) * width
            y, x = slice(int(row * height), int((row + 1) * height - joint)), (int(left), int(left + width - joint))
            picture[y, max(x[0], 0) : max(x[1], 0)] = rng.normal() * 0.5
    picture[:, :2] = np.where(picture[:, 2:3] == picture[:, 3:4], picture[:, 2:3], picture[:, :2])
    return _squash(picture + 0.35 * spectral_noise(rng, 0.8))


def _tiles(rng: np.random.Generator) -> Array:
    count = int(rng.choice([2, 4, 8]))
    cells = np.kron(rng.normal(size=(count, count)) * rng.uniform(0.1, 0.8), np.ones((SIZE // count,) * 2))
    position = np.arange(SIZE) % (SIZE // count)
    grout = position < max(2, int(SIZE / count * rng.uniform(0.01, 0.05)))
    cells[grout, :] = -2
    cells[:, grout] = -2
    return _squash(cells + 0.2 * spectral_noise(rng, 1.0))


def _checker(rng: np.random.Generator) -> Array:
    count = int(rng.choice([4, 8]))
    index = np.arange(SIZE) // (SIZE // count)
    return ((index[:, None] + index[None, :]) % 2) * 0.9 + 0.1 * _squash(spectral_noise(rng, 1.0))


def _stripes(rng: np.random.Generator) -> Array:
    period = int(rng.choice([16, 32, 64, 128]))
    profile = np.repeat(rng.normal(size=SIZE // period * 2), period // 2)
    return _squash(profile[:, None] + 0.15 * spectral_noise(rng, 0.9))


def _windows(rng: np.random.Generator) -> Array:
    count = int(rng.choice([4, 8]))
    cell = SIZE // count
    picture = 0.35 * spectral_noise(rng, 1.2) + 0.8
    low, high = int(cell * rng.uniform(0.15, 0.3)), int(cell * rng.uniform(0.7, 0.9))
    for row in range(count):
        for column in range(count):
            y, x = row * cell, column * cell
            picture[y + low : y + high, x + low : x + high] = rng.normal() * 0.6 - 1.6
            picture[y + high : y + high + cell // 24, x + low : x + high] = 1.6
            picture[y + low : y + high, x + (low + high) // 2] = 0.8
    return _squash(picture)


def _leaves(rng: np.random.Generator) -> Array:
    """Dead leaves: opaque discs and rectangles whose sizes follow a power law, in front of one another."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    round_shapes = rng.random() < 0.5
    for radius in np.sort(np.clip(4 * (1 - rng.random(900)) ** -0.7, 4, 140))[::-1]:
        x, y, value = *rng.integers(0, SIZE, 2), float(rng.normal())
        for dx in (-SIZE, 0, SIZE):  # drawn on the nine neighbours, so that it tiles
            for dy in (-SIZE, 0, SIZE):
                centre = (int(x + dx), int(y + dy))
                if not all(-radius < c < SIZE + radius for c in centre):
                    continue
                if round_shapes:
                    cv2.circle(picture, centre, int(radius), value, -1)
                else:
                    corner = (centre[0] + int(radius), centre[1] + int(radius * 0.7))
                    cv2.rectangle(picture, centre, corner, value, -1)
    return _squash(picture + 0.25 * spectral_noise(rng, 1.0))


def _foliage(rng: np.random.Generator) -> Array:
    """Many small ellipses at all angles, lighter on top: grass, hedges and tree crowns."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    length = rng.uniform(8, 26)
    count = int(110_000 / length**1.4)
    lean = rng.uniform(0, 180)
    spread = rng.choice([25.0, 90.0])
    for index in range(count):
        centre = tuple(int(c) for c in rng.integers(0, SIZE, 2))
        axes = (int(length * rng.uniform(0.4, 1.0)), max(int(length * rng.uniform(0.08, 0.3)), 1))
        value = 2.2 * index / count - 1.3 + 0.6 * float(rng.normal())
        cv2.ellipse(picture, centre, axes, lean + spread * float(rng.normal()), 0, 360, value, -1)
    return _squash(picture + 0.5 * spectral_noise(rng, 1.6), 1.1)


def _pebbles(rng: np.random.Generator) -> Array:
    """Cells around scattered points, dark at their borders: gravel, scales, cobbles, cracked earth."""
    count = int(rng.choice([60, 200, 600]))
    points = rng.random((count, 2)) * SIZE
    seeds = np.full((SIZE * 2,) * 2, 255, np.uint8)
    pad = SIZE // 2
    for dx in (-SIZE, 0, SIZE):
        for dy in (-SIZE, 0, SIZE):
            spot = (points + np.array([dx + pad, dy + pad])).astype(int)
            inside = ((spot >= 0) & (spot < SIZE * 2)).all(1)
            seeds[spot[inside, 1], spot[inside, 0]] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    crop = slice(pad, pad + SIZE)
    tone = rng.normal(size=int(labels.max()) + 1)[labels[crop, crop]] * 0.5
    return _squash(tone - 1.5 * distance[crop, crop] / np.sqrt(SIZE * SIZE / count) + 0.4 * spectral_noise(rng, 0.9))


def _print(rng: np.random.Generator) -> Array:
    """Lines of word-like blocks and a few pictures: pages, labels, signs."""
    picture = np.full((SIZE, SIZE), 1.5, np.float32)
    line = int(rng.choice([12, 20, 40]))
    for top in range(line, SIZE - line, line):
        x = int(rng.integers(8, 40))
        while x < SIZE - 40:
            word = int(rng.integers(line // 2, line * 4))
            cv2.rectangle(
                picture, (x, top), (min(x + word, SIZE - 20), top + line // 2), float(rng.normal() * 0.5 - 1), -1
            )
            x += word + line // 3
    for _ in range(int(rng.integers(0, 5))):
        x, y, w, h = rng.integers(0, SIZE * 3 // 4), rng.integers(0, SIZE * 3 // 4), *rng.integers(60, 220, 2)
        patch = spectral_noise(rng, 1.5)[: min(h, SIZE - y), : min(w, SIZE - x)]
        picture[y : y + h, x : x + w] = patch + rng.normal()
    return _squash(picture)


def _weave(rng: np.random.Generator) -> Array:
    count = int(rng.choice([32, 64]))
    t = np.arange(SIZE) * (2 * np.pi * count / SIZE)
    weave = np.sin(t)[:, None] * np.sin(t)[None, :] + 0.4 * np.sin(t / 8)[:, None]
    return _squash(weave * rng.uniform(0.4, 1.2) + 0.4 * spectral_noise(rng, 1.0))


def _spots(rng: np.random.Generator) -> Array:
    noise = spectral_noise(rng, rng.uniform(1.6, 2.6))
    fur = spectral_noise(rng, 1.0, (1.0, rng.uniform(1, 6)))
    return _squash(np.tanh(noise * rng.uniform(2, 6)) * 1.4 + 0.4 * fur)


_MAKERS: tuple[tuple[Callable[[np.random.Generator], Array], int], ...] = (
    (_noise, 8), (_streaks, 3), (_marble, 3), (_wood, 3), (_planks, 3), (_bricks, 3), (_tiles, 3), (_checker, 1),
    (_stripes, 3), (_windows, 4), (_leaves, 4), (_foliage, 5), (_pebbles, 4), (_print, 3), (_weave, 2), (_spots, 3),
)  # fmt: skip


_number = 0


def use_bank(number: int) -> None:
    """Let this process draw from another bank: the same kinds of textures, drawn anew. Held-out scenes use bank 0."""
    global _number
    _number = number


def texture_bank() -> dict[str, tuple[Texture, ...]]:
    """All textures of the bank in use by name: the same in every process. Takes a few seconds the first time."""
    return _make_bank(_number)


@lru_cache(maxsize=16)
def _make_bank(number: int) -> dict[str, tuple[Texture, ...]]:
    bank: dict[str, tuple[Texture, ...]] = {}
    for index, (maker, count) in enumerate(_MAKERS):
        name = maker.__name__.strip("_")
        rng = np.random.default_rng((_BANK_SEED, index, number) if number else (_BANK_SEED, index))
        bank[name] = tuple(make_texture(name, maker(rng)) for _ in range(count))
    return bank
