"""Short ways to say a solid, and to put a group of them somewhere."""

from __future__ import annotations

import numpy as np

from demo_model.scenes.materials import Material
from demo_model.scenes.primitives import Kind, Solid

Array = np.ndarray


def vector(x: float, y: float, z: float) -> Array:
    """(3,) float32."""
    return np.array([x, y, z], np.float32)


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """(3, 3) float32 rotation: roll about y, then pitch about x, then yaw about z; radians."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def random_turn(rng: np.random.Generator) -> Array:
    """(3, 3) float32 rotation, uniform over all orientations."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return (q * np.sign(np.linalg.det(q))).astype(np.float32)


def solid(
    kind: Kind,
    centre: tuple[float, float, float] | Array,
    half: tuple[float, float, float] | Array,
    material: Material,
    rotation: Array | None = None,
    *,
    taper: float = 1.0,
    mask: Array | None = None,
    casts_shadow: bool = True,
) -> Solid:
    """A solid by its centre and half lengths in metres, turned by ``rotation``."""
    axes = np.diag(np.asarray(half, np.float32))
    if rotation is not None:
        axes = rotation @ axes
    return Solid(kind, np.asarray(centre, np.float32), axes, material, taper, mask, casts_shadow)


def plane(point: Array, normal: Array, along: Array, material: Material) -> Solid:
    """An endless plane through ``point``, seen from the side of ``normal``; textures run ``along`` a direction in it."""
    normal = np.asarray(normal, np.float32) / np.linalg.norm(normal)
    along = np.asarray(along, np.float32)
    along = along - normal * (along @ normal)
    along /= np.linalg.norm(along)
    axes = np.stack([along, np.cross(normal, along), normal], axis=1)
    return Solid("plane", np.asarray(point, np.float32), axes.astype(np.float32), material)


def rod(start: Array, end: Array, radius: float, material: Material, taper: float = 1.0) -> Solid:
    """A frustum from ``start`` to ``end``: legs, limbs, branches, wires."""
    direction = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    length = float(np.linalg.norm(direction))
    up = direction / max(length, 1e-6)
    helper = vector(0, 0, 1) if abs(up[2]) < 0.9 else vector(1, 0, 0)
    right = np.cross(helper, up)
    right /= np.linalg.norm(right)
    axes = np.stack([right * radius, np.cross(up, right) * radius, up * length / 2], axis=1)
    return Solid("frustum", (np.asarray(start) + np.asarray(end)) / 2, axes.astype(np.float32), material, taper)


def upright(
    centre: tuple[float, float, float], width: float, height: float, yaw: float, material: Material, mask: Array | None
) -> Solid:
    """A standing sheet whose flat side looks along -y when ``yaw`` is 0; half width and half height in metres."""
    axes = turn(yaw) @ np.array([[width, 0, 0], [0, 0, -1], [0, height, 0]], np.float32)
    return Solid("quad", np.asarray(centre, np.float32), axes.astype(np.float32), material, 1.0, mask)


def place(
    solids: list[Solid], at: Array, yaw: float = 0.0, scale: float = 1.0, rotation: Array | None = None
) -> list[Solid]:
    """The group turned, scaled and moved from its own origin to ``at``."""
    how = turn(yaw) if rotation is None else rotation
    return [part.moved(how, np.asarray(at, np.float32), scale) for part in solids]


def top_of(solids: list[Solid]) -> float:
    """How high a group reaches above its own origin, in metres, at most."""
    return max(float(part.centre[2] + part.lengths.max()) for part in solids)
