"""Train the small model on rendered scenes: ``python -m demo_model.train --state FOLDER --cache FOLDER``.

Everything that a run needs to go on lies in the state folder: ``state.pt`` (weights, their average, the optimizer),
``log.jsonl`` (one line every ``--log-every`` steps, one at each evaluation) and ``best.safetensors`` (the average weights
with the best held-out figure). Run the same command again to go on after a stop.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from demo_model import published
from demo_model.batches import Batches, loader
from demo_model.files import write_atomically
from demo_model.held_out import HeldOut
from demo_model.losses import Losses, depth_losses
from demo_model.model import build, normalise
from demo_model.scenes.compose import DATA_VERSION
from demo_model.team import Team, run_team


@dataclass(frozen=True)
class Plan:
    """What a run is told.

    Attributes:
        steps: length of the run; the learning rate comes down over the last ``cooldown`` of them.
        rate: learning rate of the plateau, reached after ``warm_up`` steps.
        average: how much of the average weights is kept at each step.
    """

    steps: int
    cooldown: int
    warm_up: int
    rate: float
    decay: float
    average: float
    cells_weight: float
    gradient_weight: float
    anchor_weight: float
    lead_in: int

    def total(self, losses: Losses, step: int) -> Tensor:
        """The weighted sum. The scale-and-shift-invariant terms come in over the ``lead_in``, after half of it alone with
        the anchor."""
        share = min(max(2 * step / max(self.lead_in, 1) - 1, 0.0), 1.0)
        invariant = losses.aligned + self.cells_weight * losses.cells + self.gradient_weight * losses.gradient
        return self.anchor_weight * losses.anchored + share * invariant


def learning_rate(plan: Plan, step: int) -> float:
    """Warm up, stay, come down: a plateau lets a run be prolonged at will (Hu et al. 2024, WSD; Hägele et al. 2024).

    The way down is 1 − √ of its share, which the latter found best.
    """
    if step < plan.warm_up:
        return plan.rate * (step + 1) / plan.warm_up
    into = (step - (plan.steps - plan.cooldown)) / max(plan.cooldown, 1)
    return plan.rate if into <= 0 else plan.rate * max(1 - into**0.5, 0.0)


def make_optimizer(model: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019); matrices and kernels decay, biases, norms and scales do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": plan.decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98), fused=True)


class Average:
    """Exponential moving average of a model's weights; young averages forget faster, so that the start is not in them."""

    def __init__(self, model: nn.Module) -> None:
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, keep: float) -> None:
        keep = min(keep, (1 + step) / (10 + step))
        mine, theirs = list(self.state.values()), [tensor.detach() for tensor in model.state_dict().values()]
        torch._foreach_lerp_(mine, theirs, 1 - keep)


