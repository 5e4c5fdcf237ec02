"""Shapes as unit solids under an affine map: ray intersections, normals and surface coordinates in local space.

An affine map keeps the ray parameter, so the local ``t`` is the world's. Arrays are (3, N): one row a coordinate, which
keeps every step a contiguous pass over float32.

Unit solids: ``plane`` z = 0 seen from +z; ``quad`` the part of it with |x|, |y| ≤ 1, seen from both sides; ``sphere`` of
radius 1; ``box`` [-1, 1]³; ``frustum`` |z| ≤ 1 with radius 1 at z = -1 and ``taper`` at z = +1 (1: cylinder, 0: cone).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from demo_model.scenes.materials import Material

Array = np.ndarray
Kind = Literal["plane", "quad", "sphere", "box", "frustum"]
_TINY = np.float32(1e-12)
_REACH = {"quad": 2.0**0.5, "sphere": 1.0, "box": 3.0**0.5, "frustum": 2.0**0.5}


@dataclass(frozen=True)
class Solid:
    """One shape in the world.

    Attributes:
        kind: which unit solid.
        centre: (3,) metres, where the local origin goes.
        axes_33: columns are the images of the local axes: direction and half length in metres.
        material: its look, or None for shapes that are only measured.
        taper: frustum only, the top's radius over the bottom's.
        mask: (S, S) bool over the local square [-1, 1]²; False lets the ray through. Quads only.
        casts_shadow: whether it stops light.
    """

    kind: Kind
    centre: Array
    axes_33: Array
    material: Material | None = None
    taper: float = 1.0
    mask: Array | None = None
    casts_shadow: bool = True

    @cached_property
    def inverse_33(self) -> Array:
        """World directions to local ones."""
        return np.linalg.inv(self.axes_33.astype(np.float64)).astype(np.float32)

    @cached_property
    def lengths(self) -> Array:
        """(3,) half extents along the local axes, metres."""
        return np.linalg.norm(self.axes_33, axis=0).astype(np.float32)

    @cached_property
    def radius(self) -> float:
        """Of a sphere around ``centre`` that holds the solid; infinite for a plane. Right for orthogonal axes."""
        if self.kind == "plane":
            return float("inf")
        if self.kind == "sphere":
            return float(self.lengths.max())
        if self.kind == "frustum":
            side = max(self.lengths[0], self.lengths[1]) * max(1.0, self.taper)
            return float(np.hypot(side, self.lengths[2]))
        used = self.lengths[:2] if self.kind == "quad" else self.lengths
        return float(np.sqrt((used**2).sum()))

    def intersect(self, origin_3n: Array, direction_3n: Array, near: float) -> Array:
        """(N,) smallest ray parameter beyond ``near`` at which each ray meets the solid; inf where it does not.

        ``origin_3n`` may be (3, 1): one eye for all rays.
        """
        local_origin = self.inverse_33 @ (origin_3n - self.centre[:, None].astype(np.float32))
        local_direction = self.inverse_33 @ direction_3n
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t_n = _INTERSECT[self.kind](self, local_origin, local_direction, np.float32(near))
        return t_n

    def surface(self, point_3n: Array) -> tuple[Array, Array, Array]:
        """World normals (3, N) and surface coordinates u, v (N,) in metres, at world points on the surface."""
        local = self.inverse_33 @ (point_3n - self.centre[:, None].astype(np.float32))
        normal, u, v = _SURFACE[self.kind](self, local)
        normal = self.inverse_33.T @ normal
        normal /= np.sqrt((normal * normal).sum(0)) + _TINY
        return normal, u, v

    def moved(self, rotation_33: Array, offset: Array, scale: float = 1.0) -> Solid:
        """The same solid after ``x → scale · rotation · x + offset``."""
        rotation = rotation_33.astype(np.float32) * np.float32(scale)
        return replace(self, centre=rotation @ self.centre + offset, axes_33=rotation @ self.axes_33)


def _plane(solid: Solid, o: Array, d: Array, near: np.float32) -> Array:
    t = -o[2] / d[2]
    return np.where((d[2] < 0) & (t > near), t, np.float32(np.inf))


def _quad(solid: Solid, o: Array, d: Array, near: np.float32) -> Array:
    t = -o[2] / d[2]
    x, y = o[0] + t * d[0], o[1] + t * d[1]
    hit = (t > near) & (np.abs(x) <= 1) & (np.abs(y) <= 1)
    if solid.mask is not None:
        size = solid.mask.shape[0]
        index = np.flatnonzero(hit)
        column = np.minimum(((x[index] + 1) * (size / 2)).astype(np.int32), size - 1)
        row = np.minimum(((1 - y[index]) * (size / 2)).astype(np.int32), size - 1)
        hit[index] = solid.mask[row, column]
    return np.where(hit, t, np.float32(np.inf))


def _sphere(solid: Solid, o: Array, d: Array, near: np.float32) -> Array:
    a = (d * d).sum(0)
    b = (o * d).sum(0)
    c = (o * o).sum(0) - 1
    root = np.sqrt(b * b - a * c)  # NaN where the ray passes by, and NaN compares false below
    t = (-b - root) / a
    return np.where(t > near, t, np.float32(np.inf))


def _box(solid: Solid, o: Array, d: Array, near: np.float32) -> Array:
    inverse = 1 / np.where(np.abs(d) < _TINY, _TINY, d)
    middle = -o * inverse
    half = np.abs(inverse)
    enter = (middle - half).max(0)
    leave = (middle + half).min(0)
    return np.where((enter <= leave) & (enter > near), enter, np.float32(np.inf))


def _frustum(solid: Solid, o: Array, d: Array, near: np.float32) -> Array:
    mean, slope = np.float32((1 + solid.taper) / 2), np.float32((solid.taper - 1) / 2)
    edge = mean + slope * o[2]
    a = d[0] ** 2 + d[1] ** 2 - (slope * d[2]) ** 2
    b = o[0] * d[0] + o[1] * d[1] - slope * d[2] * edge
    c = o[0] ** 2 + o[1] ** 2 - edge**2
    root = np.sqrt(b * b - a * c)
    best = np.full(np.broadcast(o[0], d[0]).shape, np.inf, np.float32)
    for t in ((-b - root) / a, (-b + root) / a):
        hit = (t > near) & (t < best) & (np.abs(o[2] + t * d[2]) <= 1)
        best = np.where(hit, t, best)
    for height, cap in ((-1.0, 1.0), (1.0, solid.taper)):
        t = (np.float32(height) - o[2]) / d[2]
        hit = (t > near) & (t < best) & ((o[0] + t * d[0]) ** 2 + (o[1] + t * d[1]) ** 2 <= np.float32(cap * cap))
        best = np.where(hit, t, best)
    return best


_INTERSECT = {"plane": _plane, "quad": _quad, "sphere": _sphere, "box": _box, "frustum": _frustum}


def _flat_surface(solid: Solid, p: Array) -> tuple[Array, Array, Array]:
    normal = np.zeros_like(p)
    normal[2] = 1
    return normal, p[0] * solid.lengths[0], p[1] * solid.lengths[1]


def _sphere_surface(solid: Solid, p: Array) -> tuple[Array, Array, Array]:
    around = np.arctan2(p[1], p[0]) * solid.lengths[:2].mean()
    return p, around, np.arcsin(np.clip(p[2], -1, 1)) * solid.lengths[2]


def _box_surface(solid: Solid, p: Array) -> tuple[Array, Array, Array]:
    axis = np.abs(p).argmax(0)
    columns = np.arange(p.shape[1])
    normal = np.zeros_like(p)
    normal[axis, columns] = np.sign(p[axis, columns])
    metres = p * solid.lengths[:, None]
    u = np.where(axis == 0, metres[1], metres[0])
    v = np.where(axis == 2, metres[1], metres[2])
    return normal, u, v


def _frustum_surface(solid: Solid, p: Array) -> tuple[Array, Array, Array]:
    slope = np.float32((solid.taper - 1) / 2)
    edge = np.float32((1 + solid.taper) / 2) + slope * p[2]
    distance = np.hypot(p[0], p[1])
    # On a cap the point is inside the side's radius; the side is where the two are equal.
    on_cap = (np.abs(np.abs(p[2]) - 1) < 1e-3) & (distance < edge * 0.999)
    unit = np.maximum(distance, _TINY)
    normal = np.stack([p[0] / unit, p[1] / unit, np.full_like(distance, -slope)])
    normal[:, on_cap] = 0
    normal[2, on_cap] = np.sign(p[2, on_cap])
    u = np.where(on_cap, p[0] * solid.lengths[0], np.arctan2(p[1], p[0]) * solid.lengths[0])
    v = np.where(on_cap, p[1] * solid.lengths[1], p[2] * solid.lengths[2])
    return normal, u, v


_SURFACE = {
    "plane": _flat_surface,
    "quad": _flat_surface,
    "sphere": _sphere_surface,
    "box": _box_surface,
    "frustum": _frustum_surface,
}
