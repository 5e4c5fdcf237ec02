"""Near things put into any scene: walls beside the camera, what the picture's side cuts off, thin things, tall ones.

Most scenes of the other layouts show whole things on a ground, so that "lower is nearer" tells much. Here what is nearest
stands upright, comes in from the sides, or is a few pixels thin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from demo_model.scenes import closeup, indoor, objects, outdoor
from demo_model.scenes.build import place, random_turn, rod, solid, top_of, turn, upright, vector
from demo_model.scenes.materials import make_material
from demo_model.scenes.primitives import Solid
from demo_model.scenes.render import cast
from demo_model.scenes.scene import Scene

Array = np.ndarray
Size = tuple[int, int]
_ON_GROUND = (outdoor.field, outdoor.street, outdoor.field, outdoor.street, indoor.room, indoor.room, indoor.corridor)
_ANYWHERE = (*_ON_GROUND, closeup.table_top, closeup.portrait, closeup.detail, indoor.workshop, outdoor.facade)
_COARSE = 8
"""A scene's distances are looked up at every eighth pixel."""


def distances(scene: Scene) -> tuple[float, float]:
    """z-depth that a tenth and a half of the picture are nearer than, in metres."""
    height, width = scene.camera.size_hw
    small = replace(scene.camera, size_hw=(max(height // _COARSE, 1), max(width // _COARSE, 1)))
    z_hw, _, _ = cast(replace(scene, camera=small))
    seen = z_hw[np.isfinite(z_hw)]
    near, middle = np.quantile(seen, (0.1, 0.5)) if seen.size else (2.0, 8.0)
    return float(np.clip(near, 0.2, 20)), float(np.clip(middle, 0.4, 60))


def wall(rng: np.random.Generator, scene: Scene, near: float, middle: float) -> list[Solid]:
    """A wall or a fence at one side, from below the picture to its top or beyond, that runs away from the camera."""
    camera = scene.camera
    side = 1 if rng.random() < 0.5 else -1
    z = near * float(rng.uniform(0.5, 1.3))
    start = camera.point(side * float(rng.uniform(0.4, 1.1)), 0, z)
    heading = camera.yaw - side * float(rng.uniform(-0.1, 1.3))
    along = vector(np.sin(heading), np.cos(heading), 0)
    length, behind = z * float(np.exp(rng.uniform(np.log(0.7), np.log(8)))), 0.7 * z
    _, tall = camera.reach
    top = float(camera.position[2]) + z * tall * float(rng.uniform(-0.3, 3))
    bottom = float(camera.position[2]) - 3 * max(z * tall, 0.5)
    middle_of_it = start + along * (length - behind) / 2
    centre = vector(middle_of_it[0], middle_of_it[1], (top + bottom) / 2)
    half = ((length + behind) / 2, z * float(rng.uniform(0.02, 0.3)), (top - bottom) / 2)
    textures = ("bricks", "windows", "planks", "noise", "tiles", "streaks", "weave", "stripes")
    look = make_material(rng, textures=textures, period=(0.4 * z, 4 * z))
    yaw = np.pi / 2 - heading
    if rng.random() < 0.2:
        return [upright(tuple(centre), half[0], half[2], yaw, look, objects.pick_mask(rng, "bars"))]
    parts = [solid("box", centre, half, look, turn(yaw))]
    for _ in range(int(rng.integers(0, 5))):  # doors, boards, sills
        at = start + along * rng.uniform(0, 1) * length
        size = z * rng.uniform(0.1, 0.5, 3) * (1, 0.3, 1)
        spot = vector(at[0], at[1], camera.position[2] + z * tall * rng.uniform(-1, 1))
        parts.append(solid("box", spot, (size[0], half[1] + size[1] * 0.3, size[2]), make_material(rng), turn(yaw)))
    return parts


def cut_off(rng: np.random.Generator, scene: Scene, near: float, middle: float) -> list[Solid]:
    """One to four things nearer than all else that come in over the picture's sides, most from left, right and above."""
    camera = scene.camera
    solids: list[Solid] = []
    for _ in range(int(rng.integers(1, 5))):
        z = near * float(rng.uniform(0.25, 0.9))
        edge, on_it = float(rng.uniform(0.65, 1.2)), float(rng.uniform(-1, 1))
        side = int(np.searchsorted((0.4, 0.8, 0.95), rng.random(), side="right"))  # right, left, above, below
        x, y = ((edge, on_it), (-edge, on_it), (on_it, -edge), (on_it, edge))[side]
        at = camera.point(x, y, z)
        size = z * max(camera.reach) * float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))
        kind = rng.random()
        if kind < 0.35:
            form = ("box", "box", "sphere", "frustum")[int(rng.integers(4))]
            half = size * np.exp(rng.normal(0, 0.5, 3))
            rotation = turn(rng.uniform(0, 6.3)) if rng.random() < 0.5 else random_turn(rng)
            solids.append(solid(form, at, half, make_material(rng, period=(0.5 * size, 4 * size)), rotation))
        elif kind < 0.55:  # a post, a branch, an arm
            end_x, end_y = x * float(rng.uniform(-0.3, 1.1)), float(rng.uniform(-1.3, 1.3))
            end = camera.point(end_x, end_y, z * rng.uniform(0.9, 1.4))
            thick = size * float(rng.uniform(0.08, 0.4))
            solids.append(rod(at + (at - end) * 1.5, end, thick, make_material(rng), rng.uniform(0.5, 1)))
        elif kind < 0.8:
            mask = objects.pick_mask(rng, "leaf", "thicket", "branches", "blob", "undergrowth", "bars", "flower")
            look = make_material(rng, colours=("green", "earth", "dark", "cloth", "vivid", "grey"))
            half = 1.5 * size
            solids.append(solid("quad", at, (half, half, half), look, random_turn(rng), mask=mask))
        else:
            made = objects.ANYTHING[int(rng.integers(len(objects.ANYTHING)))](rng)
            extent = max(float(np.linalg.norm(part.centre)) + part.radius for part in made)
            scale = 2.5 * size / extent
            upright_one = turn(rng.uniform(0, 6.3), rng.normal() * 0.2, rng.normal() * 0.2)
            middle_of_it = upright_one @ vector(0, 0, extent / 2) * scale
            solids += place(made, at - middle_of_it, scale=scale, rotation=upright_one)
    return solids


def thin(rng: np.random.Generator, scene: Scene, near: float, middle: float) -> list[Solid]:
    """Rails, wires, frames, spokes and twigs of one to some pixels."""
    camera = scene.camera
    look = make_material(rng, textures=("noise", "streaks"), contrast=(0.02, 0.4))
    z = float(np.exp(rng.uniform(np.log(0.5 * near), np.log(max(middle, near)))))
    pixel = z / camera.pixels_per_tangent * max(camera.size_hw) / 256
    radius = pixel * float(np.exp(rng.uniform(np.log(0.6), np.log(4))))
    style = rng.random()
    slant, lean = rng.normal(size=2) * 0.25

    def point(x: float, y: float) -> Array:
        return camera.point(x, y, z * float(np.exp(np.clip(slant * x + lean * y, -1, 1))))

    if style < 0.35:  # rails or wires, all at about one slope
        slope, step = float(rng.normal() * 0.3), float(rng.uniform(0.1, 0.6))
        upright_ones = rng.random() < 0.5
        ends = []
        for at in np.arange(rng.uniform(-1.2, 0.2), rng.uniform(0.3, 1.3), step):
            start, end = (at, -1.2 if rng.random() < 0.5 else rng.uniform(-0.8, 0.5)), (at + slope, 1.3)
            ends.append((start, end) if upright_ones else ((-1.3, at), (1.3, at + slope)))
        return [rod(point(*start), point(*end), radius, look) for start, end in ends]
    if style < 0.7:  # a frame: corners joined
        middle_xy, size = rng.uniform(-0.6, 0.6, 2), float(rng.uniform(0.2, 0.9))
        corners = middle_xy + rng.uniform(-1, 1, (int(rng.integers(3, 8)), 2)) * size
        pairs = [(i, (i + step) % len(corners)) for i in range(len(corners)) for step in (1, 2) if rng.random() < 0.7]
        parts = [rod(point(*corners[a]), point(*corners[b]), radius, look) for a, b in pairs if a != b]
        for corner in corners:
            if rng.random() < 0.3:
                half = z * max(camera.reach) * size * float(rng.uniform(0.15, 0.5))
                wheel = objects.pick_mask(rng, "wheel")
                parts.append(upright(tuple(point(*corner)), half, half, camera.yaw + rng.normal() * 0.3, look, wheel))
        return parts
    parts = []  # twigs
    for _ in range(int(rng.integers(4, 20))):
        start = rng.uniform(-1.2, 1.2, 2)
        bend, end = start + rng.normal(size=2) * 0.3, start + rng.normal(size=2) * 0.6
        parts += [rod(point(*start), point(*bend), radius, look), rod(point(*bend), point(*end), radius * 0.7, look)]
    return parts


def standing(rng: np.random.Generator, scene: Scene, near: float, middle: float) -> list[Solid]:
    """One to three tall things on the ground (z = 0) not far away, whose tops are above the middle of the picture."""
    camera = scene.camera
    solids: list[Solid] = []
    for _ in range(int(rng.integers(1, 4))):
        z = float(np.exp(rng.uniform(np.log(0.8 * near), np.log(max(middle, 1.2 * near)))))
        at = camera.point(float(rng.uniform(-0.9, 0.9)), 0, z)
        top = max(float(at[2]) + z * camera.reach[1] * float(rng.uniform(-0.2, 0.9)), 0.15 * z)
        yaw = rng.uniform(0, 6.3)
        if rng.random() < 0.5:
            half = vector(*(top * np.exp(rng.normal(np.log(0.35), 0.5, 2))), top / 2)
            look = make_material(rng, period=(0.3 * top, 3 * top))
            kind = ("box", "box", "frustum", "sphere")[int(rng.integers(4))]
            solids.append(solid(kind, (at[0], at[1], top / 2), half, look, turn(yaw), taper=float(rng.uniform(0.7, 1))))
        else:
            made = objects.ANYTHING[int(rng.integers(len(objects.ANYTHING)))](rng)
            tall = top_of(made)
            solids += place(made, vector(at[0], at[1], 0), yaw, top / tall)
    return solids


_Addition = Callable[[np.random.Generator, Scene, float, float], list[Solid]]
_ADDITIONS: tuple[tuple[_Addition, float], ...] = ((wall, 0.4), (cut_off, 0.45), (thin, 0.25), (standing, 0.3))
"""What is added to a scene, each with these odds of its own; at least one."""


def foreground(rng: np.random.Generator, size_hw: Size) -> Scene:
    """A scene of another layout with near things in it."""
    added = [add for add, odds in _ADDITIONS if rng.random() < odds]
    added = added or [_ADDITIONS[int(rng.integers(len(_ADDITIONS)))][0]]
    layouts = _ON_GROUND if standing in added else _ANYWHERE
    scene = layouts[int(rng.integers(len(layouts)))](rng, size_hw)
    near, middle = distances(scene)
    for add in added:
        scene.solids += add(rng, scene, near, middle)
    if scene.aperture == 0 and rng.random() < 0.35:  # in focus behind them
        scene.aperture, scene.focus = float(rng.uniform(0.3, 2.5)) * near, 1 / middle
    return scene
