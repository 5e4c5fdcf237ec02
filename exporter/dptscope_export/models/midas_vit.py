"""MiDaS 3.0: DPT on a vision transformer, and on the hybrid of a ResNet and one (Ranftl et al. 2021; ``midas/dpt_depth.py``,
``midas/backbones/vit.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from dptscope_export.models.dpt import Features
from dptscope_export.models.readout import ProjectedPatches
from dptscope_export.models.resnet import STRIDE, ResNet, ResNetConfig
from dptscope_export.models.vit import ViTConfig, ViTEncoder
from dptscope_export.models.vit_dpt import DecoderConfig, PlainViTDPT


@dataclass(frozen=True, kw_only=True)
class MidasViTConfig(DecoderConfig):
    """All that makes one model differ from another: the sizes of the encoder, and the decoder's.

    Attributes:
        encoder: the transformer.
        resnet: what stands before it in a hybrid, else None.
    """

    encoder: ViTConfig
    resnet: ResNetConfig | None = None


class MidasViT(PlainViTDPT):
    """``dpt_large``: relative inverse depth (larger is nearer), for any image in multiples of the patch size."""

    def __init__(self, config: MidasViTConfig) -> None:
        encoder = config.encoder
        super().__init__(config, ViTEncoder(encoder), ProjectedPatches(config, encoder.width), encoder.patch_size)
        self.config = config


class MapStage(nn.Module):
    """A map as it is, brought to the channels of the fusion."""

    def __init__(self, channels: int, fusion_channels: int) -> None:
        super().__init__()
        self.to_fusion = nn.Conv2d(channels, fusion_channels, kernel_size=3, padding=1, bias=False)

    def forward(self, map_bchw: Tensor) -> Tensor:
        fused_bchw: Tensor = self.to_fusion(map_bchw)
        return fused_bchw


class MidasHybrid(PlainViTDPT):
    """``dpt_hybrid``: relative inverse depth (larger is nearer), for any image in multiples of 16.

    The transformer sees the last of the ResNet's three maps, a place a token. The other two are taken as they are for the
    finer maps of the fusion; they are no blocks of the transformer, and have no tokens.
    """

    def __init__(self, config: MidasViTConfig) -> None:
        assert config.resnet is not None
        super().__init__(config, ViTEncoder(config.encoder), ProjectedPatches(config, config.encoder.width), STRIDE)
        self.config = config
        self.resnet = ResNet(config.resnet)
        for stage, sizes in zip((1, 2), config.resnet.stages, strict=False):
            self.reassemble.add_module(f"stage_{stage}", MapStage(sizes.channels, config.fusion_channels))

    def features(self, image_bchw: Tensor) -> Features:
        fine_bchw, middle_bchw, coarse_bchw = self.resnet(image_bchw)
        finer_maps = [
            self.reassemble.get_submodule(f"stage_{stage}")(map_bchw)
            for stage, map_bchw in ((1, fine_bchw), (2, middle_bchw))
        ]
        tokens, grid_h, grid_w = self.encoder(coarse_bchw)
        return self.gather(tokens, grid_h, grid_w, finer_maps)
