"""The renderer's depth against closed forms, and the promise that a seed fixes a scene."""

import numpy as np
import pytest
from demo_model.scenes import foreground, outdoor, render_scene
from demo_model.scenes.build import plane, rod, solid, turn, vector
from demo_model.scenes.camera import Camera
from demo_model.scenes.compose import HELD_OUT_SEED, LAYOUTS, TRAINING_LAYOUTS
from demo_model.scenes.light_setups import indoors
from demo_model.scenes.materials import make_material
from demo_model.scenes.primitives import Solid
from demo_model.scenes.render import cast, render
from demo_model.scenes.scene import Scene

SIZE = (48, 64)


def look(solids, **camera):
    """z-depth of solids seen from the origin along +y."""
    settings = {"position": vector(0, 0, 0), "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "focal": 1.2} | camera
    rng = np.random.default_rng(0)
    light, air = indoors(rng)
    return cast(Scene(Camera(**settings, size_hw=SIZE), light, air, list(solids)))


def tangents(focal=1.2):
    """x/z and y/z (downwards) of the pixel centres."""
    height, width = SIZE
    scale = focal * max(SIZE) / 2
    x = (np.arange(width) + 0.5 - width / 2) / scale
    y = (np.arange(height) + 0.5 - height / 2) / scale
    return np.meshgrid(x, y)


@pytest.fixture(scope="module")
def material():
    return make_material(np.random.default_rng(1))


def test_plane_across_the_view_has_one_depth(material):
    z, owner, _ = look([plane(vector(0, 3, 0), vector(0, -1, 0), vector(1, 0, 0), material)])
    assert (owner == 0).all()
    np.testing.assert_allclose(z, 3.0, rtol=1e-5)


def test_ground_is_at_height_over_tangent(material):
    z, _, _ = look([plane(vector(0, 0, 0), vector(0, 0, 1), vector(1, 0, 0), material)], position=vector(0, 0, 1.6))
    _, down = tangents()
    expected = np.where(down > 0, 1.6 / np.where(down > 0, down, 1), np.inf)
    np.testing.assert_allclose(z, expected, rtol=1e-4)


def test_pitch_and_roll_turn_the_ground(material):
    ground = plane(vector(0, 0, 0), vector(0, 0, 1), vector(1, 0, 0), material)
    pitch, roll = -0.5, 0.3
    z, _, _ = look([ground], position=vector(0, 0, 2.0), pitch=pitch, roll=roll)
    x, y = tangents()
    level_down = np.sin(roll) * x + np.cos(roll) * y
    drop = np.cos(pitch) * level_down - np.sin(pitch)  # how far a ray falls while z grows by 1
    expected = np.where(drop > 0, 2.0 / np.where(drop > 0, drop, 1), np.inf)
    np.testing.assert_allclose(z, expected, rtol=1e-3)


def test_sphere(material):
    centre, radius = np.array([0.4, 5.0, -0.3]), 1.2
    z, owner, _ = look([solid("sphere", centre, (radius,) * 3, material)])
    x, y = tangents()
    ray = np.stack([x, np.ones_like(x), -y])  # z-depth is along +y here
    a, b, c = (ray**2).sum(0), np.tensordot(centre, ray, 1), centre @ centre - radius**2
    inside = b**2 - a * c > 0
    expected = np.where(inside, (b - np.sqrt(np.where(inside, b**2 - a * c, 0))) / a, np.inf)
    border = np.abs(b**2 - a * c) < 1e-3
    np.testing.assert_allclose(z[~border], expected[~border], rtol=1e-4)
    assert (owner == 0).any() and (owner == -1).any()


def test_turned_box_shows_two_faces_at_their_planes(material):
    z, owner, rays = look([solid("box", (0, 4, 0), (1, 1, 1), material, turn(np.pi / 4))])
    point = rays * z
    seen = owner == 0
    # In the box's own axes the largest coordinate of a surface point is exactly its half length.
    local = np.abs(turn(np.pi / 4).T @ (point[:, seen] - np.array([[0], [4], [0]])))
    np.testing.assert_allclose(local.max(0), 1.0, atol=1e-4)
    np.testing.assert_allclose(z[SIZE[0] // 2, SIZE[1] // 2], 4 - np.sqrt(2), atol=0.06)  # a pixel beside the edge


@pytest.mark.parametrize("taper", [1.0, 0.4, 0.0])
def test_frustum_side_and_caps(material, taper):
    half = (0.8, 0.8, 1.1)
    z, owner, rays = look([solid("frustum", (0, 5, 0.2), half, material, turn(0.3, -0.9), taper=taper)])
    seen = owner == 0
    local = (turn(0.3, -0.9).T @ (rays[:, seen] * z[seen] - np.array([[0], [5], [0.2]]))) / np.array(half)[:, None]
    edge = (1 + taper) / 2 + (taper - 1) / 2 * local[2]
    on_side = np.abs(np.hypot(local[0], local[1]) - edge) < 1e-3
    on_cap = np.abs(np.abs(local[2]) - 1) < 1e-3
    assert (on_side | on_cap).all() and on_side.any() and (on_cap.any() or taper == 0.0)


def test_nearer_hides_farther_whatever_the_order(material):
    near, far = solid("sphere", (0, 3, 0), (0.5,) * 3, material), solid("box", (0, 6, 0), (2, 1, 2), material)
    first, _, _ = look([near, far])
    second, _, _ = look([far, near])
    np.testing.assert_array_equal(first, second)
    assert first[24, 32] == pytest.approx(2.5, abs=0.01)


def test_mask_lets_rays_through(material):
    mask = np.zeros((16, 16), bool)
    mask[:, :8] = True  # the left half, seen from in front
    sheet = Solid(
        "quad", vector(0, 2, 0), np.array([[2, 0, 0], [0, 0, -1], [0, 2, 0]], np.float32), material, mask=mask
    )
    z, _, _ = look([sheet])
    assert np.isfinite(z[24, 20]) and np.isinf(z[24, 44])


def test_windows_hold_all_of_a_solid(material):
    """Only the rows and columns that a solid's sphere can touch are tested against it: nothing may be cut off."""
    rng = np.random.default_rng(3)
    camera = Camera(vector(0, 0, 0), 0.2, 0.1, 0.3, 1.2, SIZE)
    rays = camera.rays_3hw().reshape(3, -1)
    for _ in range(30):
        one = solid(
            "sphere", rng.normal(size=3) * 3 + (0, 3, 0), rng.uniform(0.1, 1.5, 3), material, turn(*rng.normal(size=3))
        )
        hit = np.isfinite(one.intersect(vector(0, 0, 0)[:, None], rays, near=0.02)).reshape(SIZE)
        window = camera.sphere_window(one.centre, one.radius)
        if window is not None:
            hit[window] = False
        assert not hit.any()


def test_normals_are_unit_and_face_the_camera(material):
    solids = [
        rod(vector(-1, 3, 0), vector(1, 4, 0.5), 0.3, material, 0.5),
        solid("box", (0, 5, 0), (1, 1, 1), material, turn(0.4)),
    ]
    z, owner, rays = look(solids)
    for index, one in enumerate(solids):
        seen = owner == index
        assert seen.any()
        normal, _, _ = one.surface(rays[:, seen] * z[seen])
        np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1, atol=1e-4)
        assert ((normal * rays[:, seen]).sum(0) < 1e-3).all()


def test_things_cast_shadows(material):
    ground = plane(vector(0, 0, 0), vector(0, 0, 1), vector(1, 0, 0), material)
    ball = solid("sphere", (0, 6, 3), (0.6,) * 3, material)
    rng = np.random.default_rng(0)
    light, air = indoors(rng)
    light = type(light)(vector(0, 0, 1), light.colour, 0.0, light.ambient * 0.1, light.from_above * 0.1)
    camera = Camera(vector(0, 0, 2), 0.0, -0.3, 0.0, 1.2, SIZE)
    without, _, _ = render(Scene(camera, light, air, [ground]), np.random.default_rng(0))
    with_ball, _, _ = render(Scene(camera, light, air, [ground, ball]), np.random.default_rng(0))
    _, owner, rays = cast(Scene(camera, light, air, [ground, ball]))
    point = camera.position[:, None, None] + rays * (-2 / np.minimum(rays[2], -1e-3))
    under = (np.hypot(point[0], point[1] - 6) < 0.4) & (owner == 0)
    assert under.any()
    assert (with_ball[under] < 0.6 * without[under]).all()


@pytest.mark.parametrize("layout", [layout for layout, _ in TRAINING_LAYOUTS], ids=lambda layout: layout.__name__)
def test_every_layout_renders(layout):
    rng = np.random.default_rng(11)
    linear, inverse, solid = render(layout(rng, (32, 40)), rng)
    assert linear.shape == (32, 40, 3) and inverse.shape == solid.shape == (32, 40)
    assert np.isfinite(linear).all() and (linear >= 0).all()
    assert np.isfinite(inverse).all() and (inverse >= 0).all()


def test_a_point_is_seen_where_it_was_put(material):
    camera = Camera(vector(1, 2, 0.5), 0.4, -0.3, 0.2, 1.2, SIZE)
    at = camera.point(0.5, -0.25, 3.0)
    light, air = indoors(np.random.default_rng(0))
    z, owner, _ = cast(Scene(camera, light, air, [solid("sphere", at, (0.1,) * 3, material)]))
    rows, columns = np.nonzero(owner == 0)
    assert (rows.mean(), columns.mean()) == pytest.approx((0.375 * SIZE[0], 0.75 * SIZE[1]), abs=1)
    assert z[owner == 0].min() == pytest.approx(2.9, abs=0.02)


@pytest.mark.parametrize("add", [foreground.wall, foreground.cut_off, foreground.thin, foreground.standing])
def test_what_is_added_is_in_front(add):
    """Of every scene something is hidden; what is cut off is nearest of all, the others in half of them."""
    nearer, changed = 0, 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = outdoor.field(rng, SIZE)
        before, _, _ = cast(scene)
        scene.solids += add(rng, scene, *foreground.distances(scene))
        after, _, _ = cast(scene)
        assert (after <= before).all()
        changed += (after < before).any()
        nearer += after.min() < 0.9 * before.min()
    assert changed == 8
    assert nearer >= (8 if add is foreground.cut_off else 4)


def test_held_out_scenes_come_from_their_own_layouts(monkeypatch):
    asked = []
    for name, layouts in (("LAYOUTS", LAYOUTS), ("TRAINING_LAYOUTS", TRAINING_LAYOUTS)):

        def watched(rng, size_hw, name=name, layouts=layouts):
            asked.append(name)
            return layouts[0][0](rng, size_hw)

        monkeypatch.setattr(f"demo_model.scenes.compose.{name}", ((watched, 1.0),))
    render_scene(HELD_OUT_SEED, (32, 40))
    render_scene(HELD_OUT_SEED - 1, (32, 40))
    assert asked[0] == "LAYOUTS" and asked[-1] == "TRAINING_LAYOUTS"


def test_same_seed_same_scene_and_another_seed_another():
    first, second, other = (render_scene(seed, (40, 56)) for seed in (5, 5, 6))
    assert first[0].dtype == np.uint8 and first[0].shape == (40, 56, 3)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[0] != other[0]).mean() > 0.5
