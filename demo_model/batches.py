"""Training batches out of the cache. Batch ``step`` is a function of the seed, the step and the shards that are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from demo_model.augment import augment

Array = np.ndarray
PATCH = 14

# Grid (patches high, wide), pictures in a batch, how often, and how often late in a run, when the model gets used to the
# size at which it will be looked through. Batches hold about the same number of patches.
SHAPES: tuple[tuple[tuple[int, int], int, float, float], ...] = (
    ((8, 8), 10, 6.0, 2.0),
    ((8, 10), 8, 1.0, 1.0),
    ((10, 8), 8, 1.0, 1.0),
    ((10, 10), 6, 2.0, 2.0),
    ((9, 12), 6, 1.0, 1.5),
    ((12, 9), 6, 1.0, 1.5),
    ((12, 12), 4, 1.5, 3.0),
    ((16, 16), 3, 0.5, 3.0),
)


SKIP_UPSIDE_DOWN = 0.3
"""Share of the crops that get nearer towards the top which is left out. The renderer makes them at one in four, far above
what photographs hold, and with planes at any slant they are the hardest to read."""


def slope_downwards(inverse: Array) -> float:
    """Correlation of inverse depth with "lower is nearer", from -1 to 1."""
    row_h = inverse.mean(axis=1)
    line_h = np.linspace(-1, 1, row_h.size)
    spread = float(inverse.std()) * float(line_h.std())
    return float(((row_h - row_h.mean()) * line_h).mean()) / max(spread, 1e-9)


@cache
def _open(path: Path) -> Array:
    return np.load(path, mmap_mode="r")


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """``self[step]`` is uint8 RGB ``[B, H, W, 3]`` and float32 inverse depth ``[B, H, W]``.

    Shards that turn up while training goes on are taken in; for runs that can be repeated exactly, fill the cache first.

    Args:
        folder: the cache.
        seed: of all draws.
        prefixes: use only the shards whose file names start with one of these: layouts (``corridor-``) or a data version
            (``v2-``). A prefix that is named twice counts twice.
        late: draw sizes as they are wanted late in a run.
    """

    def __init__(self, folder: Path, seed: int, prefixes: Sequence[str] = ("",), late: bool = False) -> None:
        self.folder, self.seed, self.prefixes, self.late = folder, seed, tuple(prefixes), late
        self._shards: list[Path] = []
        self._looked_at = -1

    def shards(self, step: int) -> list[Path]:
        """Depth files of the shards in use; looked up again every 200 steps."""
        if step // 200 != self._looked_at or not self._shards:
            found = [sorted(self.folder.glob(f"{prefix}*.inverse.npy")) for prefix in self.prefixes]
            for prefix, shards in zip(self.prefixes, found, strict=True):
                if not shards:
                    raise FileNotFoundError(
                        f"{self.folder}: no shards {prefix}*.inverse.npy; render some with demo_model.cache"
                    )
            self._shards = [shard for shards in found for shard in shards]
            self._looked_at = step // 200
        return self._shards

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, step))
        shards = self.shards(step)
        odds = np.array([shape[3 if self.late else 2] for shape in SHAPES])
        grid_hw, count, *_ = SHAPES[int(rng.choice(len(SHAPES), p=odds / odds.sum()))]
        size_hw = (grid_hw[0] * PATCH, grid_hw[1] * PATCH)
        pictures, depths = [], []
        while len(pictures) < count:
            path = shards[int(rng.integers(len(shards)))]
            inverse_nhw = _open(path)
            rgb_nhwc = _open(path.with_name(path.name.replace(".inverse.", ".rgb.")))
            index = int(rng.integers(len(inverse_nhw)))
            rgb, inverse = augment(rgb_nhwc[index], inverse_nhw[index].astype(np.float32), size_hw, rng)
            if inverse.max() <= 1.02 * np.median(inverse):  # a crop of nothing but sky, or of one flat thing
                continue
            if rng.random() < SKIP_UPSIDE_DOWN and slope_downwards(inverse) < -0.1:
                continue
            pictures.append(rgb)
            depths.append(inverse)
        return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(depths))


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def loader(batches: Batches, numbers: range) -> DataLoader[tuple[Tensor, Tensor]]:
    """The batches of these numbers, made ahead by one process."""
    return DataLoader(
        batches, batch_size=None, sampler=numbers, num_workers=1, prefetch_factor=8, worker_init_fn=_one_thread
    )
