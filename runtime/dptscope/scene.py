"""One photo after the encoder: its tokens' norms, and depth for as many fusion scalings as are asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dptscope import contract
from dptscope.errors import DptscopeError
from dptscope.norms import NormStatistics, norm_statistics, token_norms
from dptscope.resize import Float32Array, resize_depth
from dptscope.scales import UNSCALED, FusionScales, four_scales

if TYPE_CHECKING:
    from dptscope.model import DepthModel

logger = logging.getLogger("dptscope")


class Scene:
    """One photo after the encoder. Made by :meth:`DepthModel.prepare`.

    Attributes:
        photo_size: height and width of the photo.
        input_size: height and width at which the model saw it.
        block_norms: L2 norms of the tokens that leave each block, float32 ``[grid_height, grid_width]`` each.
    """

    def __init__(
        self, model: DepthModel, photo_hw: tuple[int, int], input_bchw: Float32Array, keep_tokens: bool = False
    ) -> None:
        self._model = model
        self.photo_size = photo_hw
        self.input_size: tuple[int, int] = (input_bchw.shape[2], input_bchw.shape[3])
        blocks = [contract.block_tokens_name(index) for index in range(len(model.card.blocks))]
        fusion = (
            [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
            if model.has_companion or model.has_preview
            else []
        )
        found = model.run(input_bchw, [contract.DEPTH, *blocks, *fusion])
        self._unscaled_hw: Float32Array = found[contract.DEPTH][0]
        self._tokens = tuple(found[name][0] for name in blocks) if keep_tokens else None
        self.block_norms = tuple(token_norms(found[name][0]) for name in blocks)
        self._fusion_inputs = tuple(found[name] for name in fusion)
        self._input_bchw = None if model.has_companion else input_bchw
        self._warned = False

    @property
    def block_tokens(self) -> tuple[Float32Array, ...]:
        """Patch tokens that leave each block, float32 ``[grid_height, grid_width, channels]`` each.

        Raises:
            DptscopeError: the scene was prepared without ``keep_tokens``.
        """
        if self._tokens is None:
            raise DptscopeError("expected a scene prepared with keep_tokens=True, got one that keeps only the norms")
        return self._tokens

    def statistics(self) -> tuple[NormStatistics, ...]:
        """What each block's norm map looks like, and where its outliers are."""
        blocks = self._model.card.blocks
        return tuple(
            norm_statistics(index, norms_hw, blocks[index].stride, blocks[index].channels)
            for index, norms_hw in enumerate(self.block_norms)
        )

    def raw_depth(self, fusion_scales: FusionScales = UNSCALED) -> Float32Array:
        """Depth at the model's input size, float32 ``[height, width]``, for scales of fusion blocks 1 … 4.

        Runs only fusion and head where the companion is there, else the whole model (and logs that once).
        """
        fusion_scales = four_scales(fusion_scales)
        if fusion_scales == UNSCALED:
            return self._unscaled_hw
        if self._input_bchw is None:
            fused_hw: Float32Array = self._model.fuse(self._fusion_inputs, fusion_scales)[0]
            return fused_hw
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s is not there: every fusion scaling runs the whole model", contract.companion_path(self._model.path)
            )
        scaled_hw: Float32Array = self._model.run(self._input_bchw, [contract.DEPTH], fusion_scales)[contract.DEPTH][0]
        return scaled_hw

    @property
    def has_preview(self) -> bool:
        """Whether :meth:`preview_depth` can answer."""
        return self._model.has_preview

    def preview_depth(self, fusion_scales: FusionScales) -> Float32Array:
        """A coarse :meth:`raw_depth`, float32 ``[height, width]`` at a fraction of the input size.

        Raises:
            ModelFileError: the preview is not there.
        """
        coarse_hw: Float32Array = self._model.preview(self._fusion_inputs, four_scales(fusion_scales))[0]
        return coarse_hw

    def depth(self, fusion_scales: FusionScales = UNSCALED) -> Float32Array:
        """Depth at the photo's size, float32 ``[height, width]``; see :meth:`raw_depth`."""
        raw_hw = self.raw_depth(fusion_scales)
        return resize_depth(raw_hw, self.photo_size, self._model.card.preparation.output_resize)
