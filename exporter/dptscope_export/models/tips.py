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


class PositionEmbedding(nn.Module):
    """The learned position of the class token and of every patch, resized to the grid at hand.

    Bilinear with antialiasing, half-pixel centres, without DINOv2's offset.
    """

    def __init__(self, native_grid: int, width: int) -> None:
        super().__init__()
        self.native_grid = native_grid
        self.table = nn.Parameter(torch.zeros(1, 1 + native_grid * native_grid, width))

    def forward(self, grid_h: int, grid_w: int) -> tuple[Tensor, Tensor]:
        """Return the class token's position ``[1, 1, C]`` and the patches' ``[1, grid_h * grid_w, C]``."""
        native = self.native_grid
        patches_nnc = self.table[0, 1:].unflatten(0, (native, native))
        patches_hnc = (self._weights(grid_h) @ patches_nnc.flatten(1)).unflatten(1, (native, -1))
        patches_hwc = self._weights(grid_w) @ patches_hnc
        return self.table[:, :1], patches_hwc.flatten(0, 1).unsqueeze(0)

    def _weights(self, places: int) -> Tensor:
        index_o = torch.arange(places, dtype=torch.float32, device=self.table.device)
        return antialiased_linear_weights(index_o, self.native_grid)


class TipsEncoder(nn.Module):
    """Image to the tokens that go into the first block and leave each: DINOv2's blocks, with register tokens behind the class
    token."""

    def __init__(self, config: DinoV2Config, registers: int) -> None:
        super().__init__()
        self.config = config
        patch = config.patch_size
        self.patch_embed = nn.Conv2d(3, config.width, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.registers = nn.Parameter(torch.zeros(1, registers, config.width))
        self.position = PositionEmbedding(config.native_grid, config.width)
        for index in range(config.blocks):
            self.add_module(f"block_{index:02d}", Block(config))

    def forward(self, image_bchw: Tensor) -> tuple[list[Tensor], int, int]:
        """Return the tokens ``[B, 1 + registers + grid_h * grid_w, C]`` before the first block and after each, class token
        first, and the grid."""
        patches_bchw = self.patch_embed(image_bchw)
        grid_h, grid_w = patches_bchw.shape[-2:]
        cls_position, patch_positions = self.position(grid_h, grid_w)
        patches_bnc = patches_bchw.flatten(2).transpose(1, 2) + patch_positions
        # Registers have no position.
        special_1sc = torch.cat([self.cls_token + cls_position, self.registers], dim=1)
        tokens_bnc = torch.cat([special_1sc.expand(image_bchw.shape[0], -1, -1), patches_bnc], dim=1)

        tokens = [tokens_bnc]
        for index in range(self.config.blocks):
            tokens_bnc = self.get_submodule(f"block_{index:02d}")(tokens_bnc)
            tokens.append(tokens_bnc)
        return tokens, grid_h, grid_w


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
