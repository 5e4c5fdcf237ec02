"""What the plain vision transformers of MiDaS do with the class token before reassembly (Ranftl et al. 2021, "project")."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.vit_dpt import Reassemble, ReassemblyConfig


class Readout(nn.Module):
    """Each patch token with the class token: a linear layer of both, then GELU.

    The original repeats the class token beside every patch. Its half of the product is the same for all of them, so the layer
    is two here, with a weight each.

    Args:
        width: channels of a token.
        approximate: how the GELU is computed, as torch has it: ``none`` or ``tanh``.
    """

    def __init__(self, width: int, approximate: str = "none") -> None:
        super().__init__()
        self.from_patch = nn.Linear(width, width, bias=False)
        self.from_cls = nn.Linear(width, width)
        self.approximate = approximate

    def forward(self, tokens_bnc: Tensor, registers: int = 0) -> Tensor:
        """Tokens ``[B, 1 + registers + N, C]``, class token first, to ``[B, N, C]``."""
        both_bnc: Tensor = self.from_patch(tokens_bnc[:, 1 + registers :]) + self.from_cls(tokens_bnc[:, :1])
        return F.gelu(both_bnc, approximate=self.approximate)


class ProjectedPatches(Reassemble):
    """Every patch takes the class token in; there is no final norm."""

    def __init__(self, config: ReassemblyConfig, width: int) -> None:
        super().__init__()
        self.add_stages(config, width)
        for stage in self.stages:
            self.add_module(f"readout_{stage}", Readout(width))

    def patches(self, stage: int, tokens_bnc: Tensor) -> Tensor:
        patches_bnc: Tensor = self.get_submodule(f"readout_{stage}")(tokens_bnc)
        return patches_bnc
