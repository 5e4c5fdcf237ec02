"""MiDaS 3.1 with a BEiT encoder (Birkl et al. 2023; ``midas/dpt_depth.py`` and ``midas/backbones/utils.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.beit import BeitConfig, BeitEncoder
from dptscope_export.models.dpt import DPT, DepthHead, Features, Fusion
from dptscope_export.models.reassemble import STAGES, ReassembleStage


@dataclass(frozen=True)
class MidasBeitConfig:
    """All that makes one BEiT model of MiDaS differ from another.

    Attributes:
        encoder: sizes of the encoder.
        taps: indices of the four blocks, shallow to deep, whose tokens are reassembled.
        stage_channels: channels of the four reassembled maps, fine to coarse.
        fusion_channels: channels in the fusion blocks.
        middle_channels: channels after the head's first convolution.
        head_channels: channels after the head's second convolution.
    """

    encoder: BeitConfig
    taps: tuple[int, int, int, int]
    stage_channels: tuple[int, int, int, int]
    fusion_channels: int
    middle_channels: int
    head_channels: int


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


class Reassemble(nn.Module):
    """Tokens of the four tapped blocks, without a final norm, to a pyramid of maps."""

    def __init__(self, config: MidasBeitConfig) -> None:
        super().__init__()
        width = config.encoder.width
        for stage in STAGES:
            channels = config.stage_channels[stage - 1]
            self.add_module(f"readout_{stage}", Readout(width))
            self.add_module(f"stage_{stage}", ReassembleStage(stage, width, channels, config.fusion_channels))

    def forward(self, taps: list[Tensor], grid_h: int, grid_w: int) -> list[Tensor]:
        maps = []
        for stage, tokens_bnc in zip(STAGES, taps, strict=True):
            patches_bnc = self.get_submodule(f"readout_{stage}")(tokens_bnc)
            map_bchw = patches_bnc.transpose(1, 2).unflatten(2, (grid_h, grid_w))
            maps.append(self.get_submodule(f"stage_{stage}")(map_bchw))
        return maps


class MidasBeit(DPT):
    """MiDaS 3.1 with BEiT: relative inverse depth (larger is nearer), for any image in multiples of the patch size."""

    def __init__(self, config: MidasBeitConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = BeitEncoder(config.encoder)
        self.reassemble = Reassemble(config)
        self.fusion = Fusion(config.fusion_channels, doubles=(True, True, True, False))
        self.head = DepthHead(
            config.fusion_channels,
            config.middle_channels,
            config.head_channels,
            upsample=config.encoder.patch_size / 8,  # the fused map is at eight times the patch grid
        )

    def features(self, image_bchw: Tensor) -> Features:
        tokens, grid_h, grid_w = self.encoder(image_bchw)
        maps = self.reassemble([tokens[tap] for tap in self.config.taps], grid_h, grid_w)
        return Features(
            block_tokens=tuple(t_bnc[:, 1:].unflatten(1, (grid_h, grid_w)) for t_bnc in tokens),
            block_cls_tokens=torch.stack([t_bnc[:, 0] for t_bnc in tokens], dim=1),
            fusion_inputs=self.fusion.inputs((maps[0], maps[1], maps[2], maps[3])),
        )
