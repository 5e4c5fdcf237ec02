"""Fusion and head at the resolution of a coarser map: what is shown while a slider moves.

Most of the arithmetic of a decoder is spent on its finest maps, which are smooth: the head convolves a map that was
enlarged seven times over. So the maps finer than the chosen one are averaged down to it, nothing is enlarged beyond it, and
each 3×3 kernel is replaced by the one that reads the same places of the coarser map, with linear interpolation between its
samples; where these places lie close around one sample, by a kernel of that sample alone. The coarser blocks, and what the
sliders do, stay as they are.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dptscope.contract import FUSION_BLOCKS
from dptscope_export.models.dpt import DPT, Fusion, Head, ResidualUnit

LEVELS = (1, 2, 3)  # the map at whose resolution the preview is
LARGEST_FLOPS = 4e9  # of the finest level that is taken: about 25 ms on two cores

# How much coarser a map must be for a kernel to become one of 1×1. With the trained small model this changes the preview's
# median distance from the full picture by 0.3 dB of 31 at level 3, and saves a third of the arithmetic there.
POINT_IN_BLOCK = 4
POINT_IN_HEAD = 8


def choose_level(channels: int, map_pixels: tuple[float, ...]) -> int:
    """The finest level whose fusion blocks take at most :data:`LARGEST_FLOPS`, else the coarsest.

    Args:
        channels: of the fusion maps.
        map_pixels: pixels of the four maps, fine to coarse, at the size that most photos will have.
    """
    for level in LEVELS:
        pixels = sum(map_pixels[max(number, level) - 1] for number in FUSION_BLOCKS)
        if 2 * 2 * 9 * channels**2 * pixels <= LARGEST_FLOPS:  # two convolutions of 3×3 a block
            return level
    return LEVELS[-1]


class Preview(nn.Module):
    """The coarse decoder of a model, with weights derived from the model's.

    Args:
        model: the whole model; it is not changed.
        level: the map, 1 (finest) to 3, at whose resolution the depth comes out.
    """

    def __init__(self, model: DPT, level: int) -> None:
        super().__init__()
        self.level = level
        self.fusion: Fusion = copy.deepcopy(model.fusion)
        self.head: Head = copy.deepcopy(model.head)
        for number in FUSION_BLOCKS:
            unit = self.fusion.get_submodule(f"block_{number}.residual_unit")
            assert isinstance(unit, ResidualUnit)
            for convolution in (unit.conv1, unit.conv2):
                _coarsen(convolution, 2.0 ** max(level - number, 0), POINT_IN_BLOCK)
        enlarged = 2.0**level  # the head sees the finest map at twice its size
        for convolution, finer in self.head.kernels():
            _coarsen(convolution, enlarged * finer, POINT_IN_HEAD)

    def depth(self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...]) -> Tensor:
        """Depth ``[batch, height, width]`` at the size of map ``level``; arguments as in :meth:`DPT.depth`."""
        return self.head.coarse(self.fusion(fusion_inputs, fusion_scales, self.level))


def _coarsen(convolution: nn.Conv2d, factor: float, point_from: float) -> None:
    if factor < point_from:
        weight = coarse_kernel(convolution.weight, factor)
    else:
        weight = convolution.weight.sum((2, 3), keepdim=True)
        convolution.kernel_size, convolution.padding = (1, 1), (0, 0)
    convolution.weight = nn.Parameter(weight, requires_grad=False)


def coarse_kernel(weight_oihw: Tensor, factor: float) -> Tensor:
    """A 3×3 kernel for a grid that is ``factor`` times coarser, ``[out, in, 3, 3]``.

    On a map that is linear between the coarse samples it gives what the original gives on the fine grid: a tap one fine
    sample away lies ``1 / factor`` of the way to the coarse neighbour.
    """
    near = 1 / factor
    taps = torch.tensor(
        [[near, 1 - near, 0.0], [0.0, 1.0, 0.0], [0.0, 1 - near, near]],
        dtype=weight_oihw.dtype,
        device=weight_oihw.device,
    )
    return torch.einsum("oihw,hy,wx->oiyx", weight_oihw, taps, taps)
