"""Depth Anything 3, mono and metric (Lin et al. 2025; ``depth_anything_3/model/dpt.py``): V2's network with another head."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.depth_anything import DepthAnything, DepthAnythingConfig
from dptscope_export.models.dpt import DPT, DepthHead

TAP_NORM_EPS = 1e-5  # torch's own; the blocks have DINOv2's 1e-6. With 1e-6 here the depth moves by float32 noise only


class DistanceHead(DepthHead):
    """The depth head, whose last map is the logarithm of a distance. Subclasses give a second map beside the distance."""

    def activate(self, depth_b1hw: Tensor) -> Tensor:
        return depth_b1hw.exp().squeeze(1)


class SkyHead(DistanceHead):
    """Distance, and in a branch of its own the sky."""

    def __init__(self, channels: int, middle: int, hidden: int, upsample: float) -> None:
        super().__init__(channels, middle, hidden, upsample)
        self.sky_conv2 = nn.Conv2d(middle, hidden, kernel_size=3, padding=1)
        self.sky_conv3 = nn.Conv2d(hidden, 1, kernel_size=1)

    def forward(self, x_bchw: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # two maps
        """Distance and sky, ``[batch, height, width]`` each."""
        x_bchw = self.enlarge(x_bchw)
        distance_bhw = self.activate(self.conv3(self.hidden(x_bchw)))
        return distance_bhw, F.relu(self.sky_conv3(F.relu(self.sky_conv2(x_bchw)))).squeeze(1)


class TwoMaps(DPT):
    """A model whose head gives two maps, the depth first. Stands before the class of the network."""

    def maps(
        self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, ...]:
        depth_bhw, other_bhw = self.head(self.fusion(fusion_inputs, fusion_scales))
        return depth_bhw, other_bhw

    def depth(self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...] | None = None) -> Tensor:
        return self.maps(fusion_inputs, fusion_scales)[0]


class DepthAnything3(TwoMaps, DepthAnything):
    """Depth Anything 3, mono or metric: depth grows with distance, to a factor that the model does not know.

    The original replaces the depth of the sky after the network, by a number that it draws at random above 100,000 pixels:
    that is no part of it. The runtime offers it without the chance (dptscope.sky).
    """

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__(config)
        self.head = SkyHead(
            config.fusion_channels, config.middle_channels, config.head_channels, config.encoder.patch_size / 8
        )
