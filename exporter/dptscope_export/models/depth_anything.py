"""Depth Anything V1 and V2, relative and metric (Yang et al. 2024; ``depth_anything_v2/dpt.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, DinoV2Config, DinoV2Encoder
from dptscope_export.models.vit_dpt import DecoderConfig, PlainViTDPT, Reassemble


@dataclass(frozen=True, kw_only=True)
class DepthAnythingConfig(DecoderConfig):
    """All that makes one Depth-Anything model differ from another: the sizes of the encoder, and the decoder's.

    Attributes:
        encoder: sizes of the encoder.
        tap_norm_eps: epsilon of the norm between encoder and decoder; those within the blocks have :data:`LAYER_NORM_EPS`.
    """

    encoder: DinoV2Config
    tap_norm_eps: float = LAYER_NORM_EPS


class NormedPatches(Reassemble):
    """The class token is dropped (no readout); the encoder's final norm is applied to each tap."""

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.encoder.width, eps=config.tap_norm_eps)
        self.add_stages(config, config.encoder.width)

    def patches(self, stage: int, tokens_bnc: Tensor) -> Tensor:
        patches_bnc: Tensor = self.norm(tokens_bnc[:, 1:])
        return patches_bnc


class DepthAnything(PlainViTDPT):
    """Depth Anything. Depth is relative inverse depth (larger is nearer), or metres where ``config.max_depth`` is set."""

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__(config, DinoV2Encoder(config.encoder), NormedPatches(config), config.encoder.patch_size)
        self.config = config
