"""Layouts under the sky: open ground, streets, and things far away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from demo_model.scenes import objects
from demo_model.scenes.build import place, plane, rod, solid, turn, upright, vector
from demo_model.scenes.camera import Camera
from demo_model.scenes.light_setups import outdoors
from demo_model.scenes.materials import make_material
from demo_model.scenes.primitives import Solid
from demo_model.scenes.scene import Scene

Size = tuple[int, int]
_GROUND = ("noise", "foliage", "pebbles", "tiles", "bricks", "streaks", "planks", "leaves")


def ground(rng: np.random.Generator) -> Solid:
    """Grass, gravel, paving or sand, level or leaning a little."""
    look = make_material(
        rng, textures=_GROUND, colours=("green", "earth", "stone", "grey", "earth", "green", "white"), period=(1.0, 8.0)
    )
    lean = rng.normal(size=2) * (0.06 if rng.random() < 0.3 else 0.0)
    return plane(vector(0, 0, 0), vector(lean[0], lean[1], 1), turn(rng.uniform(0, 6.3)) @ vector(1, 0, 0), look)


def backdrop(rng: np.random.Generator) -> list[Solid]:
    """Hills, tree lines and roofs as far outlines, one behind another."""
    layers = []
    for _ in range(int(rng.integers(0, 4))):
        distance = float(np.exp(rng.uniform(np.log(25), np.log(300))))
        look = make_material(
            rng, textures=("foliage", "noise", "windows", "leaves"), colours=("green", "earth", "grey", "blue", "stone"),
            period=(distance * 0.1, distance * 0.5), contrast=(0.1, 0.6),
        )  # fmt: skip
        height = distance * float(rng.uniform(0.05, 0.35))
        mask = objects.pick_mask(rng, "skyline")
        # The outline reaches below the horizon, so that no gap shows where the ground ends.
        layers.append(
            upright(
                (rng.normal() * distance * 0.3, distance, 0), distance * 2.2, height, rng.normal() * 0.2, look, mask
            )
        )
    return layers


def eye_level(rng: np.random.Generator, size_hw: Size, *, height: float | None = None) -> Camera:
    """Mostly 0.4 to 3 m above ground, looking roughly ahead."""
    up = float(np.exp(rng.normal(np.log(1.4), 0.5))) if height is None else height
    pitch = float(rng.normal(-0.06, 0.14)) - (0.25 * rng.random() if up > 2.2 else 0.0)
    roll = float(rng.normal() * 0.04) if rng.random() < 0.9 else float(rng.normal() * 0.15)
    focal = float(np.exp(rng.uniform(np.log(0.9), np.log(3.5))))
    return Camera(vector(0, 0, up), float(rng.normal() * 0.15), pitch, roll, focal, size_hw)


def scatter(
    rng: np.random.Generator, camera: Camera, makers: tuple[objects.Maker, ...], count: int, near: float, far: float
) -> list[Solid]:
    """Things on the ground inside the view, evenly spread in log distance."""
    solids: list[Solid] = []
    for _ in range(count):
        distance = float(np.exp(rng.uniform(np.log(near), np.log(far))))
        side = rng.uniform(-1.2, 1.2) * distance / camera.focal
        spot = turn(-camera.yaw) @ vector(side, distance, 0)
        made = makers[int(rng.integers(len(makers)))](rng)
        solids += place(made, spot, rng.uniform(0, 2 * np.pi), float(np.exp(rng.normal(0, 0.15))))
    return solids


def field(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Open ground with scattered things and a far skyline."""
    light, air = outdoors(rng)
    camera = eye_level(rng, size_hw)
    near = float(rng.uniform(1.2, 4)) * max(1.0, camera.focal * 0.8)
    solids = [ground(rng), *backdrop(rng)]
    solids += scatter(rng, camera, objects.STREET, int(rng.integers(2, 10)), near, near * 8)
    if rng.random() < 0.35:
        solids += scatter(rng, camera, (objects.house,), int(rng.integers(1, 4)), max(near * 2, 14), 60)
    if rng.random() < 0.2:
        solids += scatter(rng, camera, (objects.tower,), int(rng.integers(1, 3)), 20, 80)
    if rng.random() < 0.4:
        solids += scatter(rng, camera, (objects.bush, objects.tree), int(rng.integers(3, 7)), near * 3, near * 12)
    return Scene(camera, light, air, solids)


def street(rng: np.random.Generator, size_hw: Size) -> Scene:
    """A road between fronts that run away from the camera, or cross its view."""
    light, air = outdoors(rng)
    camera = eye_level(rng, size_hw)
    solids = [ground(rng)]
    half = float(rng.uniform(2.5, 9))
    for side in (-1, 1):
        if rng.random() < 0.2:
            continue
        y = float(rng.uniform(-4, 4))
        while y < 60:
            depth, height, setback = rng.uniform(2, 9), rng.uniform(1.5, 9), rng.uniform(0, 1.5)
            look = make_material(
                rng, textures=("windows", "bricks", "windows", "noise", "planks"), period=(3, 12), contrast=(0.2, 0.9)
            )
            at = (side * (half + setback + 3), y + depth, height)
            solids.append(solid("box", at, (3, depth, height), look))
            y += 2 * depth + max(0.0, float(rng.normal()) * 2)
    if rng.random() < 0.4:
        far = float(rng.uniform(15, 60))
        look = make_material(rng, textures=("windows", "bricks", "noise"), period=(3, 12))
        solids.append(solid("box", (0, far + 3, 5), (20, 3, rng.uniform(2, 10)), look))
    solids += scatter(rng, camera, objects.STREET, int(rng.integers(3, 11)), 2.5, 25)
    if rng.random() < 0.4:  # wires overhead
        look = make_material(rng, colours=("dark",), textures=("noise",))
        for _ in range(int(rng.integers(1, 4))):
            height, x = rng.uniform(3.5, 7), rng.uniform(-half, half)
            solids.append(
                rod(vector(x, -2, height), vector(x + rng.normal() * 3, 60, height + rng.normal()), 0.025, look)
            )
    return Scene(camera, light, air, solids + backdrop(rng))


