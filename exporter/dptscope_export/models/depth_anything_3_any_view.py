"""Depth Anything 3, any-view, on one photo (Lin et al. 2025; ``depth_anything_3/model/dualdpt.py`` and
``dinov2/vision_transformer.py``).

The original attends within each photo and, in turns, to all photos at once. With one photo both see the same tokens, and
differ in what their rotary embedding takes for the patches' places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dptscope_export.models.depth_anything import DepthAnythingConfig
from dptscope_export.models.depth_anything_3 import TAP_NORM_EPS, DistanceHead, TwoMaps
from dptscope_export.models.dinov2 import Block, PositionEmbedding
from dptscope_export.models.plain_vit import PlainViT
from dptscope_export.models.reassemble import ReassembleStage
from dptscope_export.models.rotary import RotaryAttention, RotaryPositions, Rotations
from dptscope_export.models.uv import UVEmbedding
from dptscope_export.models.vit_dpt import PlainViTDPT, Reassemble


@dataclass(frozen=True, kw_only=True)
class AnyViewConfig(DepthAnythingConfig):
    """All that makes one size differ from another.

    Attributes:
        rotary_from: the first block with rotary positions and normalised queries and keys; before it the camera token
            comes in.
    """

    rotary_from: int
    tap_norm_eps: float = TAP_NORM_EPS

    def last_local(self, block: int) -> int:
        """The last block up to this one that attends within a photo."""
        return block - 1 if self.attends_everywhere(block) else block

    def attends_everywhere(self, block: int) -> bool:
        """Whether a block attends to all photos at once."""
        return block >= self.rotary_from and block % 2 == 1


class CameraToken(nn.Module):
    """The class token's place is taken by a learned token for the camera: that of the first photo."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        # The original writes it into the tensor that left the block before, too, whose class token is then lost.
        return torch.cat([self.token.expand(tokens_bnc.shape[0], -1, -1), tokens_bnc[:, 1:]], dim=1)


class AnyViewEncoder(PlainViT):
    """DINOv2, whose later blocks have rotary positions, and a camera token in place of the class token."""

    def __init__(self, config: AnyViewConfig) -> None:
        sizes = config.encoder
        blocks = (
            Block(sizes, RotaryAttention(sizes.width, sizes.heads) if index >= config.rotary_from else None)
            for index in range(sizes.blocks)
        )
        super().__init__(sizes.width, sizes.patch_size, PositionEmbedding(sizes.native_grid, sizes.width), blocks)
        self.config = config
        self.camera_token = CameraToken(sizes.width)
        self.rotary_positions = RotaryPositions()

    def shared(self, grid_h: int, grid_w: int) -> Rotations:
        rotations: Rotations = self.rotary_positions(grid_h, grid_w)
        return rotations

    def run_block(self, index: int, tokens_bnc: Tensor, rotations: Rotations) -> Tensor:
        if index < self.config.rotary_from:
            return super().run_block(index, tokens_bnc, None)
        if index == self.config.rotary_from:
            tokens_bnc = self.camera_token(tokens_bnc)
        rotation = rotations.everywhere if self.config.attends_everywhere(index) else rotations.local
        left_bnc: Tensor = self.get_submodule(self.block_names[index])(tokens_bnc, rotation)
        return left_bnc


class PlacedStage(ReassembleStage):
    """A reassembly that tells its channels where on the photo they are."""

    def __init__(self, stage: int, width: int, channels: int, fusion_channels: int) -> None:
        super().__init__(stage, width, channels, fusion_channels)
        self.uv = UVEmbedding(channels)

    def channels(self, map_bchw: Tensor) -> Tensor:
        placed_bchw: Tensor = self.uv(super().channels(map_bchw))
        return placed_bchw


class PairedPatches(Reassemble):
    """Of each tap the last local block's patches as they are, beside them its own, normalised; then a norm of both."""

    stage_type = PlacedStage

    def __init__(self, config: AnyViewConfig) -> None:
        super().__init__()
        width = config.encoder.width
        self.norm = nn.LayerNorm(width, eps=config.tap_norm_eps)
        self.pair_norm = nn.LayerNorm(2 * width, eps=config.tap_norm_eps)
        self.add_stages(config, 2 * width)

    def patches(self, stage: int, tapped: tuple[Tensor, Tensor]) -> Tensor:
        local_bnc, own_bnc = (tokens_bnc[:, 1:] for tokens_bnc in tapped)
        patches_bnc: Tensor = self.pair_norm(torch.cat([local_bnc, self.norm(own_bnc)], dim=-1))
        return patches_bnc


class ConfidenceHead(DistanceHead):
    """Distance and confidence, from one map that knows where on the photo it is."""

    def __init__(self, channels: int, middle: int, hidden: int, upsample: float) -> None:
        super().__init__(channels, middle, hidden, upsample)
        self.uv = UVEmbedding(middle)
        self.confidence_conv3 = nn.Conv2d(hidden, 1, kernel_size=1)

    def forward(self, x_bchw: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # two maps
        """Distance and confidence, ``[batch, height, width]`` each."""
        hidden_bchw = self.hidden(self.enlarge(x_bchw))
        return self.activate(self.conv3(hidden_bchw)), 1 + self.confidence_conv3(hidden_bchw).exp().squeeze(1)

    def hidden(self, x_bchw: Tensor) -> Tensor:
        return super().hidden(self.uv(x_bchw))


class DepthAnything3AnyView(TwoMaps, PlainViTDPT):
    """Depth Anything 3 of any number of views, for one: distance up to a factor, and how sure it is."""

    def __init__(self, config: AnyViewConfig) -> None:
        super().__init__(config, AnyViewEncoder(config), PairedPatches(config), config.encoder.patch_size)
        self.config = config
        self.head = ConfidenceHead(
            config.fusion_channels, config.middle_channels, config.head_channels, config.encoder.patch_size / 8
        )

    def tapped(self, tokens: list[Tensor], tap: int) -> tuple[Tensor, Tensor]:
        return tokens[self.config.last_local(tap)], tokens[tap]
