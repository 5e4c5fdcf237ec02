"""One step of training: forward, objective, backward and update.

The model is small, so that a step's 1,900 kernels take a processor longer to launch than a GPU to run, the more so beside
renderers. There a step is recorded once for each size of crops and replayed from then on: a CUDA graph, one launch for all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from demo_model.losses import Losses, depth_losses
from demo_model.model import normalise
from demo_model.optimizers import make_optimizers

TERMS = tuple(field.name for field in fields(Losses))
_WARM_UPS = 3


@dataclass(frozen=True)
class Plan:
    """What a run is told.

    Attributes:
        seconds: its length, over all stops.
        begin: where in the schedule it begins, as a share of it: 0 from fresh weights.
        warm_up, cooldown: shares of it in which the learning rate comes up and comes down.
        rate: learning rate of the plateau.
        tokens: patches in a batch.
        average: how much of the average weights is kept at each step.
        lead_in: share of the time until the scale-and-shift-invariant terms count in full.
    """

    seconds: float
    tokens: int
    rate: float = 1.2e-3
    begin: float = 0.0
    warm_up: float = 0.03
    cooldown: float = 0.5
    decay: float = 0.05
    average: float = 0.999
    cells_weight: float = 0.5
    gradient_weight: float = 0.5
    anchor_weight: float = 1.0
    lead_in: float = 0.08

    def learning_rate(self, share: float) -> float:
        """Warm up, stay, come down (Hu et al. 2024, WSD); the way down is 1 − √ of its share (Hägele et al. 2024)."""
        if share < self.warm_up:
            return self.rate * (share / self.warm_up + 1e-3)
        into = (share - 1 + self.cooldown) / max(self.cooldown, 1e-9)
        return self.rate if into <= 0 else self.rate * max(1 - into**0.5, 0.0)

    def invariant_weight(self, share: float) -> float:
        """How much the scale-and-shift-invariant terms count: they come in over the ``lead_in``, after half of it alone with
        the anchor."""
        return min(max(2 * share / max(self.lead_in, 1e-9) - 1, 0.0), 1.0)

    def total(self, losses: Losses, invariant_weight: Tensor) -> Tensor:
        """The weighted sum."""
        invariant = losses.aligned + self.cells_weight * losses.cells + self.gradient_weight * losses.gradient
        return self.anchor_weight * losses.anchored + invariant_weight * invariant


@dataclass(frozen=True)
class _Recorded:
    """A step for crops of one size, and where it reads them."""

    graph: torch.cuda.CUDAGraph
    rgb_bchw: Tensor
    target_bhw: Tensor


class Step:
    """Updates a model.

    Attributes:
        optimizers: those that hold a state.
        sums: of the terms of the objective over all steps, in the order of :data:`TERMS`; whoever reads them may zero them.
    """

    def __init__(self, model: nn.Module, plan: Plan, device: torch.device) -> None:
        self.model, self.plan, self.device = model, plan, device
        self._rate, self._invariant_weight = torch.zeros((), device=device), torch.zeros((), device=device)
        self.optimizers = make_optimizers(model, self._rate, plan.decay)
        self.sums = torch.zeros(len(TERMS), device=device)
        self._recorded: dict[torch.Size, _Recorded] = {}

    def state_dict(self) -> list[dict]:
        """Of the optimizers."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict]) -> None:
        """Take up what :meth:`state_dict` gave."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
            for group in optimizer.param_groups:
                group["lr"] = self._rate

    def __call__(self, rgb_bchw: Tensor, target_bhw: Tensor, share: float) -> None:
        """One update.

        Args:
            rgb_bchw: float32 in [0, 1].
            target_bhw: inverse depth in 1/m, 0 for the sky.
            share: of the run that has gone by.
        """
        self._rate.fill_(self.plan.learning_rate(share))
        self._invariant_weight.fill_(self.plan.invariant_weight(share))
        if self.device.type != "cuda":
            self._update(rgb_bchw, target_bhw)
            return
        if rgb_bchw.shape not in self._recorded:
            self.record(rgb_bchw, target_bhw)
        recorded = self._recorded[rgb_bchw.shape]
        recorded.rgb_bchw.copy_(rgb_bchw)
        recorded.target_bhw.copy_(target_bhw)
        recorded.graph.replay()

    def _update(self, rgb_bchw: Tensor, target_bhw: Tensor) -> None:
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted_bhw = self.model(normalise(rgb_bchw).contiguous(memory_format=torch.channels_last))
        losses = depth_losses(predicted_bhw, target_bhw)
        self.plan.total(losses, self._invariant_weight).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.sums += torch.stack([getattr(losses, term) for term in TERMS]).detach()

    def record(self, rgb_bchw: Tensor, target_bhw: Tensor) -> None:
        """Record a step for crops of this size, on a GPU; what they show does not matter.

        As PyTorch's notes on CUDA graphs say, after some steps on a stream beside the usual one. These leave the weights as
        they are; their gradients count in the optimizers' averages, which forget them.
        """
        kept_rate, kept_sums = self._rate.clone(), self.sums.clone()
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self._rate.zero_()
            for _ in range(_WARM_UPS):
                self._update(rgb_bchw, target_bhw)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        recorded = _Recorded(graph, rgb_bchw.clone(), target_bhw.clone())
        pool = next(iter(self._recorded.values())).graph.pool() if self._recorded else None  # no step reads another's
        # Other threads may copy scenes meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            self._update(recorded.rgb_bchw, recorded.target_bhw)
        self._rate.copy_(kept_rate)
        self.sums.copy_(kept_sums)
        self._recorded[rgb_bchw.shape] = recorded
