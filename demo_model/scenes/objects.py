"""Things made of several solids. Each stands on its own origin, z up, in metres, and is put in place by ``build.place``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo_model.scenes.build import place, random_turn, rod, solid, turn, upright, vector
from demo_model.scenes.masks import mask_bank
from demo_model.scenes.materials import Material, make_material
from demo_model.scenes.primitives import Solid

Array = np.ndarray
Maker = Callable[[np.random.Generator], list[Solid]]


def pick_mask(rng: np.random.Generator, *names: str) -> Array:
    """One outline of the named kinds."""
    masks = mask_bank()[names[int(rng.integers(len(names)))]]
    return masks[int(rng.integers(len(masks)))]


def crate(rng: np.random.Generator) -> list[Solid]:
    half = np.exp(rng.normal(np.log(0.35), 0.5, 3))
    return [solid("box", (0, 0, half[2]), half, make_material(rng))]


def ball(rng: np.random.Generator) -> list[Solid]:
    half = np.full(3, np.exp(rng.normal(np.log(0.3), 0.4)))
    if rng.random() < 0.5:
        half = half * np.exp(rng.normal(0, 0.3, 3))
    return [solid("sphere", (0, 0, half[2]), half, make_material(rng), None)]


def drum(rng: np.random.Generator) -> list[Solid]:
    radius, height = np.exp(rng.normal(np.log((0.25, 0.4)), 0.5))
    taper = float(rng.choice([1.0, rng.uniform(0.0, 1.4)]))
    return [solid("frustum", (0, 0, height), (radius, radius, height), make_material(rng), taper=taper)]


def lump(rng: np.random.Generator) -> list[Solid]:
    """A rock or a cushion: a few ellipsoids grown together."""
    look = make_material(rng, colours=("stone", "grey", "earth", "cloth"))
    parts = []
    for _ in range(int(rng.integers(2, 6))):
        half = np.exp(rng.normal(np.log(0.3), 0.3, 3))
        at = rng.normal(size=3) * 0.25 + (0, 0, 0.2)
        parts.append(solid("sphere", at, half, look, random_turn(rng)))
    return parts


def vessel(rng: np.random.Generator) -> list[Solid]:
    """A bottle, vase, cup or lamp: frusta on top of one another."""
    look = make_material(rng, period=(0.2, 1.0))
    radius, z, parts = float(rng.uniform(0.08, 0.25)), 0.0, []
    for _ in range(int(rng.integers(1, 5))):
        height, taper = float(rng.uniform(0.04, 0.3)), float(rng.uniform(0.45, 1.7))
        if rng.random() < 0.3:
            look = make_material(rng, period=(0.2, 1.0))
        parts.append(solid("frustum", (0, 0, z + height / 2), (radius, radius, height / 2), look, taper=taper))
        radius, z = float(np.clip(radius * taper, 0.02, 0.4)), z + height
    if rng.random() < 0.4:
        parts.append(solid("sphere", (0, 0, z), (radius, radius, radius), look))
    if rng.random() < 0.4:  # a handle
        side = vector(0.2 + rng.uniform(0.0, 0.1), 0, z * 0.5)
        parts.append(rod(vector(0.05, 0, z * 0.8), side + vector(0, 0, z * 0.2), 0.02, look))
        parts.append(rod(side + vector(0, 0, z * 0.2), vector(0.05, 0, z * 0.2), 0.02, look))
    return parts


def dish(rng: np.random.Generator) -> list[Solid]:
    """A cup on a saucer, or a plate with things on it."""
    look = make_material(rng, colours=("white", "cloth", "grey"), contrast=(0.0, 0.2))
    radius = float(rng.uniform(0.2, 0.35))
    parts = [solid("frustum", (0, 0, 0.015), (radius * 0.6, radius * 0.6, 0.015), look, taper=1 / 0.6)]
    cup, height = radius * float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.1, 0.25))
    parts.append(
        solid("frustum", (0, 0, 0.03 + height / 2), (cup, cup, height / 2), look, taper=float(rng.uniform(1, 1.5)))
    )
    filling = make_material(rng, colours=("earth", "dark", "cloth"), contrast=(0.05, 0.4))
    top = cup * 0.95
    parts.append(solid("frustum", (0, 0, 0.032 + height), (top, top, 0.004), filling))
    parts.append(rod(vector(radius * 0.5, -radius * 0.7, 0.05), vector(radius * 0.7, radius * 0.6, 0.05), 0.012, look))
    return parts


def books(rng: np.random.Generator) -> list[Solid]:
    parts, z = [], 0.0
    for _ in range(int(rng.integers(1, 7))):
        half = vector(rng.uniform(0.1, 0.16), rng.uniform(0.14, 0.22), rng.uniform(0.01, 0.035))
        look = make_material(rng, textures=("print", "noise", "stripes"), period=(0.3, 0.8))
        parts.append(
            solid("box", (rng.normal() * 0.02, rng.normal() * 0.02, z + half[2]), half, look, turn(rng.normal() * 0.3))
        )
        z += 2 * float(half[2])
    return parts


def table(rng: np.random.Generator) -> list[Solid]:
    look = make_material(rng, colours=("wood", "white", "grey", "dark"))
    half, height = vector(rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.6), 0.03), float(rng.uniform(0.4, 0.8))
    parts = [solid("box", (0, 0, height), half, look)]
    for x in (-0.9, 0.9):
        for y in (-0.9, 0.9):
            leg = vector(x * half[0], y * half[1], 0)
            parts.append(solid("box", leg + vector(0, 0, height / 2), (0.03, 0.03, height / 2), look))
    for _ in range(int(rng.integers(0, 5))):
        small = SMALL[int(rng.integers(len(SMALL)))](rng)
        at = vector(rng.uniform(-0.8, 0.8) * half[0], rng.uniform(-0.8, 0.8) * half[1], height + 0.03)
        parts += place(small, at, rng.uniform(0, 6.3), float(rng.uniform(0.4, 0.9)))
    return parts


def chair(rng: np.random.Generator) -> list[Solid]:
    look, seat = make_material(rng, colours=("wood", "dark", "grey")), make_material(rng)
    height, half = float(rng.uniform(0.4, 0.5)), float(rng.uniform(0.2, 0.3))
    parts = [solid("box", (0, 0, height), (half, half, 0.04), seat)]
    parts.append(solid("box", (0, half, height + 0.3), (half, 0.03, rng.uniform(0.1, 0.3)), seat))
    for x in (-0.9, 0.9):
        for y in (-0.9, 0.9):
            top = height + (0.4 if y > 0 else 0)
            parts.append(rod(vector(x * half, y * half, 0), vector(x * half, y * half, top), 0.025, look))
    return parts


def sofa(rng: np.random.Generator) -> list[Solid]:
    look = make_material(rng, colours=("cloth", "grey", "earth"), textures=("noise", "weave", "stripes", "spots"))
    width = float(rng.uniform(0.5, 1.1))
    parts = [
        solid("box", (0, 0, 0.22), (width, 0.4, 0.22), look),
        solid("box", (0, 0.38, 0.5), (width, 0.12, 0.4), look),
    ]
    for x in (-width, width):
        parts.append(solid("box", (x, 0, 0.32), (0.1, 0.42, 0.32), look))
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(-width, width) * 0.7, 0.1, 0.6)
        parts.append(
            solid("sphere", at, (0.22, 0.1, 0.2), make_material(rng, period=(0.2, 0.6)), turn(rng.normal() * 0.3))
        )
    return parts


def shelf(rng: np.random.Generator) -> list[Solid]:
    look = make_material(rng, colours=("wood", "white", "dark", "grey"), textures=("noise", "wood", "streaks"))
    width, height, deep = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.8, 2.0)), 0.16
    boards = int(rng.integers(3, 6))
    parts = [solid("box", (x, 0, height / 2), (0.02, deep, height / 2), look) for x in (-width, width)]
    parts.append(solid("box", (0, deep, height / 2), (width, 0.01, height / 2), look))
    for board in range(boards):
        z = height * board / (boards - 1)
        parts.append(solid("box", (0, 0, z), (width, deep, 0.015), look))
        x = -width + 0.06
        while x < width - 0.1 and board < boards - 1 and rng.random() < 0.9:
            half = vector(rng.uniform(0.02, 0.09), rng.uniform(0.08, 0.14), rng.uniform(0.3, 0.9) * height / boards / 2)
            kind = "box" if rng.random() < 0.75 else "frustum"
            parts.append(
                solid(kind, (x + half[0], rng.uniform(-0.04, 0.04), z + half[2] + 0.015), half, make_material(rng))
            )
            x += 2 * float(half[0]) + max(0.0, float(rng.normal()) * 0.08)
    return parts


def _face(
    rng: np.random.Generator, head: Array, half: tuple[float, float, float], skin: Material, eye: float
) -> list[Solid]:
    """Eyes, brows or ears, a nose and a mouth on an ellipsoid that looks along -y."""
    white = make_material(rng, colours=("white", "earth", "green", "blue"), textures=("noise",), contrast=(0.0, 0.2))
    dark = make_material(rng, colours=("dark",), textures=("noise",), contrast=(0.0, 0.2))
    lips = make_material(rng, colours=("skin", "earth", "dark", "vivid"), textures=("noise",), contrast=(0.0, 0.3))
    x, y, z = half
    parts = [
        solid("sphere", head + vector(0, -y, -0.1 * z), (0.17 * x, 0.2 * y, 0.22 * z), skin),
        solid("sphere", head + vector(0, -0.88 * y, -0.45 * z), (0.3 * x, 0.1 * y, 0.07 * z), lips),
    ]
    for side in (-1, 1):
        at = head + vector(side * 0.42 * x, -0.86 * y, 0.18 * z)
        parts.append(solid("sphere", at, (1.5 * eye, eye, eye), white))
        parts.append(solid("sphere", at - vector(0, 0.6 * eye, 0), (0.7 * eye, 0.6 * eye, 0.8 * eye), dark))
        parts.append(solid("sphere", at + vector(0, 0, 2.2 * eye), (2 * eye, 0.7 * eye, 0.4 * eye), dark))
        parts.append(solid("sphere", head + vector(side * x, 0.1 * y, 0), (0.12 * x, 0.25 * y, 0.25 * z), skin))
    return parts


def person(rng: np.random.Generator) -> list[Solid]:
    """A figure of ellipsoids and tapered limbs, about 1.7 m tall."""
    skin = make_material(rng, colours=("skin",), textures=("noise",), contrast=(0.05, 0.25), period=(0.2, 0.6))
    top = make_material(rng, colours=("cloth", "grey", "dark", "white", "vivid"), period=(0.3, 1.2))
    legs = make_material(rng, colours=("cloth", "grey", "dark", "blue"), textures=("noise", "weave"), period=(0.3, 1.0))
    hair = make_material(rng, colours=("dark", "earth", "grey"), textures=("streaks", "noise"), period=(0.2, 0.5))
    hip, shoulder, wide = 0.9, 1.42, float(rng.uniform(0.17, 0.24))
    parts = [
        solid("sphere", (0, 0, 1.6), (0.085, 0.1, 0.125), skin),
        solid("sphere", (0, 0.03, 1.64), (0.1, 0.105, 0.11), hair),
        rod(vector(0, 0, 1.4), vector(0, 0, 1.54), 0.055, skin),
        solid("sphere", (0, 0, 1.22), (wide, 0.13, 0.27), top),
        solid("sphere", (0, 0, 0.98), (wide * 0.85, 0.12, 0.18), legs),
    ]
    parts += _face(rng, vector(0, 0, 1.6), (0.085, 0.1, 0.125), skin, eye=0.013)
    if rng.random() < 0.3:
        parts.append(solid("sphere", (0, 0.08, 1.5), (0.16, 0.1, 0.28), hair))
    for side in (-1, 1):
        foot = vector(side * rng.uniform(0.05, 0.2), rng.normal() * 0.15, 0)
        parts.append(rod(foot, vector(side * 0.09, 0, hip), 0.06, legs, 1.4))
        elbow = vector(side * (wide + rng.uniform(0.02, 0.2)), rng.normal() * 0.12, shoulder - 0.25)
        hand = elbow + vector(-side * rng.uniform(-0.1, 0.2), -rng.uniform(0, 0.25), rng.uniform(-0.25, 0.15))
        parts.append(rod(vector(side * wide, 0, shoulder), elbow, 0.055, top))
        parts.append(rod(elbow, hand, 0.045, skin if rng.random() < 0.4 else top, 0.8))
        parts.append(solid("sphere", hand, (0.045, 0.045, 0.06), skin))
    return parts


def animal(rng: np.random.Generator) -> list[Solid]:
    """A four-legged body with a head, ears and a tail."""
    fur = make_material(
        rng, colours=("earth", "grey", "white", "dark", "skin"), textures=("spots", "streaks", "noise"), period=(0.3, 1)
    )
    length, body, leg = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.12, 0.22)), float(rng.uniform(0.15, 0.5))
    z = leg + body * 0.7
    head, ear = vector(0, -length - 0.12, z + rng.uniform(0.0, 0.3)), float(rng.uniform(0.05, 0.16))
    parts = [
        solid("sphere", (0, 0, z), (body, length, body), fur),
        solid("sphere", head, (0.11, 0.13, 0.11), fur),
        solid("sphere", head + vector(0, -0.1, -0.03), (0.055, 0.08, 0.05), fur),
        *_face(rng, head, (0.11, 0.13, 0.11), fur, eye=0.02),
        rod(vector(0, -length * 0.6, z), head, 0.1, fur),
        rod(
            vector(0, length * 0.9, z), vector(rng.normal() * 0.1, length + 0.3, z + rng.normal() * 0.2), 0.03, fur, 0.5
        ),
    ]
    for side in (-1, 1):
        parts.append(solid("frustum", head + vector(side * 0.07, 0, 0.1), (0.045, 0.025, ear), fur, taper=0.1))
        for y in (-0.7, 0.7):
            parts.append(
                rod(vector(side * body * 0.6, y * length, 0), vector(side * body * 0.6, y * length, z), 0.05, fur, 1.4)
            )
    return parts


def tree(rng: np.random.Generator) -> list[Solid]:
    bark = make_material(rng, colours=("earth", "grey", "dark"), textures=("streaks", "wood", "noise"), period=(0.5, 2))
    height, crown = float(rng.uniform(1.0, 3.5)), float(rng.uniform(0.7, 2.0))
    parts = [
        rod(
            vector(0, 0, 0),
            vector(rng.normal() * 0.2, rng.normal() * 0.2, height + crown * 0.5),
            crown * 0.1,
            bark,
            0.5,
        )
    ]
    leaf = make_material(rng, colours=("green", "green", "earth"), textures=("foliage", "noise"), period=(0.8, 3))
    style = rng.random()
    if style < 0.25:  # a fir
        for layer in range(3):
            z, size = height * 0.5 + layer * crown * 0.6, crown * (1 - 0.25 * layer) * 0.8
            parts.append(solid("frustum", (0, 0, z + crown * 0.4), (size, size, crown * 0.45), leaf, taper=0.05))
        return parts
    if style < 0.35:  # bare
        size = height + crown
        for yaw in rng.uniform(0, np.pi, 2):
            parts.append(
                upright((0, 0, height + size * 0.4), size * 0.5, size * 0.5, yaw, bark, pick_mask(rng, "branches"))
            )
        return parts
    for _ in range(int(rng.integers(2, 5))):
        size = crown * rng.uniform(0.4, 0.75)
        at = vector(*(rng.normal(size=3) * crown * 0.4)) + vector(0, 0, height + crown * 0.6)
        parts.append(solid("sphere", at, vector(size, size, size * rng.uniform(0.6, 1.1)), leaf, random_turn(rng)))
    for _ in range(int(rng.integers(3, 8))):  # ragged edges
        at = rng.normal(size=3) * crown * 0.5 + (0, 0, height + crown * 0.6)
        size = crown * rng.uniform(0.5, 0.9)
        parts.append(upright(tuple(at), size, size, rng.uniform(0, 6.3), leaf, pick_mask(rng, "thicket")))
    return parts


def bush(rng: np.random.Generator) -> list[Solid]:
    leaf = make_material(
        rng, colours=("green", "green", "earth", "vivid"), textures=("foliage", "noise"), period=(0.5, 2)
    )
    size = float(rng.uniform(0.3, 0.9))
    parts = [solid("sphere", (0, 0, size * 0.5), (size * 0.7, size * 0.7, size * 0.6), leaf)]
    for _ in range(int(rng.integers(2, 6))):
        at = (*(rng.normal(size=2) * size * 0.4), size * 0.6)
        half = size * rng.uniform(0.5, 1.0)
        mask = pick_mask(rng, "thicket", "undergrowth")
        parts.append(upright(at, half, half * 0.7, rng.uniform(0, 6.3), leaf, mask))
    return parts


def plant(rng: np.random.Generator) -> list[Solid]:
    """A flower or a leafy plant, perhaps in a pot."""
    parts, base = [], 0.0
    if rng.random() < 0.5:
        base = float(rng.uniform(0.15, 0.3))
        pot = make_material(rng, colours=("earth", "white", "cloth"))
        parts.append(solid("frustum", (0, 0, base / 2), (base * 0.4, base * 0.4, base / 2), pot, taper=1.4))
    green = make_material(rng, colours=("green",), textures=("noise", "streaks"), period=(0.2, 0.6))
    bloom = make_material(rng, colours=("vivid", "white", "cloth"), textures=("noise", "streaks"), period=(0.2, 0.5))
    for _ in range(int(rng.integers(3, 12))):
        tip = vector(*(rng.normal(size=2) * 0.18), base + rng.uniform(0.15, 0.6))
        parts.append(rod(vector(0, 0, base), tip, 0.008, green))
        size = float(rng.uniform(0.06, 0.18))
        flower = rng.random() < 0.4
        mask = pick_mask(rng, "flower") if flower else pick_mask(rng, "leaf", "blob")
        look = bloom if flower else green
        parts.append(solid("quad", tip, (size, size, size), look, random_turn(rng), mask=mask))
        if flower:
            parts.append(solid("sphere", tip, np.full(3, size * 0.22), make_material(rng, colours=("vivid", "earth"))))
    return parts


def house(rng: np.random.Generator) -> list[Solid]:
    wall = make_material(
        rng, textures=("windows", "windows", "bricks", "noise"), period=(5.0, 14.0), contrast=(0.3, 0.9)
    )
    half = vector(rng.uniform(2, 7), rng.uniform(2, 6), rng.uniform(2, 9))
    parts = [solid("box", (0, 0, half[2]), half, wall)]
    if rng.random() < 0.5 and half[2] < 5:  # a tent roof
        roof = make_material(
            rng, colours=("earth", "grey", "dark"), textures=("tiles", "bricks", "streaks"), period=(1, 3)
        )
        tilt, top = float(rng.uniform(0.4, 0.9)), float(2 * half[2])
        slope = float(half[0]) / np.cos(tilt) * 1.1
        rise = float(half[0]) * np.tan(tilt) / 2
        for side in (-1, 1):
            at = (side * half[0] / 2, 0, top + rise)
            parts.append(solid("box", at, (slope / 2, half[1] * 1.1, 0.08), roof, turn(0, 0, side * tilt)))
    return parts


def vehicle(rng: np.random.Generator) -> list[Solid]:
    """A car or a van: body, cabin, four wheels."""
    paint = make_material(
        rng, colours=("grey", "white", "dark", "vivid", "blue"), textures=("noise",), contrast=(0.02, 0.2)
    )
    glass = make_material(rng, colours=("dark", "blue"), textures=("noise", "leaves"), contrast=(0.1, 0.6))
    rubber = make_material(rng, colours=("dark",), textures=("noise",))
    length, tall = float(rng.uniform(1.7, 2.4)), float(rng.uniform(0.28, 0.6))
    parts = [
        solid("box", (0, 0, 0.35 + tall), (0.85, length, tall), paint),
        solid("box", (0, length * rng.uniform(-0.1, 0.3), 0.35 + 2 * tall + 0.25), (0.75, length * 0.55, 0.28), glass),
        solid("box", (0, length * 0.1, 0.35 + 2 * tall + 0.54), (0.74, length * 0.5, 0.03), paint),
    ]
    for x in (-0.8, 0.8):
        for y in (-0.6, 0.6):
            parts.append(rod(vector(x - 0.1, y * length, 0.33), vector(x + 0.1, y * length, 0.33), 0.33, rubber))
    return parts


def cycle(rng: np.random.Generator) -> list[Solid]:
    """A bicycle or a motorcycle: two spoked wheels, rods and a few lumps between them."""
    metal = make_material(rng, colours=("dark", "grey", "vivid"), textures=("noise",))
    rubber = make_material(rng, colours=("dark", "grey"), textures=("noise",))
    radius, base = float(rng.uniform(0.28, 0.36)), float(rng.uniform(0.5, 0.7))
    parts = []
    for x in (-base, base):
        mask = pick_mask(rng, "wheel")
        for y in (-0.03, 0.03):
            parts.append(upright((x, y, radius), radius, radius, rng.normal() * 0.1, rubber, mask))
    joints = [
        vector(-base, 0, radius),
        vector(base, 0, radius),
        vector(-base * 0.3, 0, 0.8),
        vector(base * 0.7, 0, 0.95),
    ]
    joints.append(vector(0, 0, radius))
    for start, end in ((0, 2), (2, 3), (3, 1), (2, 4), (4, 3), (0, 4)):
        parts.append(rod(joints[start], joints[end], float(rng.uniform(0.015, 0.04)), metal))
    parts.append(rod(joints[3] + vector(0, -0.3, 0.1), joints[3] + vector(0, 0.3, 0.1), 0.015, metal))
    parts.append(solid("sphere", joints[2] + vector(0, 0, 0.06), (0.22, 0.1, 0.06), make_material(rng)))
    for _ in range(int(rng.integers(0, 9))):  # engine, tank, bags
        at = (rng.uniform(-0.5, 0.5) * base, rng.normal() * 0.05, rng.uniform(0.3, 0.85))
        kind = ("box", "sphere", "frustum")[int(rng.integers(3))]
        parts.append(
            solid(
                kind,
                at,
                rng.uniform(0.05, 0.2, 3) * (1.2, 0.7, 0.8),
                make_material(rng),
                turn(0, 0, rng.normal() * 0.5),
            )
        )
    return parts


def pole(rng: np.random.Generator) -> list[Solid]:
    look = make_material(rng, colours=("grey", "dark", "wood", "white"))
    height, radius = float(rng.uniform(1.5, 6)), float(rng.uniform(0.02, 0.12))
    parts = [rod(vector(0, 0, 0), vector(0, 0, height), radius, look, 0.8)]
    if rng.random() < 0.5:
        size = float(rng.uniform(0.15, 0.5))
        sign = make_material(rng, textures=("print", "noise", "stripes"), period=(0.5, 2))
        parts.append(solid("box", (0, -radius - 0.02, height), (size, 0.015, size * rng.uniform(0.5, 1.5)), sign))
    return parts


def fence(rng: np.random.Generator) -> list[Solid]:
    look = make_material(rng, colours=("wood", "grey", "dark", "white"), textures=("noise", "wood"))
    width, height = float(rng.uniform(1.0, 4.0)), float(rng.uniform(0.3, 0.8))
    return [upright((0, 0, height), width, height, 0.0, look, pick_mask(rng, "bars"))]


def tower(rng: np.random.Generator) -> list[Solid]:
    """Tall and slender: a rocket, a chimney, a mast with its frame."""
    look, height = make_material(rng, colours=("white", "grey", "stone"), period=(2, 8)), float(rng.uniform(8, 25))
    radius = height * float(rng.uniform(0.03, 0.08))
    parts = [solid("frustum", (0, 0, height / 2), (radius, radius, height / 2), look)]
    parts.append(solid("frustum", (0, 0, height * 1.06), (radius, radius, height * 0.06), look, taper=0.1))
    if rng.random() < 0.6:
        steel = make_material(rng, colours=("dark", "grey", "earth"), textures=("noise",))
        side = upright(
            (radius * 2.5, 0, height * 0.5),
            radius * 1.2,
            height * 0.55,
            rng.normal() * 0.3,
            steel,
            pick_mask(rng, "bars"),
        )
        parts.append(side)
        parts.append(rod(vector(radius * 6, 0, 0), vector(radius * 6, 0, height * 1.2), radius * 0.1, steel))
    return parts


def machine(rng: np.random.Generator) -> list[Solid]:
    """Clutter that hangs together: boxes, pipes and knobs at odd angles."""
    looks: list[Material] = [make_material(rng) for _ in range(3)]
    parts = []
    for _ in range(int(rng.integers(4, 14))):
        look = looks[int(rng.integers(3))]
        at = rng.normal(size=3) * 0.3 + (0, 0, 0.5)
        draw = rng.random()
        if draw < 0.4:
            parts.append(rod(at, at + rng.normal(size=3) * 0.4, float(rng.uniform(0.01, 0.08)), look))
        else:
            kind = "box" if draw < 0.7 else "sphere" if draw < 0.85 else "frustum"
            parts.append(solid(kind, at, np.exp(rng.normal(np.log(0.14), 0.5, 3)), look, random_turn(rng)))
    return parts


SMALL: tuple[Maker, ...] = (vessel, vessel, dish, books, ball, crate, drum, plant, machine, lump)
FURNITURE: tuple[Maker, ...] = (table, table, chair, chair, sofa, shelf, plant, person, animal, crate, machine, cycle)
STREET: tuple[Maker, ...] = (
    tree,
    tree,
    bush,
    bush,
    person,
    person,
    pole,
    vehicle,
    vehicle,
    fence,
    crate,
    lump,
    cycle,
    animal,
)
ANYTHING: tuple[Maker, ...] = (*SMALL, *FURNITURE, *STREET)
