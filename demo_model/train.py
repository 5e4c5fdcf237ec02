"""Train the model on rendered scenes: ``python -m demo_model.train --state FOLDER --shards FOLDER --seconds 540``.

A run is told how long it may take, because what limits it is a lent machine: the learning rate and the sizes of the crops
follow the share of that time that has gone by. Scenes may be rendered while it trains (:mod:`demo_model.shards`). A run from
trained weights (``--init``) is told to begin late in that schedule; with ``--begin 0.5`` where the rate comes down.

Everything that a run needs to go on lies in the state folder: ``state.pt`` (weights, their average, the optimizers),
``log.jsonl`` (one line every ``--log-every`` steps, one at each evaluation) and ``weights.safetensors`` (the average
weights). Run the same command again to go on after a stop.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn

from demo_model import published
from demo_model.augment import Draw, augment
from demo_model.files import write_atomically
from demo_model.held_out import HeldOut
from demo_model.model import build
from demo_model.pool import Pool
from demo_model.scenes.compose import DATA_VERSION
from demo_model.step import TERMS, Plan, Step
from demo_model.training_model import prepare_for_training

PATCH = 14

# Grid (patches high, wide) and how often it comes in the first half of a run, in the next third, and in the rest.
GRIDS: tuple[tuple[tuple[int, int], tuple[float, float, float]], ...] = (
    ((8, 8), (6.0, 1.0, 0.3)),
    ((8, 11), (1.5, 0.5, 0.2)),
    ((11, 8), (1.5, 0.5, 0.2)),
    ((10, 10), (2.0, 1.0, 0.5)),
    ((12, 12), (2.0, 2.0, 1.0)),
    ((12, 16), (1.0, 2.0, 2.0)),
    ((16, 12), (1.0, 2.0, 2.0)),
    ((16, 16), (1.0, 3.0, 4.0)),
    ((16, 24), (0.2, 1.0, 2.0)),
    ((24, 24), (0.2, 0.7, 2.0)),
    ((37, 37), (0.0, 0.2, 1.0)),
)


def draw_grid(share: float, draw: Draw) -> tuple[int, int]:
    """The grid of the next batch, ``share`` of the run gone by."""
    part = 0 if share < 0.5 else 1 if share < 0.8 else 2
    return GRIDS[draw.choice([odds[part] for _, odds in GRIDS])][0]


def crops_of(grid: tuple[int, int], tokens: int) -> tuple[int, int, int]:
    """How many crops a batch holds, their height and width."""
    return max(tokens // (grid[0] * grid[1]), 2), grid[0] * PATCH, grid[1] * PATCH


class Average:
    """Exponential moving average of a model's weights; young averages forget faster, so that the start is not in them."""

    def __init__(self, model: nn.Module) -> None:
        self._followed = [tensor.detach() for tensor in model.state_dict().values()]
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int, keep: float) -> None:
        keep = min(keep, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.state.values()), self._followed, 1 - keep)

    def model(self) -> nn.Module:
        """A second model that holds the average weights."""
        copy = build(0).to(next(iter(self.state.values())).device)
        copy.load_state_dict(self.state)
        return copy.eval()


