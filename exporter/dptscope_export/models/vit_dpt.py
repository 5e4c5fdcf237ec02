"""A DPT on a plain vision transformer (Ranftl et al. 2021): every block has the same grid, and a class token stands first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dptscope_export.models.dpt import DPT, DepthHead, Features, Fusion, Head
from dptscope_export.models.reassemble import STAGES, ReassembleStage


@dataclass(frozen=True)
class ReassemblyConfig:
    """What makes one way to the fusion differ from another.

    Attributes:
        taps: index of the block, for each of the four maps from fine to coarse, whose tokens it is reassembled from; None
            for one that is not made of tokens.
        stage_channels: channels of the four reassembled maps, fine to coarse.
        fusion_channels: channels in the fusion blocks.
    """

    taps: tuple[int | None, int | None, int | None, int | None]
    stage_channels: tuple[int, int, int, int]
    fusion_channels: int


@dataclass(frozen=True)
class DecoderConfig(ReassemblyConfig):
    """All that makes one of MiDaS' decoders differ from another.

    Attributes:
        middle_channels: channels after the head's first convolution.
        head_channels: channels after the head's second convolution.
        max_depth: metres at the end of a metric model's range; None for relative inverse depth.
    """

    middle_channels: int
    head_channels: int
    max_depth: float | None = None


class Reassemble(nn.Module):
    """Tokens of the four tapped blocks to a pyramid of maps. Subclasses say what becomes of the class token."""

    stage_type: type[ReassembleStage] = ReassembleStage

    def add_stages(self, config: ReassemblyConfig, width: int) -> None:
        """Add a stage for each map that is made of tokens, of ``width`` channels."""
        self.stages = tuple(stage for stage, tap in zip(STAGES, config.taps, strict=True) if tap is not None)
        for stage in self.stages:
            channels = config.stage_channels[stage - 1]
            self.add_module(f"stage_{stage}", self.stage_type(stage, width, channels, config.fusion_channels))

    def patches(self, stage: int, tapped: Any) -> Tensor:
        """What :meth:`TokensDPT.tapped` gives, tokens ``[B, 1 + N, C]``, class token first, behind it the registers where
        there are some, to ``[B, N, C]``."""
        raise NotImplementedError

    def forward(self, taps: Sequence[Any], grid_h: int, grid_w: int) -> list[Tensor]:
        maps = []
        for stage, tapped in zip(self.stages, taps, strict=True):
            map_bchw = self.patches(stage, tapped).transpose(1, 2).unflatten(2, (grid_h, grid_w))
            maps.append(self.get_submodule(f"stage_{stage}")(map_bchw))
        return maps


class TokensDPT(DPT):
    """Encoder, reassembly, fusion and head. The encoder gives the tokens that go into the first block and leave each, and the
    grid's rows and columns."""

    registers = 0
    """Tokens between the class token and the patches."""

    def __init__(
        self, config: ReassemblyConfig, encoder: nn.Module, reassemble: Reassemble, fusion: Fusion, head: Head
    ) -> None:
        super().__init__()
        self.taps = tuple(tap for tap in config.taps if tap is not None)
        self.encoder = encoder
        self.reassemble = reassemble
        self.fusion = fusion
        self.head = head

    def features(self, image_bchw: Tensor) -> Features:
        tokens, grid_h, grid_w = self.encoder(image_bchw)
        return self.gather(tokens, grid_h, grid_w)

    def tapped(self, tokens: list[Tensor], tap: int) -> Any:
        """What the reassembly gets of a block that feeds it."""
        return tokens[tap]

    def gather(self, tokens: list[Tensor], grid_h: int, grid_w: int, finer_maps: Sequence[Tensor] = ()) -> Features:
        """Reassemble the tapped blocks, put finer maps that are not made of tokens before theirs, and keep all that people
        and the fusion want."""
        embedded_bnc, *tokens = tokens
        maps = (*finer_maps, *self.reassemble([self.tapped(tokens, tap) for tap in self.taps], grid_h, grid_w))
        first = 1 + self.registers
        return Features(
            embedded_tokens=embedded_bnc[:, first:].unflatten(1, (grid_h, grid_w)),
            block_tokens=tuple(t_bnc[:, first:].unflatten(1, (grid_h, grid_w)) for t_bnc in tokens),
            block_cls_tokens=torch.stack([t_bnc[:, 0] for t_bnc in tokens], dim=1),
            fusion_inputs=self.fusion.inputs((maps[0], maps[1], maps[2], maps[3])),
            block_register_tokens=torch.stack([t_bnc[:, 1:first] for t_bnc in tokens], dim=1) if first > 1 else None,
        )


class PlainViTDPT(TokensDPT):
    """One with MiDaS' decoder."""

    def __init__(self, config: DecoderConfig, encoder: nn.Module, reassemble: Reassemble, patch_size: int) -> None:
        head = DepthHead(
            config.fusion_channels,
            config.middle_channels,
            config.head_channels,
            upsample=patch_size / 8,  # the fused map is at eight times the patch grid
            max_depth=config.max_depth,
        )
        fusion = Fusion(config.fusion_channels, doubles=(True, True, True, False))
        super().__init__(config, encoder, reassemble, fusion, head)
