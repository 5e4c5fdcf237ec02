"""The pinhole camera: rays whose parameter is z-depth, and the picture rectangle that a sphere can touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray
NEAR = 0.02
"""Nothing nearer than this (metres) is seen."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        position: (3,) metres.
        yaw, pitch, roll: radians. Yaw turns right from +y, pitch tilts up, roll turns the picture clockwise.
        focal: focal length in units of half the picture's longer side (1 is a 90° field of view).
        size_hw: picture size in pixels.
    """

    position: Array
    yaw: float
    pitch: float
    roll: float
    focal: float
    size_hw: tuple[int, int]

    @cached_property
    def axes_33(self) -> Array:
        """Rows: right, down and forward, unit vectors in the world."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([sy * cp, cy * cp, sp])
        level_right = np.array([cy, -sy, 0.0])
        level_down = np.cross(forward, level_right)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        right = cr * level_right + sr * level_down
        down = -sr * level_right + cr * level_down
        return np.stack([right, down, forward]).astype(np.float32)

    @cached_property
    def pixels_per_tangent(self) -> float:
        """Focal length in pixels: how many pixels one unit of x/z spans."""
        return self.focal * max(self.size_hw) / 2

    @property
    def reach(self) -> tuple[float, float]:
        """Half the picture's width and height as tangents."""
        height, width = self.size_hw
        return width / 2 / self.pixels_per_tangent, height / 2 / self.pixels_per_tangent

    def point(self, x: float, y: float, z: float) -> Array:
        """(3,) float32: the point at ``x``, ``y`` in the picture whose sides are at -1 and 1 (y down), with z-depth ``z``."""
        right, down, forward = self.axes_33
        across, along = self.reach
        return (self.position + z * (forward + right * x * across + down * y * along)).astype(np.float32)

    def rays_3hw(self) -> Array:
        """(3, H, W) float32 world directions with a forward component of exactly 1, so that the ray parameter is z-depth."""
        height, width = self.size_hw
        x_w = ((np.arange(width) + 0.5 - width / 2) / self.pixels_per_tangent).astype(np.float32)
        y_h = ((np.arange(height) + 0.5 - height / 2) / self.pixels_per_tangent).astype(np.float32)
        right, down, forward = self.axes_33[:, :, None, None]
        return right * x_w[None, None, :] + down * y_h[None, :, None] + forward

    def sphere_window(self, centre: Array, radius: float) -> tuple[slice, slice] | None:
        """Rows and columns that a sphere can touch, or None when it is out of the picture.

        The tangent planes through the eye give the exact extent in x/z and in y/z.
        """
        right, down, forward = self.axes_33 @ (centre - self.position)
        height, width = self.size_hw
        if forward < -radius + NEAR:
            return None
        if forward <= radius * 1.01 + NEAR:
            return slice(0, height), slice(0, width)
        columns = self._span(float(right), float(forward), radius, width)
        rows = self._span(float(down), float(forward), radius, height)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def _span(self, side: float, forward: float, radius: float, pixels: int) -> slice:
        root = radius * np.sqrt(max(side * side + forward * forward - radius * radius, 0.0))
        denominator = forward * forward - radius * radius
        low = (side * forward - root) / denominator * self.pixels_per_tangent + pixels / 2
        high = (side * forward + root) / denominator * self.pixels_per_tangent + pixels / 2
        return slice(int(np.clip(np.floor(low), 0, pixels)), int(np.clip(np.ceil(high) + 1, 0, pixels)))
