"""What updates the weights: Muon for the matrices of the transformer blocks, AdamW for all else.

Both take their learning rate from a tensor on the device, so that a recorded step (:mod:`demo_model.step`) can be told
another one. PyTorch's own Muon takes a number, and launches twenty kernels for each matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


def orthogonalised(matrices_nrc: Tensor) -> Tensor:
    """``[N, rows, columns]`` with their singular values brought near 1: the quintic Newton-Schulz iteration of Jordan et al.
    2024, "Muon: An optimizer for hidden layers in neural networks"."""
    first, second, third = _COEFFICIENTS
    upright = matrices_nrc.shape[1] > matrices_nrc.shape[2]
    x = (matrices_nrc.mT if upright else matrices_nrc).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return (x.mT if upright else x).to(matrices_nrc.dtype)


@dataclass(frozen=True)
class Matrices:
    """Weights of one shape.

    Attributes:
        parameters: the weights.
        parts: how many matrices each holds, one below the other; three where queries, keys and values are made at once.
    """

    parameters: Sequence[nn.Parameter]
    parts: int = 1


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised, as large an update as AdamW's would be (Liu et al. 2025, "Muon is Scalable
    for LLM Training", equation 4), so that both take one learning rate."""

    def __init__(self, groups: Sequence[Matrices], lr: Tensor, decay: float, momentum: float = 0.95) -> None:
        super().__init__(
            [{"params": list(group.parameters), "parts": group.parts} for group in groups],
            {"lr": lr, "decay": decay, "momentum": momentum},
        )

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update; all matrices of a group at once."""
        for group in self.param_groups:
            matrices, momentum = group["params"], group["momentum"]
            gradient_nrc = torch.stack([matrix.grad for matrix in matrices])
            state = self.state[matrices[0]]
            if not state:
                state["momentum"] = torch.zeros_like(gradient_nrc)
            state["momentum"].lerp_(gradient_nrc, 1 - momentum)
            update_nrc = gradient_nrc.lerp(state["momentum"], momentum)  # Nesterov's
            one_nrc = update_nrc.unflatten(1, (group["parts"], -1)).flatten(0, 1)
            size = 0.2 * max(one_nrc.shape[1:]) ** 0.5
            change_nrc = orthogonalised(one_nrc).view_as(gradient_nrc) * (-size * group["lr"])
            torch._foreach_mul_(matrices, 1 - group["decay"] * group["lr"])
            torch._foreach_add_(matrices, list(change_nrc))


def make_optimizers(model: nn.Module, rate: Tensor, decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Both; matrices and kernels decay (Loshchilov & Hutter 2019), biases, norms and scales do not.

    Args:
        model: as :func:`demo_model.model.build` makes it.
        rate: learning rate, a tensor of one number on the model's device, which is read at each step.
        decay: weight decay, as a share of the learning rate.
    """
    by_name: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.encoder.named_parameters():
        if name.startswith("block_") and parameter.ndim == 2:
            by_name.setdefault(name.partition(".")[2], []).append(parameter)
    groups = [Matrices(parameters, 3 if "qkv" in name else 1) for name, parameters in by_name.items()]
    taken = {id(parameter) for group in groups for parameter in group.parameters}
    rest = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in taken]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=rate, betas=(0.9, 0.98), fused=True, capturable=rate.device.type == "cuda",
    )  # fmt: skip
    return Muon(groups, rate, decay), adamw
