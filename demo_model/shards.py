"""Scenes rendered ahead, in shards on disk, by several processes: ``python -m demo_model.shards FOLDER --jobs 16``.

A shard is one ``.npz`` of ``SHARD`` scenes of one size: ``rgb`` uint8 [scene, H, W, 3], ``inverse`` float16 [scene, H, W]
(1/m, 0 for the sky) and ``solid`` uint8 [scene, H, W], the number of the solid that a pixel shows, modulo 256. A shard's
number fixes what is in it.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from demo_model.files import write_atomically
from demo_model.scenes.compose import DATA_VERSION, HELD_OUT_SEED, render_solids
from demo_model.scenes.textures import use_bank

Array = np.ndarray
SHARD = 32
SIZES: tuple[tuple[int, int], ...] = ((256, 256), (232, 280), (256, 256), (280, 232)) * 2
LARGE = (416, 416)
"""Size of every eighth shard, for crops that are looked at with many patches."""
BANKS = 16
"""How many banks of textures the shards go through."""


def shard_size(number: int) -> tuple[int, int]:
    """Height and width of a shard's scenes."""
    return LARGE if number % len(SIZES) == len(SIZES) - 1 else SIZES[number % len(SIZES)]


def shard_seeds(number: int) -> range:
    """Seeds of a shard's scenes."""
    seeds = range(number * SHARD, (number + 1) * SHARD)
    if seeds.stop > HELD_OUT_SEED:
        raise ValueError(f"shard {number} reaches into the held-out seeds from {HELD_OUT_SEED}")
    return seeds


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"v{DATA_VERSION}-{number:06d}.npz"


def render_shard(folder: Path, number: int) -> None:
    """Render one shard unless it is there."""
    path = shard_path(folder, number)
    if path.exists():
        return
    # Not the number's rest by BANKS: that would tie banks to sizes.
    use_bank(number // len(SIZES) % BANKS)
    scenes = [render_solids(seed, shard_size(number)) for seed in shard_seeds(number)]
    rgb, inverse, solid = (np.stack(arrays) for arrays in zip(*scenes, strict=True))
    save_shard(path, rgb, inverse.astype(np.float16), (solid % 256).astype(np.uint8))


def save_shard(path: Path, rgb_nhwc: Array, inverse_nhw: Array, solid_nhw: Array) -> None:
    """Write a shard whole or not at all."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # np.savez would append .npz to the temporary's name
            np.savez(file, rgb=rgb_nhwc, inverse=inverse_nhw, solid=solid_nhw)

    write_atomically(path, write)


def _work(folder: Path, numbers: list[int]) -> None:
    import cv2

    cv2.setNumThreads(1)
    os.nice(15)  # a step of the training beside it waits for its launches
    for number in numbers:
        render_shard(folder, number)


def main(
    folder: Path,
    shards: Annotated[int, typer.Option(help="How many shards to have in the end.")] = 500,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Render the shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read by the workers when they import numpy
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")
    # A process takes whole rounds of sizes, every round from one bank, and so makes few banks.
    rounds = [[n for n in range(shards) if n // len(SIZES) % jobs == job] for job in range(jobs)]
    workers = [context.Process(target=_work, args=(folder, numbers), daemon=True) for numbers in rounds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("dptscope demo model: a renderer failed, see above")


if __name__ == "__main__":
    typer.run(main)
