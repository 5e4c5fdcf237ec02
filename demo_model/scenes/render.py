"""The ray caster: a scene to linear colour and z-depth, one primary ray a pixel."""

from __future__ import annotations

import cv2
import numpy as np

from demo_model.scenes.camera import NEAR
from demo_model.scenes.lighting import corner_darkening, light_directions, nearby_darkening, shadow, sky_colours
from demo_model.scenes.primitives import Solid
from demo_model.scenes.scene import Scene

Array = np.ndarray
NOTHING = -1


def cast(scene: Scene) -> tuple[Array, Array, Array]:
    """What each pixel sees.

    Returns:
        ``z_hw`` float32 metres along the optical axis, inf for the sky; ``owner_hw`` int32 index into ``scene.solids``,
        -1 for the sky; ``rays_3hw``, so that a point is ``eye + z · ray``.
    """
    camera = scene.camera
    rays_3hw = camera.rays_3hw()
    z_hw = np.full(camera.size_hw, np.inf, np.float32)
    owner_hw = np.full(camera.size_hw, NOTHING, np.int32)
    eye_31 = camera.position[:, None].astype(np.float32)
    whole = (slice(0, camera.size_hw[0]), slice(0, camera.size_hw[1]))
    for index, solid in enumerate(scene.solids):
        window = whole if solid.kind == "plane" else camera.sphere_window(solid.centre, solid.radius)
        if window is None:
            continue
        rows, columns = window
        z_part = z_hw[rows, columns]
        t = solid.intersect(eye_31, rays_3hw[:, rows, columns].reshape(3, -1), near=NEAR).reshape(z_part.shape)
        nearer = t < z_part
        z_part[nearer] = t[nearer]
        owner_hw[rows, columns][nearer] = index
    return z_hw, owner_hw, rays_3hw


