"""What every DPT model shares: fusion of four maps and the depth head (Ranftl et al. 2021, "Vision Transformers for
Dense Prediction"; MiDaS ``midas/dpt_depth.py`` and ``midas/blocks.py``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope.contract import FUSION_BLOCKS  # the numbering of the original modules
from dptscope_export.models.interpolate import interpolate


@dataclass(frozen=True)
class Features:
    """All that lies between the image and the fusion.

    Attributes:
        embedded_tokens: patch tokens that go into the first block ``[batch, grid_height, grid_width, channels]``.
        block_tokens: for every transformer block its patch tokens ``[batch, grid_height, grid_width, channels]``: the
            residual stream as it leaves the block, without class token, before any final norm.
        block_cls_tokens: ``[batch, blocks, channels]``, or None where the encoder has no class token.
        block_register_tokens: ``[batch, blocks, registers, channels]``, or None where the encoder has no registers.
        fusion_inputs: ``fusion_input_1 … 4`` as ``[batch, fusion_channels, height, width]``; see :meth:`Fusion.inputs`.
    """

    embedded_tokens: Tensor
    block_tokens: tuple[Tensor, ...]
    block_cls_tokens: Tensor | None
    fusion_inputs: tuple[Tensor, Tensor, Tensor, Tensor]
    block_register_tokens: Tensor | None = None


class DPT(nn.Module, ABC):
    """Image to depth in two halves, so that the second one can be run again and again with other fusion scales."""

    fusion: Fusion
    head: Head

    @abstractmethod
    def features(self, image_bchw: Tensor) -> Features:
        """Run the encoder, the reassembly and the part of the fusion that no scale can change.

        Args:
            image_bchw: float32 RGB, normalised with the family's mean and std; each side a multiple of the patch size.
        """

    def depth(self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...] | None = None) -> Tensor:
        """Depth ``[batch, height, width]`` from ``fusion_inputs`` and, for fusion blocks 1 … 4, a scale ``[1 or batch]``."""
        return self.head(self.fusion(fusion_inputs, fusion_scales))

    def maps(
        self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, ...]:
        """All maps of the image's size that the model makes, ``[batch, height, width]`` each: the depth, and the sky where
        it has one. Arguments as in :meth:`depth`."""
        return (self.depth(fusion_inputs, fusion_scales),)

    def forward(self, image_bchw: Tensor) -> Tensor:
        """Depth ``[batch, height, width]`` of the unmodified model."""
        return self.depth(self.features(image_bchw).fusion_inputs)


class ResidualUnit(nn.Module):
    """Two 3×3 convolutions, each after its ReLU, around a shortcut (``ResidualConvUnit_custom``)."""

    def __init__(self, channels: int, biases: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=biases)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=biases)

    def forward(self, x_bchw: Tensor) -> Tensor:
        return x_bchw + self.conv2(F.relu(self.conv1(F.relu(x_bchw))))


class FusionBlock(nn.Module):
    """One fusion block (``FeatureFusionBlock_custom``), without the unit on the skip path that :class:`Fusion` runs early.

    The original resizes first and then applies its 1×1 convolution. Both are linear and the interpolation weights sum to
    one, so the order does not matter beyond rounding (below 1e-6 of the map's range); this way round the convolution
    touches a quarter of the pixels.
    """

    def __init__(self, channels: int, doubles: bool, biases: bool = True) -> None:
        super().__init__()
        self.residual_unit = ResidualUnit(channels, biases)
        self.out_conv = nn.Conv2d(channels, channels, kernel_size=1)
        self.doubles = doubles

    def forward(self, x_bchw: Tensor, next_bchw: Tensor | None) -> Tensor:
        return self.enlarge(self.out_conv(self.residual_unit(x_bchw)), next_bchw)

    def enlarge(self, x_bchw: Tensor, next_bchw: Tensor | None) -> Tensor:
        """Resize to the size of the next finer map, or to twice its own where there is none."""
        if self.doubles or next_bchw is None:
            # The same sizes as below, said as a constant: onnxruntime keeps its blocked convolution layout only across
            # a resize whose scales are constant whole numbers.
            return interpolate(x_bchw, scale_factor=2, align_corners=True)
        return interpolate(x_bchw, size=next_bchw.shape[-2:], align_corners=True)


class Fusion(nn.Module):
    """Four maps, coarse to fine, into one at twice the finest map's size.

    Args:
        channels: channels of all four maps.
        doubles: for blocks 1 … 4, whether the next finer map is always exactly twice as large. False for block 4 of a
            plain ViT, whose coarsest map is rounded up when the patch grid is odd.
        biases: whether the residual units have some.
    """

    def __init__(self, channels: int, doubles: tuple[bool, bool, bool, bool], biases: bool = True) -> None:
        super().__init__()
        for number in FUSION_BLOCKS:
            self.add_module(f"block_{number}", FusionBlock(channels, doubles[number - 1], biases))
        for number in FUSION_BLOCKS[:-1]:  # block 4 has no skip path; checkpoints carry unused weights for it
            self.add_module(f"skip_{number}", ResidualUnit(channels, biases))

    def inputs(self, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute what :meth:`forward` needs, as far as no scale can change it.

        Scale k multiplies what comes *into* block k from below, so the skip path of blocks 1 … 3 runs here, once. Block 4
        gets its map as it is: its first operation, a ReLU, follows the scale.
        """
        map_1, map_2, map_3, map_4 = maps
        skip_1, skip_2, skip_3 = (self.get_submodule(f"skip_{number}") for number in FUSION_BLOCKS[:-1])
        return skip_1(map_1), skip_2(map_2), skip_3(map_3), map_4

    def maps(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What :meth:`inputs` gave, as the blocks take it."""
        return inputs

    def forward(self, inputs: tuple[Tensor, ...], scales: tuple[Tensor, ...] | None = None, level: int = 0) -> Tensor:
        """The fused map; with a ``level`` from 1 to 3, at the size of that map alone: finer maps are averaged down to it."""
        inputs = self.maps(inputs)
        x_bchw = None
        for number in reversed(FUSION_BLOCKS):
            skip_bchw = inputs[number - 1]
            if number < level:
                skip_bchw = F.avg_pool2d(skip_bchw, 2 ** (level - number))
            carried_bchw = skip_bchw if x_bchw is None else x_bchw
            if scales is not None:
                carried_bchw = carried_bchw * scales[number - 1][:, None, None, None]
            fused_bchw = carried_bchw if x_bchw is None else carried_bchw + skip_bchw
            block = self.get_submodule(f"block_{number}")
            assert isinstance(block, FusionBlock)
            if number > level:
                x_bchw = block(fused_bchw, inputs[number - 2] if number > 1 else None)
            else:
                x_bchw = block.out_conv(block.residual_unit(fused_bchw))
        assert x_bchw is not None
        return x_bchw


class Head(nn.Module, ABC):
    """From the fused map to depth."""

    @abstractmethod
    def coarse(self, x_bchw: Tensor) -> Tensor:
        """Depth ``[batch, height, width]`` at the fused map's own size: without what the head enlarges."""

    @abstractmethod
    def kernels(self) -> tuple[tuple[nn.Conv2d, float], ...]:
        """Each 3×3 convolution, and how many times finer than the fused map the map is that it reads."""


class DepthHead(Head):
    """Three convolutions from the fused map to depth.

    Args:
        channels: channels of the fused map.
        middle: channels after the first convolution.
        hidden: channels after the second.
        upsample: factor from the fused map's size to the depth's; a multiple of 1/8 that gives whole pixels.
        max_depth: metres at the end of a metric model's sigmoid; None for relative models, which end in a ReLU.
    """

    def __init__(
        self, channels: int, middle: int, hidden: int, upsample: float, max_depth: float | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, middle, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(middle, hidden, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(hidden, 1, kernel_size=1)
        self.upsample = upsample
        self.max_depth = max_depth

    def forward(self, x_bchw: Tensor) -> Tensor:
        return self.activate(self.conv3(self.hidden(self.enlarge(x_bchw))))

    def coarse(self, x_bchw: Tensor) -> Tensor:
        return self.activate(self.conv3(self.hidden(self.conv1(x_bchw))))

    def kernels(self) -> tuple[tuple[nn.Conv2d, float], ...]:
        return (self.conv1, 1), (self.conv2, self.upsample)

    def enlarge(self, x_bchw: Tensor) -> Tensor:
        """The fused map after the first convolution, at the depth's size."""
        return interpolate(self.conv1(x_bchw), scale_factor=self.upsample, align_corners=True)

    def hidden(self, x_bchw: Tensor) -> Tensor:
        """What the last convolution reads, from what the first one gives, at the depth's size or at a preview's."""
        return F.relu(self.conv2(x_bchw))

    def activate(self, depth_b1hw: Tensor) -> Tensor:
        """Depth ``[batch, height, width]`` from the last convolution's map."""
        depth_b1hw = F.relu(depth_b1hw) if self.max_depth is None else depth_b1hw.sigmoid() * self.max_depth
        return depth_b1hw.squeeze(1)
