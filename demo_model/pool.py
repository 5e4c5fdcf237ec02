"""The scenes that training draws from, kept in the memory of the device; new shards are taken in while training goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import torch
from torch import Tensor

from demo_model.augment import Draw

_LOOK_AGAIN = 0.5
"""Seconds between two looks at the folder."""


class Store:
    """Scenes of one size in three tensors, the newest in place of the oldest once they are full."""

    def __init__(self, size_hw: tuple[int, int], capacity: int, device: torch.device) -> None:
        self.rgb_nhwc = torch.empty(capacity, *size_hw, 3, dtype=torch.uint8, device=device)
        self.inverse_nhw = torch.empty(capacity, *size_hw, dtype=torch.float16, device=device)
        self.solid_nhw = torch.empty(capacity, *size_hw, dtype=torch.uint8, device=device)
        self.capacity, self.taken_in = capacity, 0

    @property
    def count(self) -> int:
        return min(self.taken_in, self.capacity)

    def add(self, shard: dict[str, Tensor]) -> None:
        at = self.taken_in % self.capacity
        kept = min(len(shard["rgb"]), self.capacity - at)
        for name, store in (("rgb", self.rgb_nhwc), ("inverse", self.inverse_nhw), ("solid", self.solid_nhw)):
            store[at : at + kept].copy_(shard[name][:kept], non_blocking=True)
        self.taken_in += kept

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        device = self.rgb_nhwc.device
        index = torch.randint(self.count, (count,), generator=generator, device=device)
        return self.rgb_nhwc[index], self.inverse_nhw[index], self.solid_nhw[index]


class Pool:
    """Shards of a folder, read by a thread of their own.

    Args:
        folder: where :mod:`demo_model.shards` writes.
        gigabytes: of device memory to fill, half of it with large scenes.
        device: where the scenes are kept.
    """

    def __init__(self, folder: Path, gigabytes: float, device: torch.device) -> None:
        self.folder, self.gigabytes, self.device = folder, gigabytes, device
        self.stores: dict[tuple[int, int], Store] = {}
        self._ready: Queue[dict[str, Tensor]] = Queue(maxsize=16)
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        seen: set[Path] = set()
        while not self._stop.is_set():
            new = sorted(set(self.folder.glob("*.npz")) - seen)
            for path in new:
                with np.load(path) as archive:
                    shard = {name: torch.from_numpy(archive[name]) for name in ("rgb", "inverse", "solid")}
                if self.device.type == "cuda":
                    shard = {name: tensor.pin_memory() for name, tensor in shard.items()}
                self._ready.put(shard)
                seen.add(path)
            if not new:
                self._stop.wait(_LOOK_AGAIN)

    def take_in(self, wait: float = 0.0) -> None:
        """Copy what has been read to the device; with ``wait``, up to that many seconds for a first shard."""
        while True:
            try:
                shard = self._ready.get(timeout=wait) if wait else self._ready.get_nowait()
            except Empty:
                return
            wait = 0.0
            height, width = shard["rgb"].shape[1:3]
            if (height, width) not in self.stores:
                # Four sizes come, and a scene takes six bytes a pixel.
                capacity = int(self.gigabytes * 1e9 / 4 / (6 * height * width))
                self.stores[height, width] = Store((height, width), max(capacity, len(shard["rgb"])), self.device)
            self.stores[height, width].add(shard)

    @property
    def count(self) -> int:
        """Scenes in the pool."""
        return sum(store.count for store in self.stores.values())

    def draw(self, count: int, at_least: int, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """``count`` scenes of one size: uint8 ``[B, H, W, 3]``, float16 and uint8 ``[B, H, W]``.

        Sizes come as often as they have scenes; those whose area is below ``at_least`` pixels are left out where there
        are larger ones.
        """
        sizes = [size for size in self.stores if size[0] * size[1] >= at_least] or list(self.stores)
        picked = sizes[draw.choice([self.stores[size].count for size in sizes])]
        return self.stores[picked].draw(count, draw.generator)

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        while self._reader.is_alive():  # it may wait for room in the queue
            self.take_in(wait=0.1)
