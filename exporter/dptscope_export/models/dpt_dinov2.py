"""DINOv2 with the DPT depther that its authors trained on it (Oquab et al. 2023, section 7.4; ``dinov2/eval/depth``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.dinov2 import DinoV2Config, DinoV2Encoder
from dptscope_export.models.interpolate import interpolate
from dptscope_export.models.mmseg_dpt import MmsegDPT, MmsegHead
from dptscope_export.models.readout import ProjectedPatches
from dptscope_export.models.vit_dpt import ReassemblyConfig

LEAST_DEPTH = 1e-3  # metres


@dataclass(frozen=True, kw_only=True)
class DptDinov2Config(ReassemblyConfig):
    """All that makes one model differ from another.

    Attributes:
        encoder: sizes of the encoder.
        middle_channels: channels after the head's first convolution.
        head_channels: channels after the head's second convolution.
        max_depth: metres at which the depth is cut off.
    """

    encoder: DinoV2Config
    middle_channels: int
    head_channels: int
    max_depth: float


class ClampedHead(MmsegHead):
    """Three convolutions to metres, with no activation but a ReLU."""

    def __init__(self, channels: int, middle: int, hidden: int, max_depth: float) -> None:
        super().__init__(channels)
        self.conv1 = nn.Conv2d(channels, middle, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(middle, hidden, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(hidden, 1, kernel_size=1)
        self.max_depth = max_depth

    def fine(self, x_bchw: Tensor) -> Tensor:
        x_bchw = self.conv1(F.relu(self.project(x_bchw)))
        return self._metres(interpolate(x_bchw, scale_factor=2, align_corners=True))

    def coarse(self, x_bchw: Tensor) -> Tensor:
        return self._metres(self.conv1(F.relu(self.project(x_bchw))))

    def kernels(self) -> tuple[tuple[nn.Conv2d, float], ...]:
        return (self.project, 1), (self.conv1, 1), (self.conv2, 2)

    def _metres(self, x_bchw: Tensor) -> Tensor:
        depth_b1hw = self.conv3(F.relu(self.conv2(x_bchw)))
        return (F.relu(depth_b1hw) + LEAST_DEPTH).clamp(max=self.max_depth).squeeze(1)


class DptDinov2(MmsegDPT):
    """Depth in metres, for any image in multiples of the patch size. No norm stands between encoder and decoder."""

    def __init__(self, config: DptDinov2Config) -> None:
        encoder = config.encoder
        super().__init__(
            config,
            DinoV2Encoder(encoder),
            ProjectedPatches(config, encoder.width),
            ClampedHead(config.fusion_channels, config.middle_channels, config.head_channels, config.max_depth),
            encoder.patch_size,
        )
        self.config = config
