"""Light that reaches visible points: shadows of the main light, darkening near other things, sky and haze."""

from __future__ import annotations

import numpy as np

from demo_model.scenes.camera import Camera
from demo_model.scenes.primitives import Solid
from demo_model.scenes.scene import Air, Light

Array = np.ndarray
_AO_REACH = 3.0
"""Distance, in radii of a solid, beyond which it no longer darkens others (the term has fallen to a ninth)."""


def light_directions(light: Light, point_3n: Array) -> tuple[Array, Array]:
    """Unit directions to the light (3, N) and the distance to it (N,), infinite for the sun."""
    if not light.is_lamp:
        count = point_3n.shape[1]
        return np.repeat(light.towards[:, None].astype(np.float32), count, 1), np.full(count, np.inf, np.float32)
    to_lamp = light.towards[:, None].astype(np.float32) - point_3n
    distance = np.sqrt((to_lamp * to_lamp).sum(0))
    return to_lamp / distance, distance


def shadow(solids: list[Solid], point_3n: Array, normal_3n: Array, direction_3n: Array, distance_n: Array) -> Array:
    """(N,) 0 where something stands between the point and the light, else 1. One ray a point."""
    lit = np.ones(point_3n.shape[1], np.float32)
    facing = np.flatnonzero((normal_3n * direction_3n).sum(0) > 0)
    start = point_3n[:, facing] + normal_3n[:, facing] * np.float32(2e-3)
    towards, reach = direction_3n[:, facing], distance_n[facing]
    along_start = (start * towards).sum(0)
    square_start = (start * start).sum(0)
    dark = np.zeros(facing.size, bool)
    for solid in solids:
        if not solid.casts_shadow or solid.kind == "plane":
            continue
        centre = solid.centre.astype(np.float32)
        along = centre @ towards - along_start
        beside = square_start - 2 * (centre @ start) + centre @ centre - along * along
        near = np.flatnonzero((beside < solid.radius**2) & (along > -solid.radius) & ~dark)
        if near.size:
            t = solid.intersect(start[:, near], towards[:, near], near=1e-3)
            dark[near] = t < reach[near]
    lit[facing[dark]] = 0
    return lit


def nearby_darkening(
    solids: list[Solid], camera: Camera, point_3hw: Array, normal_3hw: Array, owner_hw: Array, strength: float
) -> Array:
    """(H, W) factor in (0, 1]: how much of the surrounding light is left beside other solids.

    A sphere of radius r at distance d takes ``cos(angle) r²/d²`` of a point's surrounding light (the form factor of a
    sphere); each solid counts as the sphere of its mean extent.
    """
    open_hw = np.ones(owner_hw.shape, np.float32)
    for index, solid in enumerate(solids):
        if solid.kind in ("plane", "quad"):
            continue
        radius = float(np.prod(solid.lengths) ** (1 / 3))
        window = camera.sphere_window(solid.centre, _AO_REACH * radius)
        if window is None:
            continue
        rows, columns = window
        offset = solid.centre[:, None, None].astype(np.float32) - point_3hw[:, rows, columns]
        square = np.maximum((offset * offset).sum(0), radius**2)
        cosine = np.maximum((offset * normal_3hw[:, rows, columns]).sum(0), 0) / np.sqrt(square)
        taken = cosine * radius**2 / square * (owner_hw[rows, columns] != index)
        open_hw[rows, columns] *= 1 - np.float32(strength) * np.minimum(taken, 0.9)
    return open_hw


def corner_darkening(solids: list[Solid], point_3n: Array, owner_n: Array, reach: float) -> Array:
    """(N,) factor in (0, 1]: surfaces darken within ``reach`` metres of a plane other than their own."""
    factor = np.ones(point_3n.shape[1], np.float32)
    for index, solid in enumerate(solids):
        if solid.kind != "plane":
            continue
        normal = solid.axes_33[:, 2] / np.linalg.norm(solid.axes_33[:, 2])
        distance = normal.astype(np.float32) @ (point_3n - solid.centre[:, None].astype(np.float32))
        factor *= 1 - 0.4 * np.exp(-np.abs(distance) / np.float32(reach)) * (owner_n != index)
    return factor


def sky_colours(air: Air, direction_3n: Array) -> Array:
    """(3, N) linear RGB of the sky along unit-length or longer directions."""
    length = np.sqrt((direction_3n * direction_3n).sum(0))
    height = np.clip(direction_3n[2] / length, 0, 1)
    blend = np.sqrt(height)
    colour = air.horizon[:, None] * (1 - blend) + air.zenith[:, None] * blend
    if air.cloud_amount:
        flat = np.float32(0.15) / (height + np.float32(0.08))
        u, v = direction_3n[0] / length * flat, direction_3n[1] / length * flat
        cover = air.clouds.sample(u, v, np.full_like(u, 0.004))
        cover = np.clip((cover - (1 - air.cloud_amount)) * np.float32(air.cloud_edge), 0, 1)
        cover = cover * np.clip(height * 6, 0.2, 1)
        colour = colour * (1 - cover) + cover * (0.75 + 0.25 * (1 - blend)) * air.horizon.max() * 1.1
    return colour.astype(np.float32)
