"""Layouts inside: rooms with furniture, corners, corridors."""

from __future__ import annotations

import numpy as np

from demo_model.scenes import objects
from demo_model.scenes.build import place, plane, solid, turn, upright, vector
from demo_model.scenes.camera import Camera
from demo_model.scenes.light_setups import indoors
from demo_model.scenes.materials import make_material
from demo_model.scenes.primitives import Solid
from demo_model.scenes.scene import Scene

Array = np.ndarray
Size = tuple[int, int]


def shell(rng: np.random.Generator, half_x: float, back: float, height: float) -> list[Solid]:
    """Floor, ceiling, back wall and two side walls; the camera's side is open."""
    wall = make_material(
        rng, colours=("white", "stone", "grey", "cloth", "skin", "wood"), contrast=(0.02, 0.35), period=(0.8, 4)
    )
    other = wall if rng.random() < 0.6 else make_material(rng, contrast=(0.05, 0.6), period=(0.8, 4))
    floor = make_material(
        rng, textures=("planks", "tiles", "noise", "wood", "weave", "checker", "streaks"), period=(1, 4),
        colours=("wood", "stone", "grey", "earth", "white", "cloth"),
    )  # fmt: skip
    ceiling = make_material(rng, colours=("white", "stone", "wood"), textures=("noise", "planks"), contrast=(0.0, 0.2))
    x, y, z = vector(1, 0, 0), vector(0, 1, 0), vector(0, 0, 1)
    return [
        plane(vector(0, 0, 0), z, x if rng.random() < 0.5 else y, floor),
        plane(vector(0, 0, height), -z, x, ceiling),
        plane(vector(0, back, 0), -y, x, wall),
        plane(vector(-half_x, 0, 0), x, y, other),
        plane(vector(half_x, 0, 0), -x, y, wall),
    ]


def wall_things(rng: np.random.Generator, half_x: float, back: float, height: float) -> list[Solid]:
    """Pictures, windows, doors, lamps, beams and curtains."""
    things = []
    for _ in range(int(rng.integers(0, 6))):
        picture = make_material(
            rng, textures=("leaves", "print", "noise", "foliage", "marble", "stripes", "spots"), period=(0.3, 2)
        )
        frame = make_material(rng, colours=("wood", "dark", "white"), textures=("noise",))
        half = vector(rng.uniform(0.15, 0.7), 0.03, rng.uniform(0.15, 0.7))
        side = rng.random()
        z = float(rng.uniform(0.9, height - 0.4))
        if side < 0.6:
            at, yaw = vector(rng.uniform(-half_x, half_x) * 0.85, back - 0.02, z), 0.0
        else:
            sign = 1 if side < 0.8 else -1
            at, yaw = vector(sign * (half_x - 0.02), rng.uniform(0.3, 1) * back, z), -sign * np.pi / 2
        things.append(solid("box", at, half * 1.08, frame, turn(yaw)))
        things.append(solid("box", at + turn(yaw) @ vector(0, -0.02, 0), half, picture, turn(yaw)))
    if rng.random() < 0.35:  # a bright window
        glow = make_material(
            rng,
            colours=("white", "blue", "green"),
            textures=("noise", "foliage", "leaves"),
            glow=float(rng.uniform(0.8, 2)),
        )
        at = (rng.uniform(-half_x, half_x) * 0.7, back - 0.01, height * 0.6)
        things.append(solid("box", at, (rng.uniform(0.3, 1.0), 0.02, rng.uniform(0.4, 0.8)), glow))
    if rng.random() < 0.3:  # a door
        at = (rng.uniform(-half_x, half_x) * 0.8, back, 1.0)
        things.append(
            solid("box", at, (0.45, 0.04, 1.0), make_material(rng, colours=("wood", "white", "dark", "cloth")))
        )
    if rng.random() < 0.3:  # a lamp on a wire
        at = vector(rng.uniform(-1, 1) * half_x * 0.6, back * rng.uniform(0.3, 0.8), height - rng.uniform(0.4, 1.0))
        shade = make_material(rng, colours=("white", "cloth", "dark"), glow=float(rng.uniform(0, 1)))
        things.append(solid("frustum", at, (0.18, 0.18, 0.12), shade, taper=0.4))
        things.append(
            solid("frustum", at + vector(0, 0, 0.5), (0.008, 0.008, 0.5), make_material(rng, colours=("dark",)))
        )
    return things


