"""The cache on disk: shards, sorting them by layout, and the batches drawn from them."""

from pathlib import Path

import numpy as np
import pytest
from demo_model import by_layout
from demo_model.batches import Batches
from demo_model.cache import save_shard, shard_paths, shard_seeds
from demo_model.scenes.compose import LAYOUTS, layout_name


def write_shard(folder: Path, name: str, grey: int, count: int = 4) -> None:
    rgb = np.full((count, 130, 140, 3), grey, np.uint8)
    inverse = np.broadcast_to(np.linspace(0.1, 1, 130, dtype=np.float16)[:, None], (count, 130, 140))
    save_shard(folder / f"{name}.rgb.npy", folder / f"{name}.inverse.npy", rgb, inverse)


def test_batches_take_the_named_shards_only(tmp_path):
    write_shard(tmp_path, "room-000", 20)
    write_shard(tmp_path, "field-000", 220)
    for prefixes, low, high in ((["room-"], 0, 120), (["field-"], 120, 255)):
        batches = Batches(tmp_path, 0, prefixes)
        for step in range(5):
            rgb, inverse = batches[step]
            assert rgb.shape[:3] == inverse.shape and inverse.shape[1] % 14 == 0 == inverse.shape[2] % 14
            assert low <= float(rgb.float().mean()) <= high
    assert len(Batches(tmp_path, 0, ["room-", "field-", "room-"]).shards(0)) == 3


def test_a_batch_is_a_function_of_seed_and_step(tmp_path):
    write_shard(tmp_path, "room-000", 90)
    first, again, other = Batches(tmp_path, 3)[7], Batches(tmp_path, 3)[7], Batches(tmp_path, 4)[7]
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert first[0].shape != other[0].shape or not (first[0] == other[0]).all()


def test_missing_shards_are_an_error(tmp_path):
    write_shard(tmp_path, "room-000", 90)
    with pytest.raises(FileNotFoundError, match="corridor-"):
        Batches(tmp_path, 0, ["room-", "corridor-"])[0]


def test_sorting_by_layout_keeps_every_large_enough_part(tmp_path):
    """Each scene carries its seed as its colour; what comes out under a layout's name has that layout's seeds."""
    cache, sorted_folder = tmp_path / "cache", tmp_path / "sorted"
    cache.mkdir()
    rgb_path, inverse_path = shard_paths(cache, 0)
    seeds = np.arange(len(shard_seeds(0)), dtype=np.uint8)
    save_shard(
        rgb_path, inverse_path,
        np.broadcast_to(seeds[:, None, None, None], (256, 6, 8, 3)).copy(), np.ones((256, 6, 8), np.float16),
    )  # fmt: skip
    by_layout.main(cache, sorted_folder)
    names = [layout_name(seed) for seed in shard_seeds(0)]
    expected = {layout.__name__ for layout, _ in LAYOUTS if names.count(layout.__name__) >= by_layout.FEWEST}
    written = {path.name.split("-")[0] for path in sorted_folder.glob("*.rgb.npy")}
    assert written == expected and written
    for path in sorted_folder.glob("*.rgb.npy"):
        for seed in np.load(path)[:, 0, 0, 0]:
            assert names[int(seed)] == path.name.split("-")[0]
