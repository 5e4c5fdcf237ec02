"""Looks: a grey texture, a palette that gives it colour, and how it shines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo_model.scenes.textures import Texture, texture_bank

Array = np.ndarray

# Hue (turns), saturation and value of colours that surfaces in photographs tend to have, with how often.
_FAMILIES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "grey": ((0.0, 1.0), (0.0, 0.12), (0.08, 0.9)),
    "earth": ((0.04, 0.12), (0.2, 0.65), (0.12, 0.65)),
    "wood": ((0.05, 0.11), (0.35, 0.75), (0.2, 0.75)),
    "green": ((0.17, 0.38), (0.25, 0.75), (0.08, 0.5)),
    "stone": ((0.06, 0.16), (0.03, 0.25), (0.3, 0.85)),
    "skin": ((0.02, 0.09), (0.25, 0.6), (0.35, 0.95)),
    "cloth": ((0.0, 1.0), (0.2, 0.85), (0.1, 0.7)),
    "vivid": ((0.0, 1.0), (0.7, 1.0), (0.4, 0.95)),
    "white": ((0.0, 1.0), (0.0, 0.08), (0.7, 0.98)),
    "dark": ((0.0, 1.0), (0.0, 0.4), (0.02, 0.15)),
    "blue": ((0.52, 0.66), (0.2, 0.7), (0.2, 0.8)),
}
_USUAL = ("grey", "earth", "wood", "green", "stone", "skin", "cloth", "vivid", "white", "dark", "blue")
_USUAL_ODDS = np.array([3, 2.5, 2, 1.5, 2.5, 1, 3, 1, 2, 2, 1])


@dataclass(frozen=True)
class Material:
    """A surface's look.

    Attributes:
        palette_c3: (256, 3) linear RGB, from the texture's dark to its light.
        texture: its grey pattern.
        period: metres a texture period spans.
        dirt: a second, larger pattern that darkens and lightens; ``dirt_amount`` of it.
        gloss: strength of the highlight, 0 to 1; ``shine`` its exponent.
        glow: light it gives off by itself, as a share of its colour.
        offset: where in the texture it starts, and ``turned`` whether u and v change places.
    """

    palette_c3: Array
    texture: Texture
    period: float
    dirt: Texture
    dirt_amount: float
    gloss: float
    shine: float
    glow: float
    offset: tuple[float, float]
    turned: bool

    def colours(self, u_n: Array, v_n: Array, footprint_n: Array) -> Array:
        """(3, N) linear RGB at surface coordinates in metres; ``footprint`` is the metres a pixel covers."""
        if self.turned:
            u_n, v_n = v_n, u_n
        scale = np.float32(1 / self.period)
        u, v, footprint = u_n * scale + self.offset[0], v_n * scale + self.offset[1], footprint_n * scale
        grey = self.texture.sample(u, v, footprint)
        colour = self.palette_c3[(grey * 255).astype(np.uint8)].T
        if self.dirt_amount:
            patches = self.dirt.sample(u * 0.23 + 0.4, v * 0.23, footprint * 0.23)
            colour = colour * (1 + self.dirt_amount * (patches - 0.5))
        return colour


def hsv_to_linear(hue: float, saturation: float, value: float) -> Array:
    """(3,) linear RGB of a colour given in turns and [0, 1]."""
    k = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    srgb = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return srgb**2.2


def pick_colour(rng: np.random.Generator, families: tuple[str, ...] | None = None) -> Array:
    """(3,) linear RGB, from the named colour families or from the usual mix."""
    if families is None:
        family = str(rng.choice(_USUAL, p=_USUAL_ODDS / _USUAL_ODDS.sum()))
    else:
        family = families[int(rng.integers(len(families)))]
    hue, saturation, value = (rng.uniform(*limits) for limits in _FAMILIES[family])
    return hsv_to_linear(hue % 1.0, saturation, value)


def make_palette(rng: np.random.Generator, families: tuple[str, ...] | None, contrast: float) -> Array:
    """(256, 3) linear RGB: a ramp around one colour, and now and then towards a second one."""
    base = pick_colour(rng, families)
    dark, light = base * (1 - 0.85 * contrast), np.clip(base * (1 + 1.2 * contrast), 0, 1)
    if rng.random() < 0.35:
        second = pick_colour(rng, families if rng.random() < 0.6 else None)
        light = light + (second - light) * min(1.0, 1.5 * contrast)
    tint = 1 + rng.normal(size=3) * 0.08 * contrast
    ramp = np.linspace(0, 1, 256)[:, None]
    middle = base * tint
    palette = np.where(ramp < 0.5, dark + (middle - dark) * ramp * 2, middle + (light - middle) * (ramp * 2 - 1))
    return np.clip(palette, 0.003, 1).astype(np.float32)


def make_material(
    rng: np.random.Generator,
    *,
    textures: tuple[str, ...] | None = None,
    colours: tuple[str, ...] | None = None,
    period: tuple[float, float] = (0.4, 3.0),
    contrast: tuple[float, float] = (0.1, 0.9),
    glow: float = 0.0,
) -> Material:
    """A random material; ``textures`` and ``colours`` narrow the choice, ``period`` in metres is drawn log-uniformly."""
    bank = texture_bank()
    if textures is None:
        textures = tuple(bank)
        if rng.random() < 0.45:  # most real surfaces are plainer than a random texture
            textures, contrast = ("noise",), (0.02, 0.3)
    family = bank[textures[int(rng.integers(len(textures)))]]
    dirt = bank["noise"]
    shiny = rng.random() < 0.3
    return Material(
        palette_c3=make_palette(rng, colours, float(rng.uniform(*contrast))),
        texture=family[int(rng.integers(len(family)))],
        period=float(np.exp(rng.uniform(*np.log(period)))),
        dirt=dirt[int(rng.integers(len(dirt)))],
        dirt_amount=float(rng.uniform(0, 0.8)) if rng.random() < 0.6 else 0.0,
        gloss=float(rng.uniform(0.15, 0.9)) if shiny else float(rng.uniform(0, 0.08)),
        shine=float(np.exp(rng.uniform(np.log(6), np.log(120)))),
        glow=glow,
        offset=(float(rng.random()), float(rng.random())),
        turned=bool(rng.random() < 0.5) and "bricks" not in textures and "windows" not in textures,
    )