def room(rng: np.random.Generator, size_hw: Size) -> Scene:
    """A furnished room, seen from anywhere in its front half."""
    half_x, back, height = float(rng.uniform(1.5, 4.5)), float(rng.uniform(2.5, 8)), float(rng.uniform(2.2, 3.6))
    light, air = indoors(rng, vector(rng.uniform(-0.5, 0.5) * half_x, rng.uniform(0.2, 0.8) * back, height - 0.3))
    position = vector(rng.uniform(-0.6, 0.6) * half_x, rng.uniform(0, 0.25) * back, rng.uniform(0.5, height - 0.5))
    focal = float(np.exp(rng.uniform(np.log(0.75), np.log(2.2))))
    camera = Camera(
        position, float(rng.normal() * 0.4), float(rng.normal(-0.12, 0.2)), float(rng.normal() * 0.05), focal, size_hw
    )
    solids = shell(rng, half_x, back, height) + wall_things(rng, half_x, back, height)
    forward = turn(-camera.yaw) @ vector(0, 1, 0)
    for _ in range(int(rng.integers(2, 10))):
        made = objects.FURNITURE[int(rng.integers(len(objects.FURNITURE)))](rng)
        if rng.random() < 0.35:  # against the back wall
            spot, yaw = vector(rng.uniform(-0.9, 0.9) * half_x, back - 0.35, 0), 0.0
        else:
            reach = rng.uniform(0.8, back)
            sideways = turn(-camera.yaw) @ vector(rng.normal() * reach * 0.5 / focal, 0, 0)
            spot, yaw = position * (1, 1, 0) + forward * reach + sideways, rng.uniform(0, 6.3)
        spot = np.clip(spot, (-half_x + 0.2, 0, 0), (half_x - 0.2, back - 0.3, 0))
        solids += place(made, spot, yaw, float(np.exp(rng.normal(0, 0.12))))
    return Scene(camera, light, air, solids)


def workshop(rng: np.random.Generator, size_hw: Size) -> Scene:
    """One large thing on the floor in front of shelves and boxes, seen whole from standing height."""
    half_x, back, height = float(rng.uniform(1.6, 3.5)), float(rng.uniform(2.5, 6)), float(rng.uniform(2.2, 3.2))
    light, air = indoors(rng, vector(rng.uniform(-0.5, 0.5) * half_x, rng.uniform(-0.2, 0.7) * back, height - 0.2))
    solids = shell(rng, half_x, back, height) + wall_things(rng, half_x, back, height)
    for _ in range(int(rng.integers(1, 5))):
        made = (objects.shelf, objects.crate, objects.crate, objects.drum, objects.books)[int(rng.integers(5))](rng)
        spot = vector(rng.uniform(-0.9, 0.9) * half_x, back - rng.uniform(0.2, 0.6), 0)
        solids += place(made, spot, float(rng.normal() * 0.1), float(np.exp(rng.normal(0, 0.15))))
    makers = (objects.cycle, objects.cycle, objects.machine, objects.chair, objects.table, objects.animal, objects.sofa)
    distance = float(rng.uniform(0.35, 0.75)) * back
    at = vector(rng.normal() * 0.15 * distance, distance, 0)
    solids += place(makers[int(rng.integers(len(makers)))](rng), at, float(rng.normal() * 0.5), rng.uniform(0.9, 1.6))
    for _ in range(int(rng.integers(0, 4))):
        made = objects.SMALL[int(rng.integers(len(objects.SMALL)))](rng)
        spot = at + vector(rng.normal() * 0.8, rng.uniform(-0.4, 1), 0)
        solids += place(
            made, np.clip(spot, (-half_x + 0.2, 0.4, 0), (half_x - 0.2, back - 0.3, 0)), rng.uniform(0, 6.3)
        )
    eye, focal = float(rng.uniform(0.7, 1.7)), float(np.exp(rng.uniform(np.log(0.9), np.log(1.8))))
    pitch = float(np.arctan2(0.5 - eye, distance)) * float(rng.uniform(0.4, 1.1))
    camera = Camera(vector(0, 0, eye), float(rng.normal() * 0.15), pitch, float(rng.normal() * 0.04), focal, size_hw)
    return Scene(camera, light, air, solids)


