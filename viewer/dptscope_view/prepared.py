"""A photo that has been through the encoder, with what is made of it from then on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.maps import BlockAttention, Received
from dptscope.cancel import Cancellation
from dptscope.errors import DptscopeError
from dptscope.norms import NormStatistics
from dptscope.scales import UNSCALED, FusionScales
from dptscope.sky import fill_sky
from dptscope.tokens import PrincipalComponents, components_of_blocks
from dptscope_view.detail import Detail
from dptscope_view.frame import Subject


class SceneLike(Protocol):
    """What is used of :class:`dptscope.Scene`; the tests have their own."""

    input_size: tuple[int, int]
    block_norms: tuple[Float32Array, ...]
    cls_tokens: Float32Array | None
    register_tokens: Float32Array | None
    sky: Float32Array | None

    @property
    def block_tokens(self) -> tuple[Float32Array, ...]: ...
    def forget_tokens(self) -> None: ...
    def block_attention(self, block: int) -> BlockAttention: ...
    def attending_blocks(self, block: int) -> tuple[int, ...]: ...
    def statistics(self) -> tuple[NormStatistics, ...]: ...
    @property
    def has_preview(self) -> bool: ...
    def raw_depth(self, fusion_scales: FusionScales = ..., cancel: Cancellation | None = ...) -> Float32Array: ...
    def preview_depth(self, fusion_scales: FusionScales) -> Float32Array: ...
    def depth(
        self, fusion_scales: FusionScales = ..., *, focal: float | None = ..., far_sky: bool = ...
    ) -> Float32Array: ...


@dataclass(frozen=True)
class Unmodified:
    """What is kept of the model as it is, beside one with added registers.

    Attributes:
        depth_hw: float32 at the size at which the model saw the photo.
        statistics: of the norms.
    """

    depth_hw: Float32Array
    statistics: tuple[NormStatistics, ...]


@dataclass
class Prepared:
    """A scene, and what is kept of it.

    Attributes:
        subject: what the encoder saw.
        scene: what it gave.
        statistics: of the norms.
        has_tokens: the scene has the tokens themselves.
        encoder_ms: what the encoder took.
        fusion_ms: what the last full depth took, with what follows the encoder.
        focal: in pixels of the photo, where the depth is in metres by it.
        metres: a unit of the raw depth; None where it is not known.
        unmodified: what the model gives without the registers that were let in, if any were.
    """

    subject: Subject
    scene: SceneLike
    statistics: tuple[NormStatistics, ...]
    has_tokens: bool
    encoder_ms: float
    focal: float | None
    metres: float | None
    unmodified: Unmodified | None = None
    fusion_ms: float = 0.0
    _shown: tuple[FusionScales, Float32Array] | None = None  # the last full depth
    _detail: Detail | None = None  # of that, made when it is first needed
    _components: tuple[PrincipalComponents, ...] | None = None  # made when they are first asked for
    _received: dict[int, Received] = field(default_factory=dict)  # by block, as far as it has been summed

    def forget_tokens(self) -> None:
        """Keep only their norms."""
        self.scene.forget_tokens()
        self.has_tokens = False

    def has_depth(self, scales: FusionScales) -> bool:
        """Tell whether the last full depth was of these scales."""
        return self._shown is not None and self._shown[0] == scales

    def full_depth(self, scales: FusionScales, cancel: Cancellation | None) -> Float32Array:
        """The raw depth; nothing runs where :meth:`has_depth`."""
        if self._shown is None or self._shown[0] != scales:
            start = time.perf_counter()
            self._shown, self._detail = (scales, self.scene.raw_depth(scales, cancel)), None
            self.fusion_ms = (time.perf_counter() - start) * 1000
        return self._shown[1]

    def preview_depth(self, scales: FusionScales) -> Float32Array:
        """The preview with the fine structure of the last full depth, at that one's size."""
        coarse_hw = self.scene.preview_depth(scales)
        if self._detail is None:
            shown_scales, full_hw = self._shown or (UNSCALED, self.scene.raw_depth())
            self._detail = Detail(full_hw, self.scene.preview_depth(shown_scales))
        return self._detail.added_to(coarse_hw)

    def finished(self, raw_hw: Float32Array, far_sky: bool) -> Float32Array:
        """A raw depth as it is shown: the sky far, where that is asked for, and in metres, where there are any."""
        sky_hw = self.scene.sky
        if far_sky and sky_hw is not None:
            raw_hw = fill_sky(raw_hw, sky_hw)
        return raw_hw if self.metres is None else raw_hw * np.float32(self.metres)

    def components(self) -> tuple[PrincipalComponents, ...] | None:
        """Of every block's tokens; None where they are not kept."""
        if self._components is None and self.has_tokens:
            self._components = tuple(components_of_blocks(self.scene.block_tokens))
        return self._components

    def attention(self, block: int | None) -> tuple[BlockAttention | None, str]:
        """Of a block that is asked for, or why there is none: the rest of the picture does not depend on it."""
        if block is None or not self.has_tokens:
            return None, ""
        try:
            return self.scene.block_attention(block), ""
        except DptscopeError as error:
            return None, str(error)

    def missing_attention(self, block: int) -> list[int]:
        """The blocks, of those of that one's grid, whose attention has not been summed; that one last: it is at hand, and
        stays there."""
        missing = [other for other in self.scene.attending_blocks(block) if other not in self._received]
        return sorted(missing, key=lambda other: (other == block, other))

    def sum_attention(self, block: int) -> None:
        """Sum what each token receives in a block.

        Raises:
            DptscopeError: its attention cannot be had.
        """
        self._received[block] = self.scene.block_attention(block).received()

    def received(self, block: int) -> Mapping[int, Received] | None:
        """What each token receives, by block, in all blocks of that one's grid; None until they have been summed."""
        blocks = self.scene.attending_blocks(block)
        return None if self.missing_attention(block) else {other: self._received[other] for other in blocks}
