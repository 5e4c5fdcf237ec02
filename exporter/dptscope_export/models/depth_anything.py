"""Depth Anything V1 and V2, relative and metric (Yang et al. 2024; ``depth_anything_v2/dpt.py``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, DinoV2Config, DinoV2Encoder
from dptscope_export.models.dpt import DPT, DepthHead, Features, Fusion
from dptscope_export.models.reassemble import STAGES, ReassembleStage


@dataclass(frozen=True)
class DepthAnythingConfig:
    """All that makes one Depth-Anything model differ from another.

    Attributes:
        encoder: sizes of the encoder.
        taps: indices of the four blocks, shallow to deep, whose tokens are reassembled.
        stage_channels: channels of the four reassembled maps, fine to coarse.
        fusion_channels: channels in the fusion blocks.
        middle_channels: channels after the head's first convolution.
        head_channels: channels after the head's second convolution.
        max_depth: metres at the end of a metric model's range; None for relative inverse depth.
    """

    encoder: DinoV2Config
    taps: tuple[int, int, int, int]
    stage_channels: tuple[int, int, int, int]
    fusion_channels: int
    middle_channels: int
    head_channels: int
    max_depth: float | None = None


class Reassemble(nn.Module):
    """Tokens of the four tapped blocks to a pyramid of maps; the class token is dropped (no readout)."""

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__()
        width = config.encoder.width
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)  # the encoder's final norm, applied to each tap
        for stage in STAGES:
            channels = config.stage_channels[stage - 1]
            self.add_module(f"stage_{stage}", ReassembleStage(stage, width, channels, config.fusion_channels))

    def forward(self, taps: list[Tensor], grid_h: int, grid_w: int) -> list[Tensor]:
        maps = []
        for stage, tokens_bnc in zip(STAGES, taps, strict=True):
            patches_bnc = self.norm(tokens_bnc[:, 1:])
            map_bchw = patches_bnc.transpose(1, 2).unflatten(2, (grid_h, grid_w))
            maps.append(self.get_submodule(f"stage_{stage}")(map_bchw))
        return maps


class DepthAnything(DPT):
    """Depth Anything. Depth is relative inverse depth (larger is nearer), or metres where ``config.max_depth`` is set."""

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = DinoV2Encoder(config.encoder)
        self.reassemble = Reassemble(config)
        self.fusion = Fusion(config.fusion_channels, doubles=(True, True, True, False))
        self.head = DepthHead(
            config.fusion_channels,
            config.middle_channels,
            config.head_channels,
            upsample=config.encoder.patch_size / 8,  # the fused map is at eight times the patch grid
            max_depth=config.max_depth,
        )

    def features(self, image_bchw: Tensor) -> Features:
        tokens, grid_h, grid_w = self.encoder(image_bchw)
        maps = self.reassemble([tokens[tap] for tap in self.config.taps], grid_h, grid_w)
        return Features(
            block_tokens=tuple(t_bnc[:, 1:].unflatten(1, (grid_h, grid_w)) for t_bnc in tokens),
            block_cls_tokens=torch.stack([t_bnc[:, 0] for t_bnc in tokens], dim=1),
            fusion_inputs=self.fusion.inputs((maps[0], maps[1], maps[2], maps[3])),
        )
