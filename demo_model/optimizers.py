"""What updates the weights: Muon for the matrices of the transformer blocks, AdamW for all else.

Both take their learning rate from a tensor on the device, so that a recorded step (:mod:`demo_model.step`) can be told
another one. PyTorch's own Muon takes a number, and 21 ms a step of these 48 matrices, most of them for launching kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised, as large an update as AdamW's would be (Liu et al. 2025, "Muon is Scalable
    for LLM Training", equation 4), so that both take one learning rate.

    Args:
        groups: each of weights of one shape, and ``parts``: how many matrices a weight holds, one below the other.
        lr: learning rate, a tensor of one number.
        decay: weight decay, as a share of the learning rate.
        momentum: how much of the averaged gradients is kept at each step.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], lr: Tensor, decay: float, momentum: float = 0.95) -> None:
        super().__init__(groups, {"lr": lr, "decay": decay, "momentum": momentum, "parts": 1})

    @torch.no_grad()
    def step(self) -> None:
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
    # Queries, keys and values are made at once.
    groups = [{"params": matrices, "parts": 3 if "qkv" in name else 1} for name, matrices in by_name.items()]
    taken = {id(matrix) for matrices in by_name.values() for matrix in matrices}
    rest = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in taken]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=rate, betas=(0.9, 0.98), fused=True, capturable=rate.device.type == "cuda",
    )  # fmt: skip
    return Muon(groups, rate, decay), adamw
