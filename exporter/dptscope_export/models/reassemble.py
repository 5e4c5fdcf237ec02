"""From the tokens of a plain vision transformer to the maps of a pyramid (Ranftl et al. 2021, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

STAGES = (1, 2, 3, 4)  # fine to coarse: 4, 2, 1 and 1/2 times the patch grid


class ReassembleStage(nn.Module):
    """Patch tokens to one map of the pyramid: a 1×1 projection, a resize by 4, 2, 1 or 1/2, a 3×3 projection."""

    def __init__(self, stage: int, width: int, channels: int, fusion_channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(width, channels, kernel_size=1)
        self.resize: nn.Module
        if stage == 1:
            self.resize = nn.ConvTranspose2d(channels, channels, kernel_size=4, stride=4)
        elif stage == 2:
            self.resize = nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        elif stage == 3:
            self.resize = nn.Identity()
        else:
            self.resize = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)
        self.to_fusion = nn.Conv2d(channels, fusion_channels, kernel_size=3, padding=1, bias=False)

    def forward(self, map_bchw: Tensor) -> Tensor:
        return self.to_fusion(self.resize(self.channels(map_bchw)))

    def channels(self, map_bchw: Tensor) -> Tensor:
        """Tokens as a map to the channels of the stage."""
        projected_bchw: Tensor = self.project(map_bchw)
        return projected_bchw
