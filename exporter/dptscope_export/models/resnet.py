"""The ResNet before the transformer of MiDaS' hybrid (Kolesnikov et al. 2020, "Big Transfer"; timm's ``resnetv2.py`` with
blocks of the first kind), for images in multiples of 16.

Every kernel is weight-standardised. That is arithmetic on the weights alone, so it is done when they are loaded
(:func:`standardise`), and the kernels here are plain ones. Padding is TensorFlow's "SAME": where a step is two and a side is
even, more stands behind than before. Equal padding moves the depth by three of its std.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32
GROUP_NORM_EPS = 1e-5
STANDARDISE_EPS = 1e-8  # 1e-6 moves the depth by 0.3 of its std where weights are small, 1e-5 by 1.1
STRIDE = 16  # of the last stage


def standardise(kernels: Sequence[Tensor]) -> Tensor:
    """A kernel as the network uses it: each output channel with mean zero and (biased) variance one.

    Args:
        kernels: one ``[out, in, height, width]``.

    Returns:
        float64 of that shape.
    """
    (kernel_oihw,) = kernels
    kernel_oihw = kernel_oihw.to(torch.float64)
    variance, mean = torch.var_mean(kernel_oihw, dim=(1, 2, 3), correction=0, keepdim=True)
    return (kernel_oihw - mean) / (variance + STANDARDISE_EPS).sqrt()


@dataclass(frozen=True)
class StageConfig:
    """Sizes of one stage.

    Attributes:
        blocks: number of bottlenecks.
        channels: of what leaves each of them.
        inner: channels of the 3×3 convolution inside.
    """

    blocks: int
    channels: int
    inner: int


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of the network.

    Attributes:
        stem: channels after the first convolution.
        stages: the three stages, at 1/4, 1/8 and 1/16 of the image.
    """

    stem: int
    stages: tuple[StageConfig, StageConfig, StageConfig]


def as_column(numbers: Sequence[Tensor]) -> Tensor:
    """Numbers of the channels, ``[C]``, as :class:`GroupNorm` has them: ``[C, 1, 1]``."""
    (numbers_c,) = numbers
    return numbers_c[..., None, None]


class GroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018). Weight and bias stand as they are multiplied and added, ``[C, 1, 1]``, and keep
    their names in the graph."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x_bchw: Tensor) -> Tensor:
        # As the normalisation of 32 tall channels, which is one operator in a graph.
        batch, channels, _, width = x_bchw.shape
        normed_bghw = F.instance_norm(x_bchw.reshape(batch, GROUPS, -1, width), eps=GROUP_NORM_EPS)
        return normed_bghw.reshape(batch, channels, -1, width) * self.weight + self.bias


class ConvNorm(nn.Module):
    """A convolution without bias and its group normalisation."""

    def __init__(self, in_channels: int, channels: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        # Even sides: (kernel - stride) places are wanted, the smaller half of them in front.
        missing = kernel - stride if kernel > 1 else 0
        before = missing // 2
        self.behind = missing - 2 * before
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding=before, bias=False)
        self.norm = GroupNorm(channels)

    def forward(self, x_bchw: Tensor) -> Tensor:
        if self.behind:
            x_bchw = F.pad(x_bchw, (0, self.behind, 0, self.behind))
        return self.norm(self.conv(x_bchw))


class Stem(nn.Module):
    """A 7×7 convolution and a 3×3 maximum, each with a step of two."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = ConvNorm(3, channels, kernel=7, stride=2)

    def forward(self, image_bchw: Tensor) -> Tensor:
        x_bchw = F.relu(self.layer(image_bchw))
        # After the ReLU a border of zeros is never larger than what is there: the original's is minus infinity.
        return F.max_pool2d(F.pad(x_bchw, (0, 1, 0, 1)), kernel_size=3, stride=2)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 around a shortcut; ReLU after the first two and after the sum."""

    def __init__(self, in_channels: int, config: StageConfig, stride: int, projects: bool) -> None:
        super().__init__()
        self.layer1 = ConvNorm(in_channels, config.inner)
        self.layer2 = ConvNorm(config.inner, config.inner, kernel=3, stride=stride)
        self.layer3 = ConvNorm(config.inner, config.channels)
        self.shortcut = ConvNorm(in_channels, config.channels, stride=stride) if projects else nn.Identity()

    def forward(self, x_bchw: Tensor) -> Tensor:
        inner_bchw = F.relu(self.layer2(F.relu(self.layer1(x_bchw))))
        return F.relu(self.layer3(inner_bchw) + self.shortcut(x_bchw))


class Stage(nn.Sequential):
    """Bottlenecks one after the other; the first changes channels and size."""

    def __init__(self, in_channels: int, config: StageConfig, stride: int) -> None:
        super().__init__()
        self.add_module("block_0", Bottleneck(in_channels, config, stride, projects=True))
        for index in range(1, config.blocks):
            self.add_module(f"block_{index}", Bottleneck(config.channels, config, stride=1, projects=False))


class ResNet(nn.Module):
    """Image to the maps that leave the three stages, at 1/4, 1/8 and 1/16 of its size."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.stem = Stem(config.stem)
        channels = config.stem
        for number, stage in enumerate(config.stages, 1):
            self.add_module(f"stage_{number}", Stage(channels, stage, stride=1 if number == 1 else 2))
            channels = stage.channels

    def forward(self, image_bchw: Tensor) -> list[Tensor]:
        stem, *stages = self.children()
        x_bchw, maps = stem(image_bchw), []
        for stage in stages:
            x_bchw = stage(x_bchw)
            maps.append(x_bchw)
        return maps
