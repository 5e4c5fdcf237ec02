"""MiDaS 3.1 with a Swin V2 encoder (Birkl et al. 2023; ``midas/dpt_depth.py`` and ``midas/backbones/swin2.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from dptscope_export.models.dpt import DPT, DepthHead, Features, Fusion
from dptscope_export.models.reassemble import STAGES
from dptscope_export.models.swinv2 import SwinV2Config, SwinV2Encoder


@dataclass(frozen=True)
class MidasSwinV2Config:
    """All that makes one Swin V2 model of MiDaS differ from another.

    Attributes:
        encoder: sizes of the encoder. The four maps come from the last blocks of its stages.
        fusion_channels: channels in the fusion blocks.
        middle_channels: channels after the head's first convolution.
        head_channels: channels after the head's second convolution.
    """

    encoder: SwinV2Config
    fusion_channels: int
    middle_channels: int
    head_channels: int


class Reassemble(nn.Module):
    """The stages already are a pyramid, so all there is to do is a 3×3 projection of each."""

    def __init__(self, config: MidasSwinV2Config) -> None:
        super().__init__()
        for stage in STAGES:
            width = config.encoder.stages[stage - 1].width
            to_fusion = nn.Conv2d(width, config.fusion_channels, kernel_size=3, padding=1, bias=False)
            self.add_module(f"stage_{stage}", to_fusion)

    def forward(self, tokens: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        map_1, map_2, map_3, map_4 = (
            self.get_submodule(f"stage_{stage}")(tokens_bhwc.permute(0, 3, 1, 2))
            for stage, tokens_bhwc in zip(STAGES, tokens, strict=True)
        )
        return map_1, map_2, map_3, map_4


class MidasSwinV2(DPT):
    """MiDaS 3.1 with Swin V2: relative inverse depth (larger is nearer), for any image in multiples of 32 pixels."""

    def __init__(self, config: MidasSwinV2Config) -> None:
        super().__init__()
        self.config = config
        self.encoder = SwinV2Encoder(config.encoder)
        self.reassemble = Reassemble(config)
        self.fusion = Fusion(config.fusion_channels, doubles=(True, True, True, True))
        self.head = DepthHead(
            config.fusion_channels,
            config.middle_channels,
            config.head_channels,
            upsample=config.encoder.patch_size / 2,  # the fused map is at twice the patch grid
        )

    def features(self, image_bchw: Tensor) -> Features:
        embedded_bhwc, stages = self.encoder(image_bchw)
        return Features(
            embedded_tokens=embedded_bhwc,
            block_tokens=tuple(tokens_bhwc for stage in stages for tokens_bhwc in stage),
            block_cls_tokens=None,
            fusion_inputs=self.fusion.inputs(self.reassemble([stage[-1] for stage in stages])),
        )