def facade(rng: np.random.Generator, size_hw: Size) -> Scene:
    """One wall close by, straight or oblique, with or without the ground in front of it."""
    light, air = outdoors(rng)
    distance, yaw = float(rng.uniform(2, 12)), float(rng.normal() * 0.5)
    camera = eye_level(rng, size_hw, height=float(rng.uniform(0.5, 6)))
    look = make_material(
        rng, textures=("bricks", "windows", "noise", "planks", "tiles", "streaks", "pebbles"), period=(1, 8)
    )
    facing = turn(yaw) @ vector(0, -1, 0)
    solids = [plane(vector(0, distance, 0), facing, vector(1, 0, 0), look)]
    if rng.random() < 0.6:
        solids.append(ground(rng))
    along = turn(yaw) @ vector(1, 0, 0)
    for _ in range(int(rng.integers(1, 9))):  # what stands out of the wall
        at = vector(0, distance, 0) + along * rng.uniform(-1, 1) * distance / camera.focal * 1.2
        at = at + vector(0, 0, camera.position[2] + rng.uniform(-1, 1) * distance / camera.focal)
        half = np.exp(rng.normal(np.log(0.4), 0.6, 3)) * (1, 0.4, 1)
        kind = "box" if rng.random() < 0.8 else "frustum"
        solids.append(solid(kind, at, half, make_material(rng), turn(yaw)))
    solids += scatter(rng, camera, objects.STREET, int(rng.integers(0, 5)), distance * 0.35, distance * 0.9)
    return Scene(camera, light, air, solids)


def skyward(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Tall things from below: little or no ground in the picture."""
    light, air = outdoors(rng)
    level = eye_level(rng, size_hw)
    camera = Camera(level.position, level.yaw, float(rng.uniform(0.1, 0.7)), level.roll, level.focal, size_hw)
    makers = (objects.tree, objects.tower, objects.house, objects.pole, objects.tree)
    solids = [ground(rng), *backdrop(rng)]
    solids += scatter(rng, camera, makers, int(rng.integers(2, 8)), 4, 40)
    return Scene(camera, light, air, solids)


def overlook(rng: np.random.Generator, size_hw: Size) -> Scene:
    """From a height, down on roofs, trees or things on the ground."""
    light, air = outdoors(rng)
    height, pitch = float(rng.uniform(4, 25)), float(rng.uniform(-1.3, -0.25))
    camera = Camera(
        vector(0, 0, height),
        0.0,
        pitch,
        float(rng.normal() * 0.1),
        float(np.exp(rng.uniform(np.log(1.0), np.log(2.5)))),
        size_hw,
    )
    middle = height / np.tan(-pitch)
    solids = [ground(rng), *backdrop(rng)]
    makers = (
        objects.STREET if height < 10 else (objects.house, objects.tree, objects.vehicle, objects.tree, objects.house)
    )
    for _ in range(int(rng.integers(5, 16))):
        reach = height / camera.focal
        spot = vector(rng.normal() * reach * 1.2, middle + rng.normal() * reach * 1.5, 0)
        solids += place(makers[int(rng.integers(len(makers)))](rng), spot, rng.uniform(0, 6.3))
    return Scene(camera, light, air, solids)


def highland(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Hills or mountains behind one another below ragged, bright clouds; a slope, rocks, plants and people in front."""
    light, air = outdoors(rng)
    air = replace(air, cloud_amount=float(rng.uniform(0.3, 0.65)), cloud_edge=float(rng.uniform(4, 18)))
    level = eye_level(rng, size_hw)
    camera = replace(level, pitch=level.pitch + float(rng.uniform(0, 0.35)) / level.focal)
    solids = [ground(rng)]
    distance = float(rng.uniform(30, 120))
    for _ in range(int(rng.integers(1, 5))):
        colours = ("dark", "stone", "green", "grey", "earth")
        look = make_material(
            rng, textures=("noise", "streaks", "foliage", "marble"), colours=colours,
            period=(distance * 0.3, distance * 2), contrast=(0.2, 0.9),
        )  # fmt: skip
        height, side = distance * float(rng.uniform(0.1, 0.7)), float(rng.normal()) * distance * 0.4
        mask = objects.pick_mask(rng, "skyline")
        solids.append(upright((side, distance, 0), distance * 1.8, height, rng.normal() * 0.3, look, mask))
        distance *= float(rng.uniform(1.5, 4))
    makers = (objects.lump, objects.lump, objects.person, objects.animal, objects.bush, objects.tree, objects.fence)
    near = float(rng.uniform(1.5, 5)) * max(1.0, camera.focal * 0.8)
    solids += scatter(rng, camera, makers, int(rng.integers(0, 8)), near, near * 8)
    return Scene(camera, light, air, solids)