class Record:
    """Lines of JSON, each written when it happens."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **values: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"at": round(time.time()), **values}) + "\n")


def train(
    team: Team,
    plan: Plan,
    state_folder: Path,
    cache: Path,
    prefixes: list[str],
    late: bool,
    init: Path | None,
    seed: int,
    every: dict[str, int],
) -> None:
    """Run to ``plan.steps``, from where the state folder left off. The first of the team keeps the records."""
    torch.set_num_threads(1)
    state_folder.mkdir(parents=True, exist_ok=True)
    state_path, record = state_folder / "state.pt", Record(state_folder / "log.jsonl")
    model = build(seed)
    in_full_precision(model.head.conv3)
    model.to(memory_format=torch.channels_last)  # a tenth less time a step
    if init is not None and not state_path.exists():
        model.load_state_dict(published.from_published(published.load(init), list(model.state_dict())))
    average, optimizer, step, best, seconds = Average(model), make_optimizer(model, plan), 0, -1.0, 0.0
    if state_path.exists():
        saved = torch.load(state_path, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.state = saved["average"]
        step, best, seconds = saved["step"], saved["best"], saved["seconds"]
    if team.is_first:
        told = {
            "init": init.name if init else None,
            "data": prefixes,
            "late": late,
            "seed": seed,
            "processes": team.size,
        }
        record.write(event="start", step=step, plan=plan.__dict__, **told)
    held_out = HeldOut(count=96) if team.is_first else None

    def save_state() -> None:
        saved: dict[str, Any] = {
            "model": model.state_dict(),
            "average": average.state,
            "optimizer": optimizer.state_dict(),
        }
        saved |= {"step": step, "best": best, "seconds": seconds}
        write_atomically(state_path, lambda path: torch.save(saved, path))

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not team.is_first) as progress:
        task = progress.add_task("training", total=plan.steps, completed=step)
        sums, begun, last = torch.zeros(4), time.monotonic(), time.monotonic()
        numbers = range(step * team.size + team.rank, plan.steps * team.size, team.size)
        for rgb_bhwc, target_bhw in loader(Batches(cache, seed, prefixes, late), numbers):
            rate = learning_rate(plan, step)
            sums += torch.tensor(train_step(model, optimizer, rgb_bhwc, target_bhw, rate, plan, step, team))
            step += 1
            if not team.is_first:
                continue
            average.update(model, step, plan.average)
            seconds, last = seconds + time.monotonic() - last, time.monotonic()
            progress.update(task, advance=1)
            if step % every["log"] == 0:
                aligned, cells, gradient, anchored = (sums / every["log"]).tolist()
                took = (time.monotonic() - begun) / every["log"]
                losses = {"aligned": aligned, "cells": cells, "gradient": gradient, "anchored": anchored}
                record.write(step=step, seconds=round(seconds), rate=rate, **losses, step_ms=round(took * 1000))
                progress.update(task, description=f"aligned {aligned:.3f} anchored {anchored:.3f} {took * 1000:.0f} ms")
                sums.zero_()
                begun = time.monotonic()
            if held_out is not None and (step % every["evaluate"] == 0 or step == plan.steps):
                figures = held_out.figures(average_model(model, average))
                record.write(event="held-out", step=step, seconds=round(seconds), **figures)
                if figures["delta1"] > best:
                    best = figures["delta1"]
                    facts = {"steps": str(step), "data_version": str(DATA_VERSION), "held_out_delta1": f"{best:.4f}"}
                    published.save(state_folder / "best.safetensors", average.state, facts)
                save_state()
                begun = last = time.monotonic()


def in_full_precision(layer: nn.Conv2d) -> None:
    """Let one layer compute in float32 under autocast.

    Bfloat16 has steps of 1/128 around 1: as the type of the last layer's output it would turn smooth depth into stairs.
    """

    def forward(x_bchw: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return nn.functional.conv2d(x_bchw.float(), layer.weight, layer.bias)

    layer.forward = forward  # type: ignore[method-assign, assignment]


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rgb_bhwc: Tensor,
    target_bhw: Tensor,
    rate: float,
    plan: Plan,
    step: int,
    team: Team,
) -> tuple[float, ...]:
    """One update; returns the terms of the loss in the order of :class:`Losses`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        predicted_bhw = model(normalise(rgb_bhwc))
    losses = depth_losses(predicted_bhw, target_bhw)
    total = plan.total(losses, step)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    team.share_gradients(model)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return losses.aligned.item(), losses.cells.item(), losses.gradient.item(), losses.anchored.item()


def average_model(model: nn.Module, average: Average) -> nn.Module:
    """A second model that holds the average weights."""
    copy = build(0)
    copy.load_state_dict(average.state)
    return copy.eval()


def main(
    state: Annotated[Path, typer.Option(help="Folder for everything the run keeps.")],
    cache: Annotated[Path, typer.Option(help="Folder that demo_model.cache filled.")],
    steps: int = 40_000,
    cooldown: Annotated[int, typer.Option(help="Steps at the end over which the learning rate comes down.")] = 8_000,
    warm_up: int = 500,
    rate: float = 1e-3,
    decay: float = 0.05,
    average: float = 0.9995,
    cells_weight: float = 0.5,
    gradient_weight: float = 0.5,
    anchor_weight: float = 1.0,
    lead_in: Annotated[int, typer.Option(help="Steps until the scale-and-shift-invariant terms count in full.")] = 3000,
    init: Annotated[Path | None, typer.Option(help="Safetensors to start from when the state folder is empty.")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Use only shards whose names start so, e.g. corridor-; repeatable.")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="Mostly crops of 140 to 224 pixels.")] = False,
    seed: int = 0,
    processes: Annotated[int, typer.Option(help="Processes of one thread each that share a step's work.")] = 1,
    log_every: int = 100,
    evaluate_every: int = 1000,
) -> None:
    """Train, or go on training."""
    plan = Plan(steps, cooldown, warm_up, rate, decay, average, cells_weight, gradient_weight, anchor_weight, lead_in)
    run_team(
        train,
        processes,
        plan,
        state,
        cache,
        data or [""],
        late,
        init,
        seed,
        {"log": log_every, "evaluate": evaluate_every},
    )


if __name__ == "__main__":
    typer.run(main)