class Run:
    """A run's model and its state on disk."""

    def __init__(self, plan: Plan, folder: Path, init: Path | None, seed: int, device: torch.device) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.plan, self.folder, self.device = plan, folder, device
        self.model = build(seed)
        prepare_for_training(self.model, device)
        self.update = Step(self.model, plan, device)
        self.step, self.seconds, self.crops = 0, 0.0, 0
        if (folder / "state.pt").exists():
            saved = torch.load(folder / "state.pt", weights_only=True, map_location=device)
            self.model.load_state_dict(saved["model"])
            self.update.load_state_dict(saved["optimizers"])
            self.step, self.seconds, self.crops = saved["step"], saved["seconds"], saved["crops"]
        elif init is not None:
            self.model.load_state_dict(published.from_published(published.load(init), list(self.model.state_dict())))
        self.average = Average(self.model)
        if self.step:
            self.average.state = saved["average"]
        self.record(event="start", step=self.step, init=init.name if init else None, seed=seed, plan=asdict(plan))

    def record(self, **values: Any) -> None:
        """Append one line of JSON to the log, and print it."""
        line = json.dumps({"at": round(time.time()), **values})
        print(line, flush=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def save(self) -> None:
        """Write the state and the average weights."""
        saved: dict[str, Any] = {"model": self.model.state_dict(), "average": self.average.state}
        saved |= {"optimizers": self.update.state_dict()}
        saved |= {"step": self.step, "seconds": self.seconds, "crops": self.crops}
        write_atomically(self.folder / "state.pt", lambda path: torch.save(saved, path))
        facts = {"steps": str(self.step), "crops": str(self.crops), "data_version": str(DATA_VERSION)}
        published.save(self.folder / "weights.safetensors", self.average.state, facts)


def train(
    run: Run, pool: Pool, held_out: Future[HeldOut] | None, draw: Draw, log_every: int, evaluate_every: float
) -> None:
    """Go on to the end of the plan."""
    plan = run.plan
    last = begun = time.monotonic()
    evaluated, saved = run.seconds, run.seconds
    while run.seconds < plan.seconds:
        share = plan.begin + (1 - plan.begin) * run.seconds / plan.seconds
        count, height, width = crops_of(draw_grid(share, draw), plan.tokens)
        pool.take_in()
        scenes = pool.draw(count, height * width // 2, draw)
        run.update(*augment(*scenes, (height, width), draw), share)
        run.step, run.crops = run.step + 1, run.crops + count
        run.average.update(run.step, plan.average)
        if run.step % log_every == 0:
            terms = dict(zip(TERMS, (run.update.sums / log_every).tolist(), strict=True))
            took = (time.monotonic() - begun) / log_every
            run.record(
                step=run.step, seconds=round(run.seconds), crops=run.crops, scenes=pool.count,
                **{name: round(value, 4) for name, value in terms.items()}, step_ms=round(took * 1000, 1),
            )  # fmt: skip
            run.update.sums.zero_()
            begun = time.monotonic()
        run.seconds, last = run.seconds + time.monotonic() - last, time.monotonic()
        over = run.seconds >= plan.seconds
        if held_out is not None and held_out.done() and (over or run.seconds - evaluated > evaluate_every):
            figures = {name: round(value, 4) for name, value in held_out.result().figures(run.average.model()).items()}
            run.record(event="held-out", step=run.step, seconds=round(run.seconds), crops=run.crops, **figures)
            evaluated = run.seconds
        if over or run.seconds - saved > 60:
            run.save()
            saved = run.seconds


def main(
    state: Annotated[Path, typer.Option(help="Folder for everything the run keeps.")],
    shards: Annotated[Path, typer.Option(help="Folder that demo_model.shards fills.")],
    seconds: Annotated[float, typer.Option(help="Length of the run, over all stops.")] = 540,
    tokens: Annotated[int, typer.Option(help="Patches in a batch.")] = 32768,
    rate: Annotated[float, typer.Option(help="Learning rate of the plateau.")] = 1.2e-3,
    begin: Annotated[float, typer.Option(min=0, max=1, help="Where in the schedule to begin; with --init.")] = 0.0,
    device: str = "cpu",
    gigabytes: Annotated[float, typer.Option(help="Device memory for scenes.")] = 2.0,
    first_scenes: Annotated[int, typer.Option(help="How many scenes to wait for.")] = 64,
    init: Annotated[Path | None, typer.Option(help="Safetensors to start from when the state folder is empty.")] = None,
    seed: int = 0,
    log_every: int = 100,
    evaluate_every: Annotated[float, typer.Option(help="Seconds between two looks at held-out scenes.")] = 60,
    held_out: Annotated[int, typer.Option(help="How many held-out scenes.")] = 96,
) -> None:
    """Train, or go on training."""
    place = torch.device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    pool = Pool(shards, gigabytes, place)
    watched = ThreadPoolExecutor(1).submit(HeldOut, held_out) if held_out else None
    run = Run(Plan(seconds, tokens, rate, begin), state, init, seed, place)
    if place.type == "cuda":  # while the first scenes are rendered
        for count, height, width in (crops_of(grid, tokens) for grid, _ in GRIDS):
            noise_bchw = torch.rand(count, 3, height, width, device=place)
            run.update.record(noise_bchw, 0.1 + noise_bchw[:, 0])
    while pool.count < first_scenes:
        pool.take_in(wait=1.0)
    generator = torch.Generator(place).manual_seed(seed * 1_000_003 + run.step)
    train(run, pool, watched, Draw(generator), log_every, evaluate_every)
    pool.close()


if __name__ == "__main__":
    typer.run(main)
