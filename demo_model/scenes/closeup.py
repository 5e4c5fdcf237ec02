"""Layouts at arm's length: table tops, portraits, plants, clutter that fills the picture, flat things."""

from __future__ import annotations

import numpy as np

from demo_model.scenes import objects
from demo_model.scenes.build import place, plane, random_turn, rod, solid, top_of, turn, upright, vector
from demo_model.scenes.camera import Camera
from demo_model.scenes.light_setups import indoors, outdoors
from demo_model.scenes.materials import make_material
from demo_model.scenes.outdoor import backdrop, ground
from demo_model.scenes.primitives import Solid
from demo_model.scenes.scene import Air, Light, Scene

Array = np.ndarray
Size = tuple[int, int]


def any_light(rng: np.random.Generator) -> tuple[Light, Air]:
    """The sun or a lamp."""
    return outdoors(rng) if rng.random() < 0.4 else indoors(rng)


def _focused(rng: np.random.Generator, scene: Scene, distance: float, odds: float = 0.5) -> Scene:
    """Give the camera an open aperture now and then, in focus at ``distance`` metres."""
    if rng.random() < odds:
        scene.aperture, scene.focus = float(rng.uniform(0.5, 4)) * distance, 1 / distance
    return scene


def wall_behind(rng: np.random.Generator, distance: float) -> Solid:
    """A plane across the view, straight or oblique."""
    facing = turn(rng.normal() * 0.4, rng.normal() * 0.1) @ vector(0, -1, 0)
    return plane(vector(0, distance, 0), facing, vector(1, 0, 0), make_material(rng, period=(0.3, 3)))