def render(scene: Scene, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Linear RGB (H, W, 3), inverse z-depth (H, W) in 1/m, 0 for the sky, both float32; and the solid of each pixel, -1 for
    the sky, int32."""
    z_hw, owner_hw, rays_3hw = cast(scene)
    height, width = z_hw.shape
    seen = np.flatnonzero(owner_hw.ravel() != NOTHING)
    rays = rays_3hw.reshape(3, -1)
    colour = np.empty((3, height * width), np.float32)
    sky = np.flatnonzero(owner_hw.ravel() == NOTHING)
    colour[:, sky] = sky_colours(scene.air, rays[:, sky])
    if seen.size:
        colour[:, seen] = _shade(scene, z_hw, owner_hw, rays_3hw, seen, rng)
    inverse = np.where(np.isfinite(z_hw), 1 / z_hw, 0).astype(np.float32)
    picture = np.ascontiguousarray(colour.reshape(3, height, width).transpose(1, 2, 0))
    return _defocus(picture, inverse, scene), inverse, owner_hw


def _shade(scene: Scene, z_hw: Array, owner_hw: Array, rays_3hw: Array, seen: Array, rng: np.random.Generator) -> Array:
    eye = scene.camera.position[:, None].astype(np.float32)
    rays = rays_3hw.reshape(3, -1)[:, seen]
    z = z_hw.ravel()[seen]
    owner = owner_hw.ravel()[seen]
    point = eye + rays * z
    albedo, normal, gloss, shine, glow = _surfaces(scene.solids, scene, point, rays, z, owner)

    light = scene.light
    towards, distance = light_directions(light, point)
    rays_a_point = 2 if light.softness > 0.02 else 1
    lit = np.zeros(seen.size, np.float32)
    for _ in range(rays_a_point):
        jitter = rng.standard_normal((3, seen.size), dtype=np.float32) * np.float32(light.softness)
        lit += shadow(scene.solids, point, normal, towards + jitter, distance)
    lit = _smooth_over_surface(lit / rays_a_point, seen, owner_hw, rays_a_point > 1)

    cosine = np.maximum((normal * towards).sum(0), 0)
    if light.is_lamp:
        cosine = cosine * np.minimum(4.0 / (0.4 + distance**2), 4.0)
    shape = (3, *z_hw.shape)
    everywhere_point, everywhere_normal = np.full(shape, 1e6, np.float32), np.zeros(shape, np.float32)
    everywhere_point.reshape(3, -1)[:, seen] = point
    everywhere_normal.reshape(3, -1)[:, seen] = normal
    opened = nearby_darkening(scene.solids, scene.camera, everywhere_point, everywhere_normal, owner_hw, 0.9)
    opened = opened.ravel()[seen] * corner_darkening(scene.solids, point, owner, reach=0.4)
    around = light.ambient[:, None] + light.from_above[:, None] * (0.5 + 0.5 * normal[2])
    colour = albedo * (light.colour[:, None] * (cosine * lit) + around * opened + glow)

    view = -rays / np.sqrt((rays * rays).sum(0))
    halfway = towards + view
    halfway /= np.sqrt((halfway * halfway).sum(0)) + 1e-6
    highlight = gloss * np.maximum((normal * halfway).sum(0), 0) ** shine * lit
    mirrored = rays - 2 * (normal * rays).sum(0) * normal
    fresnel = gloss * 0.35 * (0.15 + 0.85 * (1 - np.clip((normal * view).sum(0), 0, 1)) ** 4)
    reflected = sky_colours(scene.air, mirrored) * np.where(mirrored[2] > 0, 1, 0.3)
    colour = colour + light.colour[:, None] * highlight + reflected * fresnel * opened
    clear = np.exp(-z * np.float32(scene.air.haze))
    return (colour * clear + scene.air.haze_colour[:, None] * (1 - clear)).astype(np.float32)


def _surfaces(
    solids: list[Solid], scene: Scene, point: Array, rays: Array, z: Array, owner: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Albedo and normal (3, N), gloss, shine and glow (N,), for points sorted by whom they belong to."""
    albedo, normal = np.empty_like(point), np.empty_like(point)
    gloss, shine, glow = (np.empty(owner.size, np.float32) for _ in range(3))
    order = np.argsort(owner, kind="stable")
    borders = np.flatnonzero(np.diff(owner[order])) + 1
    for part in np.split(order, borders):
        solid = solids[owner[part[0]]]
        assert solid.material is not None
        facing, u, v = solid.surface(point[:, part])
        cosine = (facing * rays[:, part]).sum(0)
        if solid.kind == "quad":
            facing = np.where(cosine > 0, -facing, facing)
        length = np.sqrt((rays[:, part] ** 2).sum(0))
        footprint = z[part] / scene.camera.pixels_per_tangent / np.sqrt(np.clip(np.abs(cosine) / length, 0.05, 1))
        albedo[:, part] = solid.material.colours(u, v, footprint)
        normal[:, part] = facing
        gloss[part], shine[part], glow[part] = solid.material.gloss, solid.material.shine, solid.material.glow
    return albedo, normal, gloss, shine, glow


def _smooth_over_surface(lit: Array, seen: Array, owner_hw: Array, wide: bool) -> Array:
    """Soften one-ray shadows a little, without carrying them over from one solid to the next."""
    lit_hw = np.zeros(owner_hw.shape, np.float32)
    lit_hw.ravel()[seen] = lit
    size = (5, 5) if wide else (3, 3)
    blurred = cv2.blur(lit_hw, size)
    same = cv2.erode(owner_hw.astype(np.float32), np.ones(size)) == cv2.dilate(
        owner_hw.astype(np.float32), np.ones(size)
    )
    return np.where(same, blurred, lit_hw).ravel()[seen]


def _defocus(picture: Array, inverse: Array, scene: Scene) -> Array:
    """A lens's blur: two blurred copies, mixed by each pixel's circle of confusion ``aperture · |1/z - 1/focus|``."""
    if scene.aperture <= 0:
        return picture
    pixels = max(inverse.shape) / 100 * scene.aperture * np.abs(cv2.GaussianBlur(inverse, (0, 0), 1) - scene.focus)
    result = picture
    for sigma in (1.5, 4.0):
        weight = np.clip(pixels / sigma - 0.4, 0, 1)[..., None]
        result = result * (1 - weight) + cv2.GaussianBlur(picture, (0, 0), sigma) * weight
    return result
