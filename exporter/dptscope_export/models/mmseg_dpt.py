"""The DPT decoder of mmsegmentation (``DPTHead``), as DINOv2's depthers and TIPSv2 have it: other rules for odd patch grids.

Every fusion block doubles what it is given, and where the map on its skip path does not fit, that map is resized. So what is
carried has 1, 2, 4 and 8 times the size of the coarsest map, which is half the patch grid, rounded up. MiDaS' rule, to resize
what is carried to the next map, moves the depth by a whole standard deviation where the grid is odd.
"""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from dptscope.contract import FUSION_BLOCKS
from dptscope_export.models.dpt import Fusion, Head, ResidualUnit
from dptscope_export.models.interpolate import interpolate
from dptscope_export.models.vit_dpt import Reassemble, ReassemblyConfig, TokensDPT


class FittedUnit(ResidualUnit):
    """A residual unit on a skip path, on the map resized."""

    def forward(self, x_bchw: Tensor, size_hw: tuple[int, int]) -> Tensor:  # type: ignore[override]
        return super().forward(interpolate(x_bchw, size=size_hw, align_corners=False))


class Spread(nn.Module):
    """A map of half a grid's size, rounded up, at the size of the grid: each value in two rows and two columns."""

    def forward(self, x_bchw: Tensor, size_hw: tuple[int, int]) -> Tensor:
        return F.interpolate(x_bchw, size=size_hw, mode="nearest")


class DoublingFusion(Fusion):
    """Fusion of maps whose sizes follow from the coarsest. The residual units have no biases.

    From the four sizes that are left after the skips' resize nobody could tell whether the patch grid was odd, and the depth
    is to have the image's size. So the deepest of the fusion inputs has the size of the grid: each value of the map stands
    there in two rows and two columns, the last of an odd grid once.
    """

    def __init__(self, channels: int) -> None:
        # Block 4 does double; saying that it fits the next map keeps a companion from having to know that two sizes agree.
        super().__init__(channels, doubles=(True, True, True, False), biases=False)
        for number in FUSION_BLOCKS[:-1]:
            self.add_module(f"skip_{number}", FittedUnit(channels, biases=False))
        self.spread_4 = Spread()

    def inputs(self, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        map_1, map_2, map_3, map_4 = maps
        skip_1, skip_2, skip_3 = (self.get_submodule(f"skip_{number}") for number in FUSION_BLOCKS[:-1])
        rows, columns = map_4.shape[-2:]
        return (
            skip_1(map_1, (8 * rows, 8 * columns)),
            skip_2(map_2, (4 * rows, 4 * columns)),
            skip_3(map_3, (2 * rows, 2 * columns)),
            self.spread_4(map_4, map_3.shape[-2:]),
        )

    def maps(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (*inputs[:3], inputs[3][..., ::2, ::2])


class MmsegHead(Head):
    """A 3×3 convolution with ReLU before what makes depth of the map, and the depth brought to the image's size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    @abstractmethod
    def fine(self, x_bchw: Tensor) -> Tensor:
        """Depth ``[batch, height, width]`` at the size that the head gives by itself."""

    def forward(self, x_bchw: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Depth ``[batch, height, width]`` of that size."""
        depth_b1hw = self.fine(x_bchw).unsqueeze(1)
        return interpolate(depth_b1hw, size=size_hw, align_corners=False).squeeze(1)


class MmsegDPT(TokensDPT):
    """A DPT with this decoder. Depth is in metres."""

    def __init__(
        self, config: ReassemblyConfig, encoder: nn.Module, reassemble: Reassemble, head: MmsegHead, patch_size: int
    ) -> None:
        super().__init__(config, encoder, reassemble, DoublingFusion(config.fusion_channels), head)
        self.patch_size = patch_size

    def depth(self, fusion_inputs: tuple[Tensor, ...], fusion_scales: tuple[Tensor, ...] | None = None) -> Tensor:
        grid_h, grid_w = fusion_inputs[3].shape[-2:]
        size_hw = grid_h * self.patch_size, grid_w * self.patch_size
        depth_bhw: Tensor = self.head(self.fusion(fusion_inputs, fusion_scales), size_hw)
        return depth_bhw
