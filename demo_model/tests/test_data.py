"""Shards on disk, the pool that training draws from, and augmentation."""

import numpy as np
import pytest
import torch
from demo_model import augment as module
from demo_model.augment import Draw, augment, crop, jpeg, noise, recolour, slope_downwards, spoil, worthwhile
from demo_model.pool import Pool
from demo_model.scenes.compose import HELD_OUT_SEED
from demo_model.shards import SHARD, render_shard, save_shard, shard_path, shard_seeds, shard_size


def draw(seed=0):
    return Draw(torch.Generator().manual_seed(seed))


def ramp_scene(count=4, height=60, width=80):
    """A picture that is its own depth: brighter towards the bottom and the right, in a floor and a wall."""
    y, x = np.mgrid[0:height, 0:width]
    values = ((y + x / 2) / (height + width / 2)).astype(np.float32)
    rgb = np.repeat((values * 255)[None, ..., None], 3, 3).astype(np.uint8).repeat(count, 0)
    solid = np.broadcast_to((x < width // 2).astype(np.uint8), (count, height, width))
    return rgb, np.broadcast_to(values, (count, height, width)).astype(np.float16), solid.copy()


def test_a_shard_is_fixed_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr("demo_model.shards.SHARD", 2)
    monkeypatch.setattr("demo_model.shards.SIZES", ((28, 28), (28, 42)))
    monkeypatch.setattr("demo_model.shards.BANKS", 1)
    (tmp_path / "a").mkdir()
    for folder in ("a", "b"):
        render_shard(tmp_path / folder, 3)
    first, second = (np.load(shard_path(tmp_path / folder, 3)) for folder in ("a", "b"))
    for name, dtype in (("rgb", np.uint8), ("inverse", np.float16), ("solid", np.uint8)):
        assert first[name].dtype == dtype and first[name].shape[:3] == (2, *shard_size(3))
        np.testing.assert_array_equal(first[name], second[name])
    assert (first["inverse"] >= 0).all() and first["solid"].max() > 0


def test_no_shard_holds_a_held_out_scene():
    assert shard_seeds(3) == range(3 * SHARD, 4 * SHARD)
    with pytest.raises(ValueError, match="held-out"):
        shard_seeds(HELD_OUT_SEED // SHARD)


def test_the_pool_takes_in_what_comes_and_the_newest_replaces_the_oldest(tmp_path):
    pool = Pool(tmp_path, gigabytes=4 * 6 * 60 * 80 * 6 / 1e9, device=torch.device("cpu"))  # room for six scenes a size
    try:
        for number, grey in enumerate((10, 90, 200)):
            rgb, inverse, solid = ramp_scene()
            save_shard(tmp_path / f"{number}.npz", np.full_like(rgb, grey), inverse, solid)
            while pool.count < min(4 * (number + 1), 6) or len(greys(pool)) < (1, 2, 2)[number]:
                pool.take_in(wait=0.2)
        assert pool.count == 6
        while 200 not in greys(pool):
            pool.take_in(wait=0.2)
        assert greys(pool) <= {10, 90, 200}
        rgb, inverse, solid = pool.draw(5, at_least=0, draw=draw())
        assert rgb.shape == (5, 60, 80, 3) and inverse.shape == solid.shape == (5, 60, 80)
    finally:
        pool.close()


def greys(pool):
    return {int(grey) for store in pool.stores.values() for grey in store.rgb_nhwc[: store.count, 0, 0, 0]}


def test_the_pool_gives_large_scenes_where_they_are_asked_for(tmp_path):
    for name, size in (("small", (60, 80)), ("large", (90, 120))):
        save_shard(tmp_path / f"{name}.npz", *ramp_scene(4, *size))
    pool = Pool(tmp_path, gigabytes=0.01, device=torch.device("cpu"))
    try:
        while pool.count < 8:
            pool.take_in(wait=0.2)
        random = draw()
        assert {pool.draw(1, 90 * 120, random)[0].shape[1:3] for _ in range(10)} == {(90, 120)}
        assert len({pool.draw(1, 0, random)[0].shape[1:3] for _ in range(40)}) == 2
        assert pool.draw(1, 10**9, random)[0].shape[0] == 1  # none is that large: any will do
    finally:
        pool.close()


def test_crops_move_picture_and_depth_together():
    rgb, inverse, _ = ramp_scene(8)
    picture = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    for seed in range(6):
        moved, depth = crop(picture, torch.from_numpy(inverse).float(), (42, 56), draw(seed))
        assert moved.shape == (8, 3, 42, 56) and depth.shape == (8, 42, 56)
        difference = (moved[:, 0] - depth).abs()
        assert difference.flatten().quantile(0.95) < 0.03
        # and crops are not all alike
        assert depth.mean(dim=(1, 2)).std() > 0.01


def test_recolouring_changes_solids_as_wholes():
    rgb, _, solid = ramp_scene(6)
    rgb[:] = 40
    new = recolour(torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(solid), draw(1))
    left, right = new[:, :, 0, 0], new[:, :, 0, -1]
    torch.testing.assert_close(new[:, :, :, :40], left[:, :, None, None].expand(-1, -1, 60, 40))
    assert ((left - right).abs().amax(dim=1) > 0.005).float().mean() > 0.5


def test_augmentation_is_fixed_by_its_generator_and_stays_in_range():
    scene = [torch.from_numpy(array) for array in ramp_scene(12)]
    for size_hw in ((56, 56), (42, 70), (84, 112)):
        first, second, other = (augment(*scene, size_hw, draw(seed)) for seed in (3, 3, 4))
        torch.testing.assert_close(first, second, rtol=0, atol=0)
        assert not torch.equal(first[0], other[0])
        assert first[0].shape == (12, 3, *size_hw) and first[1].shape == (12, *size_hw)
        assert first[0].min() >= 0 and first[0].max() <= 1 and first[0].isfinite().all()


def test_spoiling_touches_about_the_named_shares(monkeypatch):
    monkeypatch.setattr(module, "STEPS", ((lambda rgb, _: rgb + 1, 0.25),))
    spoiled = spoil(torch.zeros(400, 3, 2, 2), draw())
    assert spoiled[:, 0, 0, 0].sum() == pytest.approx(100, abs=1)


def test_jpeg_is_that_of_a_codec():
    """Of a smooth picture it leaves nearly all, of noise it takes the fine part, as OpenCV's codec does."""
    import cv2

    rng = np.random.default_rng(0)
    grain = rng.integers(0, 255, (64, 64, 1), dtype=np.uint8).repeat(3, 2)
    pictures = torch.from_numpy(np.stack([grain, cv2.GaussianBlur(grain, (0, 0), 8)])).permute(0, 3, 1, 2).float() / 255

    class Quality30(Draw):
        def uniform(self, low, high, *shape):
            return torch.full(shape, 30.0)

    ours = jpeg(pictures.clone(), Quality30(torch.Generator()))
    for mine, picture in zip(ours, pictures, strict=True):
        array = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        _, data = cv2.imencode(".jpg", array, [cv2.IMWRITE_JPEG_QUALITY, 30])
        theirs = torch.from_numpy(cv2.imdecode(data, cv2.IMREAD_COLOR)).permute(2, 0, 1) / 255
        assert (mine - theirs).abs().mean() < 0.25 * max((picture - theirs).abs().mean(), 0.01)


def test_noise_has_the_named_strength():
    spread = (noise(torch.full((64, 3, 16, 16), 0.5), draw()) - 0.5).flatten(1).std(dim=1)
    assert spread.min() > 0.003 and spread.max() < 0.07


def test_flat_crops_and_some_that_are_upside_down_are_left_out():
    line = torch.linspace(0.1, 1, 20)[None, :, None].expand(200, 20, 20)
    assert slope_downwards(line[:1]).item() == pytest.approx(1, abs=0.05)
    assert worthwhile(line, draw()).all()
    assert worthwhile(line.flip(1), draw()).float().mean() == pytest.approx(1 - module.SKIP_UPSIDE_DOWN, abs=0.1)
    assert not worthwhile(torch.ones(5, 20, 20), draw()).any()
