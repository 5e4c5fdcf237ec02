"""TIPSv2 with its DPT head for depth ("TIPSv2: Advancing Vision-Language Pretraining with Enhanced Patch-Text Alignment",
2026; ``pytorch/image_encoder.py`` and ``pytorch/decoders.py``): the published DPT on an encoder *with* registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.dinov2 import LAYER_NORM_EPS, Block, DinoV2Config
from dptscope_export.models.mmseg_dpt import MmsegDPT, MmsegHead
from dptscope_export.models.plain_vit import PlainViT, PositionTable
from dptscope_export.models.readout import Readout
from dptscope_export.models.resample import antialiased_linear_weights
from dptscope_export.models.vit_dpt import Reassemble, ReassemblyConfig


@dataclass(frozen=True, kw_only=True)
class TipsConfig(ReassemblyConfig):
    """All that makes one model differ from another.

    Attributes:
        encoder: sizes of the encoder.
        registers: register tokens of the encoder.
        bins: depths that the head weighs against each other.
        max_depth: the greatest of them, in metres.
    """

    encoder: DinoV2Config
    registers: int
    bins: int
    max_depth: float


class PositionEmbedding(PositionTable):
    """Bilinear with antialiasing, half-pixel centres, without DINOv2's offset."""

    def weights(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        return self._weights(grid_h), self._weights(grid_w)

    def _weights(self, places: int) -> Tensor:
        index_o = torch.arange(places, dtype=torch.float32, device=self.table.device)
        return antialiased_linear_weights(index_o, self.native_grid)


class TipsEncoder(PlainViT):
    """Image to the tokens that go into the first block and leave each: DINOv2's blocks, with register tokens behind the class
    token."""

    def __init__(self, config: DinoV2Config, registers: int) -> None:
        super().__init__(
            config.width,
            config.patch_size,
            PositionEmbedding(config.native_grid, config.width),
            (Block(config) for _ in range(config.blocks)),
        )
        self.registers = nn.Parameter(torch.zeros(1, registers, config.width))

    def special(self, cls_11c: Tensor) -> Tensor:
        return torch.cat([cls_11c, self.registers], dim=1)  # registers have no position


class NormedReadout(Reassemble):
    """The encoder's final norm is applied to each tap, then every patch takes the class token in. Registers end here."""

    def __init__(self, config: TipsConfig) -> None:
        super().__init__()
        width = config.encoder.width
        self.registers = config.registers
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.add_stages(config, width)
        for stage in self.stages:
            self.add_module(f"readout_{stage}", Readout(width, approximate="tanh"))

    def patches(self, stage: int, tokens_bnc: Tensor) -> Tensor:
        patches_bnc: Tensor = self.get_submodule(f"readout_{stage}")(self.norm(tokens_bnc), self.registers)
        return patches_bnc


class BinsHead(MmsegHead):
    """Depth as the mean of depths from the least to the greatest, weighed by what a linear layer gives for each.

    The weights are ReLU + :data:`LEAST_WEIGHT`. ``sums``, a constant (:func:`bin_sums`), makes numerator and denominator of
    the ReLU in one product.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__(channels)
        self.bins = nn.Conv2d(channels, bins, kernel_size=1)
        self.sums = nn.Conv2d(bins, 2, kernel_size=1)

    def fine(self, x_bchw: Tensor) -> Tensor:
        sums_b2hw = self.sums(F.relu(self.bins(F.relu(self.project(x_bchw)))))
        return sums_b2hw[:, 0] / sums_b2hw[:, 1]

    def coarse(self, x_bchw: Tensor) -> Tensor:
        return self.fine(x_bchw)

    def kernels(self) -> tuple[tuple[nn.Conv2d, float], ...]:
        return ((self.project, 1),)


LEAST_WEIGHT = 1e-3  # of a bin; the original has one number for it and for the least depth
LEAST_DEPTH = 1e-3  # metres


def bin_sums(bins: int, max_depth: float) -> tuple[Tensor, Tensor]:
    """Weight ``[2, bins, 1, 1]`` and bias ``[2]`` of :class:`BinsHead`'s ``sums``."""
    depths = torch.linspace(LEAST_DEPTH, max_depth, bins, dtype=torch.float64)
    weight_2n = torch.stack([depths, torch.ones_like(depths)])
    return weight_2n[..., None, None], LEAST_WEIGHT * weight_2n.sum(dim=1)


def as_convolution(weights: Sequence[Tensor]) -> Tensor:
    """A linear layer's weight ``[out, in]`` as that of a 1×1 convolution."""
    (weight_oi,) = weights
    return weight_oi[..., None, None]


class Tips(MmsegDPT):
    """TIPSv2's depth: metres, for any image in multiples of the patch size, values from 0 to 1."""

    def __init__(self, config: TipsConfig) -> None:
        encoder = config.encoder
        head = BinsHead(config.fusion_channels, config.bins)
        super().__init__(
            config, TipsEncoder(encoder, config.registers), NormedReadout(config), head, encoder.patch_size
        )
        self.config = config
        self.registers = config.registers