def corridor(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Long and narrow, with columns, doors or arches on the way."""
    half_x, back, height = float(rng.uniform(0.8, 3)), float(rng.uniform(8, 30)), float(rng.uniform(2.2, 5))
    light, air = indoors(rng, vector(0, rng.uniform(2, back * 0.7), height - 0.3))
    camera = Camera(
        vector(rng.uniform(-0.5, 0.5) * half_x, 0, rng.uniform(0.6, 1.9)), float(rng.normal() * 0.2),
        float(rng.normal() * 0.12), float(rng.normal() * 0.05), float(np.exp(rng.uniform(np.log(0.7), np.log(2)))), size_hw,
    )  # fmt: skip
    solids = shell(rng, half_x, back, height)
    look, step = make_material(rng), float(rng.uniform(1.2, 4))
    style = rng.integers(3)
    y = float(rng.uniform(1, 3))
    while y < back:
        if style == 0:
            for side in (-1, 1):
                solids.append(solid("frustum", (side * half_x * 0.8, y, height / 2), (0.15, 0.15, height / 2), look))
        elif style == 1:
            solids.append(upright((0, y, height / 2), half_x, height / 2, 0.0, look, objects.pick_mask(rng, "page")))
        else:
            for side in (-1, 1):
                solids.append(solid("box", (side * half_x, y, 1.0), (0.08, 0.4, 1.0), look))
        y += step
    for _ in range(int(rng.integers(0, 6))):
        made = objects.FURNITURE[int(rng.integers(len(objects.FURNITURE)))](rng)
        spot = vector(rng.uniform(-0.7, 0.7) * half_x, np.exp(rng.uniform(np.log(1.5), np.log(back))), 0)
        solids += place(made, spot, rng.uniform(0, 6.3))
    return Scene(camera, light, air, solids)


def corner(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Two or three walls that meet, seen from close by: no floor in the picture unless by chance."""
    light, air = indoors(rng)
    distance = float(rng.uniform(0.8, 4))
    turned = float(rng.uniform(0.2, 1.4))
    looks = [make_material(rng, period=(0.4, 2.5)) for _ in range(3)]
    at = vector(rng.normal() * 0.3, distance, rng.normal() * 0.3)
    solids = [
        plane(at, turn(turned) @ vector(0, -1, 0), vector(0, 0, 1), looks[0]),
        plane(at, turn(turned - np.pi / 2) @ vector(0, -1, 0), vector(0, 0, 1), looks[1]),
    ]
    if rng.random() < 0.5:
        up = -1.0 if rng.random() < 0.3 else 1.0
        solids.append(
            plane(at - vector(0, 0, up * distance * rng.uniform(0.1, 0.6)), vector(0, 0, up), vector(1, 0, 0), looks[2])
        )
    camera = Camera(
        vector(0, 0, 0), float(rng.normal() * 0.2), float(rng.normal() * 0.2), float(rng.normal() * 0.15),
        float(np.exp(rng.uniform(np.log(0.8), np.log(2.5)))), size_hw,
    )  # fmt: skip
    for _ in range(int(rng.integers(0, 6))):
        made = objects.ANYTHING[int(rng.integers(len(objects.ANYTHING)))](rng)
        spot = vector(rng.normal() * 0.4 * distance, distance * rng.uniform(0.4, 0.85), rng.normal() * 0.4 * distance)
        solids += place(made, spot, rng.uniform(0, 6.3), float(rng.uniform(0.2, 0.6)) * distance)
    return Scene(camera, light, air, solids)
