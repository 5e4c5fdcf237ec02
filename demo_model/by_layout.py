"""Sort a cache's scenes by layout, for phases of training that see some layouts only.

    python -m demo_model.by_layout CACHE SORTED

writes shards such as ``corridor-003.rgb.npy`` and ``corridor-003.inverse.npy``, which ``demo_model.train --data corridor-``
picks out.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import typer
from rich.progress import track

from demo_model.cache import save_shard, shard_seeds
from demo_model.scenes.compose import DATA_VERSION, layout_name

Array = np.ndarray
SHARD = 128
FEWEST = 40
"""A rest smaller than this is left out: its scenes would be drawn far too often."""


def main(cache: Path, folder: Path) -> None:
    """Read all shards of the present data version and write them anew by layout."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting: defaultdict[tuple[str, int, int], list[tuple[Array, Array]]] = defaultdict(list)
    numbers: defaultdict[str, int] = defaultdict(int)

    def write(name: str, scenes: list[tuple[Array, Array]]) -> None:
        stem = folder / f"{name}-{numbers[name]:03d}"
        numbers[name] += 1
        rgb_nhwc, inverse_nhw = (np.stack(part) for part in zip(*scenes, strict=True))
        save_shard(stem.with_suffix(".rgb.npy"), stem.with_suffix(".inverse.npy"), rgb_nhwc, inverse_nhw)

    for path in track(sorted(cache.glob(f"v{DATA_VERSION}-*.inverse.npy")), description="shards"):
        inverse_nhw = np.load(path, mmap_mode="r")
        rgb_nhwc = np.load(path.with_name(path.name.replace(".inverse.", ".rgb.")), mmap_mode="r")
        number = int(path.name.split(".")[0].split("-")[1])
        for seed, rgb, inverse in zip(shard_seeds(number), rgb_nhwc, inverse_nhw, strict=True):
            key = (layout_name(seed), *inverse.shape)
            waiting[key].append((np.array(rgb), np.array(inverse)))
            if len(waiting[key]) == SHARD:
                write(key[0], waiting.pop(key))
    for (name, *_), scenes in waiting.items():
        if len(scenes) >= FEWEST:
            write(name, scenes)
    typer.echo(", ".join(f"{name} {count}" for name, count in sorted(numbers.items())))


if __name__ == "__main__":
    typer.run(main)