def table_top(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Small things on a surface, seen from slightly to steeply above."""
    light, air = any_light(rng)
    look = make_material(rng, colours=("wood", "white", "stone", "grey", "cloth", "dark"), period=(0.4, 2.5))
    solids = [plane(vector(0, 0, 0), vector(0, 0, 1), turn(rng.uniform(0, 6.3)) @ vector(1, 0, 0), look)]
    pitch, distance = float(rng.uniform(-1.1, -0.15)), float(rng.uniform(0.6, 1.8))
    eye = vector(0, -distance * np.cos(pitch), -distance * np.sin(pitch) + 0.1)
    focal = float(np.exp(rng.uniform(np.log(1.0), np.log(2.8))))
    camera = Camera(eye, float(rng.normal() * 0.1), pitch, float(rng.normal() * 0.06), focal, size_hw)
    spread = 0.6 * distance / focal
    for _ in range(int(rng.integers(1, 10))):
        made = objects.SMALL[int(rng.integers(len(objects.SMALL)))](rng)
        spot = vector(rng.normal() * spread, rng.normal() * spread * 0.9, 0)
        solids += place(made, spot, rng.uniform(0, 6.3), float(np.exp(rng.normal(-0.3, 0.4))) * distance)
    if pitch > -0.7:
        solids.append(wall_behind(rng, float(rng.uniform(0.6, 4)) * distance))
    return _focused(rng, Scene(camera, light, air, solids), distance)


def _behind(rng: np.random.Generator, distance: float, eye_height: float) -> list[Solid]:
    """What is seen around a subject: a wall, a furnished distance, or the open."""
    draw = rng.random()
    solids: list[Solid] = []
    if draw < 0.45:
        solids.append(wall_behind(rng, distance * float(rng.uniform(1.3, 5))))
    else:
        solids += [ground(rng), *backdrop(rng)]
    if draw > 0.2:
        for _ in range(int(rng.integers(1, 6))):
            made = objects.ANYTHING[int(rng.integers(len(objects.ANYTHING)))](rng)
            reach = distance * rng.uniform(1.6, 6)
            base = 0.0 if draw >= 0.45 else eye_height + rng.normal() * 0.4 - 1.0
            solids += place(made, vector(rng.normal() * reach * 0.5, reach, base), rng.uniform(0, 6.3))
    return solids


def portrait(rng: np.random.Generator, size_hw: Size) -> Scene:
    """One figure, animal or thing that fills much of the picture and is cut by its edge."""
    light, air = any_light(rng)
    makers = (
        objects.person,
        objects.person,
        objects.animal,
        objects.animal,
        objects.machine,
        objects.plant,
        objects.cycle,
        objects.lump,
    )
    index = int(rng.integers(len(makers)))
    subject = makers[index](rng)
    focal = float(np.exp(rng.uniform(np.log(1.1), np.log(3))))
    if index < 2:
        aim, distance = float(rng.uniform(1.1, 1.6)), focal * float(rng.uniform(0.3, 1.1))
    else:
        aim, distance = float(rng.uniform(0.2, 0.7)), focal * float(rng.uniform(0.35, 1.1))
    eye_height = max(aim + float(rng.normal() * 0.3) * distance, 0.15)
    pitch = float(np.arctan2(aim - eye_height, distance))
    camera = Camera(vector(0, 0, eye_height), 0.0, pitch, float(rng.normal() * 0.05), focal, size_hw)
    yaw = float(rng.normal() * 0.6) if index < 4 else rng.uniform(0, 6.3)
    solids = place(subject, vector(rng.normal() * 0.2 * distance / focal, distance, 0), yaw)
    solids += _behind(rng, distance, eye_height)
    if rng.random() < 0.25:  # a second one, nearer or further
        at = vector(rng.normal() * 0.6, distance * rng.uniform(0.7, 1.8), 0)
        solids += place(makers[int(rng.integers(len(makers)))](rng), at, rng.uniform(0, 6.3))
    return _focused(rng, Scene(camera, light, air, solids), distance, 0.6)


_DETAILED = (
    objects.person,
    objects.person,
    objects.animal,
    objects.animal,
    objects.dish,
    objects.vessel,
    objects.machine,
    objects.cycle,
    objects.plant,
    objects.lump,
)


def detail(rng: np.random.Generator, size_hw: Size) -> Scene:
    """One part of a figure or a thing that fills the picture: a face, an engine, the rim of a cup."""
    light, air = any_light(rng)
    index = int(rng.integers(len(_DETAILED)))
    subject = place(_DETAILED[index](rng), vector(0, 0, 0), rng.normal() * 0.5 if index < 4 else rng.uniform(0, 6.3))
    # The first parts of a figure are its head; elsewhere any part will do that is not a sliver.
    thick = [part for part in subject if part.lengths.min() > 0.02] or subject
    part = subject[index // 2 % 2] if index < 4 and rng.random() < 0.7 else thick[int(rng.integers(len(thick)))]
    size = float(np.cbrt(np.prod(part.lengths)))
    focal = float(np.exp(rng.uniform(np.log(1.1), np.log(3))))
    distance = max(focal * size * float(np.exp(rng.uniform(np.log(1.2), np.log(4)))), 0.15) + size
    pitch = float(rng.normal(-0.1, 0.25))
    sideways = float(rng.normal() * 0.25)
    back = vector(np.sin(sideways) * np.cos(pitch), -np.cos(sideways) * np.cos(pitch), -np.sin(pitch)) * distance
    eye = part.centre + back
    aim = vector(rng.normal(), 0, rng.normal()) * 0.3 * distance / focal
    camera = Camera(
        eye + aim.astype(np.float32), -sideways, pitch, float(rng.normal() * 0.1), focal, size_hw
    )  # looks back along the way it came
    solids = subject + _behind(rng, distance + 0.4, float(eye[2]))
    return _focused(rng, Scene(camera, light, air, solids), distance - size * 0.5, 0.7)


def heap(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Things at all angles and distances with nothing to stand on."""
    light, air = any_light(rng)
    focal = float(np.exp(rng.uniform(np.log(0.9), np.log(2.5))))
    camera = Camera(vector(0, 0, 0), 0.0, 0.0, 0.0, focal, size_hw)
    solids = [wall_behind(rng, float(rng.uniform(2.5, 9)))] if rng.random() < 0.75 else []
    tilt = turn(0, float(rng.normal() * 0.8), float(rng.normal() * 0.8))
    for _ in range(int(rng.integers(4, 22))):
        distance = float(np.exp(rng.uniform(np.log(0.7), np.log(6))))
        spot = vector(*(rng.uniform(-1, 1, 2) * distance / focal), 0)[[0, 2, 1]] + vector(0, distance, 0)
        draw = rng.random()
        if draw < 0.55:
            kind = ("box", "sphere", "frustum", "box")[int(rng.integers(4))]
            half = np.exp(rng.normal(np.log(0.2), 0.6, 3))
            taper = float(rng.choice([1.0, rng.uniform(0, 1)]))
            solids.append(solid(kind, spot, half, make_material(rng), random_turn(rng), taper=taper))
        elif draw < 0.65:
            end = spot + rng.normal(size=3) * distance * 0.7
            solids.append(rod(spot, end.astype(np.float32), float(rng.uniform(0.008, 0.06)), make_material(rng)))
        elif draw < 0.8:
            half = np.full(3, np.exp(rng.normal(np.log(0.3), 0.4)))
            mask = objects.pick_mask(rng, "blob", "flower", "leaf", "bars", "wheel", "thicket")
            solids.append(solid("quad", spot, half, make_material(rng), tilt @ random_turn(rng), mask=mask))
        else:
            made = objects.ANYTHING[int(rng.integers(len(objects.ANYTHING)))](rng)
            solids += place(made, spot, scale=float(rng.uniform(0.2, 0.7)), rotation=tilt @ turn(rng.uniform(0, 6.3)))
    return _focused(rng, Scene(camera, light, air, solids), float(rng.uniform(0.8, 3)), 0.35)


def pile(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Things of a kind that cover each other, all sharp, with no ground: brushes, fruit, cables, leaves."""
    light, air = any_light(rng)
    focal = float(np.exp(rng.uniform(np.log(1.0), np.log(3))))
    camera = Camera(vector(0, 0, 0), 0.0, 0.0, float(rng.normal() * 0.2), focal, size_hw)
    z, deep = float(rng.uniform(0.4, 2.5)), float(rng.uniform(0.3, 1.2))
    looks = [make_material(rng, period=(0.1 * z, z)) for _ in range(int(rng.integers(1, 7)))]
    shape = ("box", "sphere", "frustum", "quad", "made")[int(rng.integers(5))]
    maker = objects.SMALL[int(rng.integers(len(objects.SMALL)))]
    proportions = np.exp(rng.normal(0, 0.7, 3))
    proportions /= np.cbrt(np.prod(proportions))
    common = random_turn(rng) if rng.random() < 0.5 else None
    masks = ("leaf", "blob", "flower", "thicket")
    solids = [wall_behind(rng, z * (1 + deep) * 1.2)]
    size = z * max(camera.reach) * float(rng.uniform(0.15, 0.5))
    for _ in range(int(rng.integers(15, 55))):
        x, y = float(rng.uniform(-1.2, 1.2)), float(rng.uniform(-1.2, 1.2))
        at = camera.point(x, y, z * (1 + deep * rng.random()))
        rotation = random_turn(rng) if common is None else common @ turn(*(rng.normal(size=3) * 0.25))
        half = size * proportions * np.exp(rng.normal(0, 0.25))
        if shape == "made":
            made = maker(rng)
            tall = top_of(made)
            solids += place(made, at, scale=1.5 * float(half.max()) / tall, rotation=rotation)
            continue
        look = looks[int(rng.integers(len(looks)))]
        mask = objects.pick_mask(rng, *masks) if shape == "quad" else None
        solids.append(solid(shape, at, half, look, rotation, taper=float(rng.uniform(0.4, 1)), mask=mask))
    return Scene(camera, light, air, solids)


def greenery(rng: np.random.Generator, size_hw: Size) -> Scene:
    """Leaves and flowers near the lens, more of them behind, the farther the softer."""
    light, air = outdoors(rng)
    focal = float(np.exp(rng.uniform(np.log(1.0), np.log(2.5))))
    camera = Camera(vector(0, 0, 0), 0.0, float(rng.normal() * 0.15), 0.0, focal, size_hw)
    solids: list[Solid] = []
    subject = float(rng.uniform(0.4, 1.2))
    if rng.random() < 0.7:
        look = make_material(
            rng, colours=("green", "earth", "dark", "blue"), textures=("foliage", "noise", "leaves"), period=(0.5, 3)
        )
        facing = turn(rng.normal() * 0.2, rng.normal() * 0.3) @ vector(0, -1, 0)
        solids.append(plane(vector(0, subject * float(rng.uniform(3, 10)), 0), facing, vector(1, 0, 0), look))
    greens = [
        make_material(
            rng, colours=("green", "green", "earth"), textures=("noise", "streaks", "foliage"), period=(0.2, 1.5)
        )
        for _ in range(3)
    ]
    for _ in range(int(rng.integers(8, 30))):
        distance = subject * float(np.exp(rng.uniform(np.log(0.8), np.log(6))))
        spot = vector(rng.uniform(-1, 1) * distance / focal, distance, rng.uniform(-1, 0.7) * distance / focal)
        size = float(rng.uniform(0.05, 0.3)) * (1 + distance) * 0.6
        mask = objects.pick_mask(rng, "leaf", "blob", "thicket", "undergrowth", "branches")
        look = greens[int(rng.integers(3))]
        solids.append(
            solid(
                "quad",
                spot,
                (size, size, size),
                look,
                turn(rng.normal(), rng.normal() * 0.8 + 1.57, rng.normal()),
                mask=mask,
            )
        )
        if rng.random() < 0.3:
            solids.append(rod(spot - vector(rng.normal() * 0.1, 0, 0.8), spot, 0.008, look))
    for _ in range(int(rng.integers(0, 4))):
        spot = vector(
            rng.normal() * 0.3 * subject / focal, subject * rng.uniform(0.9, 1.3), rng.normal() * 0.2 * subject / focal
        )
        solids += place(
            objects.plant(rng), spot - vector(0, 0, 0.3), rng.uniform(0, 6.3), float(rng.uniform(0.6, 1.6)) * subject
        )
    return _focused(rng, Scene(camera, light, air, solids), subject, 0.75)


def flat(rng: np.random.Generator, size_hw: Size) -> Scene:
    """A single textured plane at any slant, with a few things on it: books, coins, pebbles, papers from above."""
    light, air = any_light(rng)
    distance = float(rng.uniform(0.5, 2))
    tilt = turn(0, float(rng.normal() * 0.5), float(rng.normal() * 0.5))
    facing = tilt @ vector(0, -1, 0)
    solids = [plane(vector(0, distance, 0), facing, vector(1, 0, 0), make_material(rng, period=(0.2, 2)))]
    camera = Camera(
        vector(0, 0, 0),
        0.0,
        0.0,
        float(rng.uniform(-0.3, 0.3)),
        float(np.exp(rng.uniform(np.log(1.0), np.log(2.5)))),
        size_hw,
    )
    look = make_material(rng) if rng.random() < 0.5 else None
    size = distance / camera.focal * float(rng.uniform(0.05, 0.3))
    for _ in range(int(rng.integers(0, 26))):
        across = tilt @ vector(rng.uniform(-1, 1), 0, rng.uniform(-1, 1)) * (distance / camera.focal)
        half = size * np.exp(rng.normal(0, 0.3, 3)) * (1, 1, rng.uniform(0.1, 0.8))
        kind = ("box", "sphere", "frustum")[int(rng.integers(3))]
        rotation = tilt @ turn(0, np.pi / 2) @ turn(rng.uniform(0, 6.3))
        solids.append(
            solid(
                kind,
                vector(0, distance, 0) + across + facing * half[2] * 0.8,
                half,
                look or make_material(rng),
                rotation,
            )
        )
    if rng.random() < 0.2:  # a sheet with a hole in front of it all
        mask = objects.pick_mask(rng, "page", "bars", "thicket", "branches")
        solids.append(
            upright((0, distance * rng.uniform(0.4, 0.8), 0), distance, distance, 0.0, make_material(rng), mask)
        )
    return _focused(rng, Scene(camera, light, air, solids), distance, 0.25)
