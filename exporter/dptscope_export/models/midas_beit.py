"""MiDaS 3.1 with a BEiT encoder (Birkl et al. 2023; ``midas/dpt_depth.py`` and ``midas/backbones/utils.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from dptscope_export.models.beit import BeitConfig, BeitEncoder
from dptscope_export.models.readout import ProjectedPatches
from dptscope_export.models.vit_dpt import DecoderConfig, PlainViTDPT


@dataclass(frozen=True, kw_only=True)
class MidasBeitConfig(DecoderConfig):
    """All that makes one BEiT model of MiDaS differ from another: the sizes of the encoder, and the decoder's."""

    encoder: BeitConfig


class MidasBeit(PlainViTDPT):
    """MiDaS 3.1 with BEiT: relative inverse depth (larger is nearer), for any image in multiples of the patch size."""

    def __init__(self, config: MidasBeitConfig) -> None:
        encoder = config.encoder
        super().__init__(config, BeitEncoder(encoder), ProjectedPatches(config, encoder.width), encoder.patch_size)
        self.config = config
