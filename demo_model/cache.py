"""Rendered scenes on disk, in shards that are written once and read through a memory map.

A shard of ``SHARD`` scenes is two ``.npy`` files: ``v1-00000012.rgb.npy`` uint8 [scene, H, W, 3] and
``v1-00000012.inverse.npy`` float16 [scene, H, W] (1/m). All scenes of a shard have one size; the sizes go round.

    python -m demo_model.cache FOLDER --shards 80 --jobs 2
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from demo_model.files import write_atomically
from demo_model.scenes.compose import DATA_VERSION, render_scene

Array = np.ndarray
SHARD = 256
SIZES: tuple[tuple[int, int], ...] = ((192, 192), (176, 216), (192, 192), (216, 176))
HELD_OUT_SEED = 10_000_000
"""Training seeds lie below; evaluation uses this seed and those after it."""


def shard_size(shard: int) -> tuple[int, int]:
    """Height and width of a shard's scenes."""
    return SIZES[shard % len(SIZES)]


def shard_seeds(shard: int) -> range:
    """Seeds of a shard's scenes."""
    seeds = range(shard * SHARD, (shard + 1) * SHARD)
    if seeds.stop > HELD_OUT_SEED:
        raise ValueError(f"shard {shard} reaches into the held-out seeds from {HELD_OUT_SEED}")
    return seeds


def shard_paths(folder: Path, shard: int) -> tuple[Path, Path]:
    """The pictures' file and the depths' file."""
    stem = f"v{DATA_VERSION}-{shard:08d}"
    return folder / f"{stem}.rgb.npy", folder / f"{stem}.inverse.npy"


def render_shard(folder: Path, shard: int) -> bool:
    """Render one shard unless it is there; returns whether it was. The depths' file comes last: it says that all is there."""
    rgb_path, inverse_path = shard_paths(folder, shard)
    if inverse_path.exists():
        return False
    scenes = [render_scene(seed, shard_size(shard)) for seed in shard_seeds(shard)]
    rgb_nhwc = np.stack([rgb for rgb, _ in scenes])
    inverse_nhw = np.stack([inverse for _, inverse in scenes]).astype(np.float16)
    save_shard(rgb_path, inverse_path, rgb_nhwc, inverse_nhw)
    return True


def save_shard(rgb_path: Path, inverse_path: Path, rgb_nhwc: Array, inverse_nhw: Array) -> None:
    """Write both files of a shard, the depths last."""
    for path, array in ((rgb_path, rgb_nhwc), (inverse_path, inverse_nhw)):
        write_atomically(path, lambda temporary, array=array: _save(temporary, array))


def _save(path: Path, array: Array) -> None:
    with path.open("wb") as file:  # np.save would append .npy to the temporary's name
        np.save(file, array)


def _quiet_worker() -> None:
    import cv2

    cv2.setNumThreads(1)
    os.nice(5)


def _job(arguments: tuple[Path, int]) -> bool:
    return render_shard(*arguments)


def main(
    folder: Path,
    shards: Annotated[int, typer.Option(help="How many shards to have in the end.")] = 80,
    first: Annotated[int, typer.Option(help="Number of the first shard.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Render the shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read by the workers when they import numpy
        os.environ.setdefault(name, "1")
    work = [(folder, shard) for shard in range(first, first + shards)]
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=_quiet_worker) as pool:
        rendered = sum(track(pool.imap_unordered(_job, work), total=len(work), description="shards"))
    typer.echo(f"{rendered} rendered, {len(work) - rendered} were there")


if __name__ == "__main__":
    typer.run(main)
