"""Skies, suns and lamps as they are found outdoors and indoors."""

from __future__ import annotations

import numpy as np

from demo_model.scenes.materials import hsv_to_linear
from demo_model.scenes.scene import Air, Light
from demo_model.scenes.textures import texture_bank

Array = np.ndarray


def _clouds(rng: np.random.Generator):  # type: ignore[no-untyped-def]
    bank = texture_bank()["noise"]
    return bank[int(rng.integers(len(bank)))]


def outdoors(rng: np.random.Generator) -> tuple[Light, Air]:
    """Clear noon to overcast, low sun to dusk."""
    elevation, azimuth = rng.uniform(0.15, 1.4), rng.uniform(0, 2 * np.pi)
    towards = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    overcast = rng.random() < 0.35
    warmth = np.clip(1.2 - elevation, 0, 1)
    sun = np.array([1.0, 0.95 - 0.25 * warmth, 0.88 - 0.5 * warmth])
    strength = rng.uniform(0.05, 0.3) if overcast else rng.uniform(0.7, 1.6)
    surround = rng.uniform(0.35, 0.7) if overcast else rng.uniform(0.12, 0.35)
    style = rng.random()
    if overcast or style < 0.2:
        horizon = hsv_to_linear(0.58, rng.uniform(0, 0.12), rng.uniform(0.6, 0.98))
        zenith = horizon * rng.uniform(0.6, 1.0)
    elif style < 0.85:
        zenith = hsv_to_linear(rng.uniform(0.55, 0.64), rng.uniform(0.35, 0.85), rng.uniform(0.4, 0.9))
        horizon = 0.3 * zenith + 0.7 * hsv_to_linear(rng.uniform(0.52, 0.6), rng.uniform(0, 0.3), rng.uniform(0.75, 1))
    else:  # dusk
        zenith = hsv_to_linear(rng.uniform(0.6, 0.75), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.5))
        horizon = hsv_to_linear(rng.uniform(0.0, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.5, 0.95))
    tint = 0.6 + 0.4 * zenith / max(zenith.max(), 1e-3)
    light = Light(
        towards=towards.astype(np.float32),
        colour=(sun * strength).astype(np.float32),
        softness=float(rng.choice([0.01, 0.02, 0.15, 0.35])) if not overcast else 0.4,
        ambient=(tint * surround * 0.5).astype(np.float32),
        from_above=(tint * surround).astype(np.float32),
    )
    hazy = rng.random()
    haze = 0.0 if hazy < 0.4 else float(np.exp(rng.uniform(np.log(0.001), np.log(0.03 if hazy < 0.93 else 0.12))))
    clouds = float(rng.uniform(0.2, 0.7)) if rng.random() < 0.6 else 0.0
    return light, Air(horizon, zenith, _clouds(rng), clouds, haze, horizon * rng.uniform(0.7, 1.0))


def indoors(rng: np.random.Generator, lamp_at: Array | None = None) -> tuple[Light, Air]:
    """A lamp at ``lamp_at``, or light that falls in from a side; no haze, and a dull surround for reflections."""
    colour = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.5, 1.0)])
    surround = float(rng.uniform(0.1, 0.5))
    if lamp_at is not None and rng.random() < 0.6:
        towards, is_lamp, strength = np.asarray(lamp_at), True, rng.uniform(0.3, 1.1)
    else:
        direction = np.array([rng.normal(), rng.normal(), rng.uniform(0.3, 1.5)])
        towards, is_lamp, strength = direction / np.linalg.norm(direction), False, rng.uniform(0.2, 1.2)
    light = Light(
        towards=towards.astype(np.float32),
        colour=(colour * strength).astype(np.float32),
        softness=float(rng.choice([0.02, 0.08, 0.25, 0.4])),
        ambient=(colour**0.5 * surround).astype(np.float32),
        from_above=(colour**0.5 * surround * rng.uniform(0, 0.6)).astype(np.float32),
        is_lamp=is_lamp,
    )
    dull = hsv_to_linear(float(rng.random()), float(rng.uniform(0, 0.3)), float(rng.uniform(0.1, 0.9)))
    return light, Air(dull, dull * rng.uniform(0.5, 1.2), _clouds(rng), 0.0, 0.0, dull)
