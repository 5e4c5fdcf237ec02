"""MiDaS 3.1 with a BEiT encoder (Birkl et al. 2023; ``midas/dpt_depth.py`` and ``midas/backbones/utils.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.beit import BeitConfig, BeitEncoder
from dptscope_export.models.reassemble import STAGES
from dptscope_export.models.vit_dpt import DecoderConfig, PlainViTDPT, Reassemble


@dataclass(frozen=True, kw_only=True)
class MidasBeitConfig(DecoderConfig):
    """All that makes one BEiT model of MiDaS differ from another: the sizes of the encoder, and the decoder's."""

    encoder: BeitConfig


class Readout(nn.Module):
    """Each patch token with the class token: a linear layer of both, then GELU (Ranftl et al. 2021, "project")."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * width, width)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        """Tokens ``[B, 1 + N, C]``, class token first, to ``[B, N, C]``."""
        width = tokens_bnc.shape[-1]
        # The original repeats the class token beside every patch. Its half of the product is the same for all of them.
        weight = self.project.weight
        from_cls_b1c = F.linear(tokens_bnc[:, :1], weight[:, width:], self.project.bias)
        return F.gelu(F.linear(tokens_bnc[:, 1:], weight[:, :width]) + from_cls_b1c)


class ProjectedPatches(Reassemble):
    """Every patch takes the class token in; there is no final norm."""

    def __init__(self, config: MidasBeitConfig) -> None:
        super().__init__()
        for stage in STAGES:
            self.add_module(f"readout_{stage}", Readout(config.encoder.width))
        self.add_stages(config, config.encoder.width)

    def patches(self, stage: int, tokens_bnc: Tensor) -> Tensor:
        patches_bnc: Tensor = self.get_submodule(f"readout_{stage}")(tokens_bnc)
        return patches_bnc


class MidasBeit(PlainViTDPT):
    """MiDaS 3.1 with BEiT: relative inverse depth (larger is nearer), for any image in multiples of the patch size."""

    def __init__(self, config: MidasBeitConfig) -> None:
        super().__init__(config, BeitEncoder(config.encoder), ProjectedPatches(config), config.encoder.patch_size)
        self.config = config
