"""One photo after the encoder: its tokens' norms, and depth for as many fusion scalings as are asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import numpy as np

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.attention.families import block_attention, special_tokens
from dptscope.attention.maps import Attention, BlockAttention, Token
from dptscope.camera import metres_a_unit
from dptscope.cancel import Cancellation
from dptscope.errors import DptscopeError, ModelFileError
from dptscope.graphs import Graphs
from dptscope.norms import NormStatistics, norm_statistics, special_norms, token_norms
from dptscope.registers import AddedRegisters
from dptscope.resize import resize_depth
from dptscope.scales import UNSCALED, FusionScales, four_scales
from dptscope.sky import check_has_sky, fill_sky

if TYPE_CHECKING:
    from dptscope.notebook import Picture

logger = logging.getLogger("dptscope")


class Scene:
    """One photo after the encoder. Made by :meth:`DepthModel.prepare`.

    Attributes:
        photo_size: height and width of the photo.
        input_size: height and width at which the model saw it.
        block_norms: L2 norms of the tokens that leave each block, float32 ``[grid_height, grid_width]`` each.
        cls_tokens: the class token that leaves each block, float32 ``[blocks, channels]``; None where the encoder has none.
        added_registers: what was appended to its tokens, if anything was.
        register_tokens: the register tokens that leave each block, float32 ``[blocks, registers, channels]``: those that the
            model was trained with, then those that were added; None where there are none.
        sky: where the sky is, float32 ``[height, width]`` of ``input_size``: zero or more, the larger, the surer; None where
            the model does not say.
        confidence: how sure the depth is, as large: one or more, the larger, the surer; None where the model does not say.
    """

    def __init__(
        self,
        graphs: Graphs,
        input_bchw: Float32Array,
        photo_hw: tuple[int, int],
        keep_tokens: bool = False,
        cancel: Cancellation | None = None,
        added: AddedRegisters | None = None,
    ) -> None:
        """Run the encoder.

        Args:
            graphs: of the model.
            input_bchw: one prepared photo, float32 ``[1, 3, height, width]``.
            photo_hw: height and width of the photo itself.
            keep_tokens: keep the tokens themselves and not only their norms.
            cancel: ends the run from another thread.
            added: registers that are appended to the tokens.

        Raises:
            CancelledError: it was ended.
        """
        self._graphs = graphs
        self.added_registers = added
        self.photo_size = photo_hw
        self.input_size: tuple[int, int] = (input_bchw.shape[2], input_bchw.shape[3])
        blocks = [contract.block_tokens_name(index) for index in range(len(graphs.card.blocks))]
        fusion = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
        needed = fusion if graphs.has_companion or graphs.has_preview else []
        cls = [contract.BLOCK_CLS_TOKENS] if graphs.card.has_cls else []
        registers = [contract.BLOCK_REGISTER_TOKENS] if graphs.card.registers else []
        embedded = [contract.EMBEDDED_TOKENS] if keep_tokens and graphs.has_embedded_tokens else []
        appended = [contract.BLOCK_APPENDED_TOKENS] if added is not None and added.number else []
        found = graphs.whole(
            input_bchw,
            [*graphs.card.maps(), *blocks, *needed, *cls, *registers, *embedded, *appended],
            cancel=cancel,
            registers=added,
        )
        self._unscaled_hw: Float32Array = found[contract.DEPTH][0]
        self._tokens = tuple(found[name][0] for name in blocks) if keep_tokens else None
        self._embedded_hwc = found[embedded[0]][0] if embedded else None
        self._attention: tuple[int, BlockAttention] | None = None
        self.block_norms = tuple(token_norms(found[name][0]) for name in blocks)
        self.cls_tokens: Float32Array | None = found[cls[0]][0] if cls else None
        every = [found[name][0] for name in (*registers, *appended)]
        self.register_tokens: Float32Array | None = np.concatenate(every, axis=1) if every else None
        self.sky, self.confidence = (
            found[name][0] if name in found else None for name in (contract.SKY, contract.CONFIDENCE)
        )
        self._fusion_inputs = tuple(found[name] for name in needed)
        self._input_bchw = None if graphs.has_companion else input_bchw
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

    def forget_tokens(self) -> None:
        """Keep only their norms from now on: as if the scene had been prepared without ``keep_tokens``."""
        self._tokens = self._embedded_hwc = self._attention = None

    def attention(self, block: int, token: Token) -> Attention:
        """What one token attends to in a block, and who attends to it: computed from the tokens that go into the block and
        the weights in the file, without a run. The first token of a block takes longest: all queries meet all keys.

        Args:
            block: index of the block.
            token: row and column in the grid, ``"class"``, or ``("register", 0)`` and so on, where the model has registers.

        Raises:
            DptscopeError: no such block or token, or the scene was prepared without ``keep_tokens``.
            ModelFileError: the file does not hold what is needed.
        """
        return self.block_attention(block).of(token)

    def block_attention(self, block: int) -> BlockAttention:
        """The attention of one block, ready for any of its tokens; arguments and errors as in :meth:`attention`."""
        if not 0 <= block < len(self._graphs.card.blocks):
            raise DptscopeError(f"expected a block from 0 to {len(self._graphs.card.blocks) - 1}, got {block}")
        if self._attention is None or self._attention[0] != block:
            card, weights = self._graphs.card, self._graphs.weights
            self._attention = block, block_attention(card, weights, block, *self._tokens_into(block))
        return self._attention[1]

    def attending_blocks(self, block: int) -> tuple[int, ...]:
        """The blocks in whose attention a token of that block's grid takes part: those of the same grid, without the first of
        a file that does not say what goes into it."""
        specs = self._graphs.card.blocks
        first = 0 if self._graphs.has_embedded_tokens else 1
        return tuple(index for index in range(first, len(specs)) if specs[index].stage == specs[block].stage)

    def _tokens_into(self, block: int) -> tuple[Float32Array, Float32Array | None]:
        """The grid's, and those beside it: class token and registers."""
        tokens = self.block_tokens
        if block:
            return tokens[block - 1], self._special_into(block)
        if self._embedded_hwc is None:
            raise ModelFileError(
                f"{self._graphs.path}: expected the output {contract.EMBEDDED_TOKENS}, what block 0 attends with, got a file "
                "without it; ask for block 1 or a later one, or export the checkpoint again"
            )
        return self._embedded_hwc, self._special_into(block)

    def _special_into(self, block: int) -> Float32Array | None:
        card, weights = self._graphs.card, self._graphs.weights
        special_sc = special_tokens(card, weights, block, self.cls_tokens, self.register_tokens)
        if block == 0 and special_sc is not None and self.added_registers is not None:
            special_sc = np.concatenate([special_sc, self.added_registers.tokens_rc(special_sc.shape[1])])
        return special_sc

    def special_norms(self) -> dict[str, tuple[float, ...]]:
        """L2 norms of the tokens beside the grid, one a block, by name: ``class``, and ``register`` where there is one,
        ``register 0`` and so on where there are several; empty where the encoder has no class token."""
        return special_norms(self.cls_tokens, self.register_tokens)

    def statistics(self) -> tuple[NormStatistics, ...]:
        """Summarise each block's norm map, and find its outliers."""
        blocks = self._graphs.card.blocks
        return tuple(
            norm_statistics(index, norms_hw, blocks[index].stride, blocks[index].channels)
            for index, norms_hw in enumerate(self.block_norms)
        )

    def depth(
        self,
        fusion_scales: FusionScales = UNSCALED,
        *,
        focal: float | None = None,
        fov: float | None = None,
        far_sky: bool = False,
    ) -> Float32Array:
        """Depth at the photo's size, float32 ``[height, width]``; see :meth:`raw_depth`.

        ``focal``, ``fov``, ``far_sky`` and their errors are those of :meth:`DepthModel.predict`. Of a scaled depth, too, the
        sky is where :attr:`sky` has it.
        """
        card = self._graphs.card
        if far_sky:
            check_has_sky(card)
        metres = metres_a_unit(card, self.photo_size[1], self.input_size[1], focal, fov)
        raw_hw = self.raw_depth(fusion_scales)
        if far_sky and self.sky is not None:
            raw_hw = fill_sky(raw_hw, self.sky)
        depth_hw = resize_depth(raw_hw, self.photo_size, card.preparation.output_resize)
        return depth_hw if metres is None else depth_hw * np.float32(metres)

    def raw_depth(self, fusion_scales: FusionScales = UNSCALED, cancel: Cancellation | None = None) -> Float32Array:
        """Depth at the model's input size, float32 ``[height, width]``, for scales of fusion blocks 1 … 4.

        Runs only fusion and head where the companion is there, else the whole model (and logs that once), which ``cancel``
        ends from another thread.

        Raises:
            CancelledError: it was ended.
        """
        fusion_scales = four_scales(fusion_scales)
        if fusion_scales == UNSCALED:
            return self._unscaled_hw
        if self._input_bchw is None:
            fused_hw: Float32Array = self._graphs.fuse(self._fusion_inputs, fusion_scales)[0]
            return fused_hw
        if not self._warned:
            self._warned = True
            companion = contract.companion_path(self._graphs.path)
            logger.warning("%s is not there: every fusion scaling runs the whole model", companion)
        found = self._graphs.whole(self._input_bchw, [contract.DEPTH], fusion_scales, cancel, self.added_registers)
        scaled_hw: Float32Array = found[contract.DEPTH][0]
        return scaled_hw

    def show(self, what: Literal["depth", "norms"] = "depth", fusion_scales: FusionScales = UNSCALED) -> Picture:
        """Draw the depth, bright is near, or the norms of all blocks; a notebook displays what comes back."""
        from dptscope.notebook import Picture
        from dptscope.pictures.block_sheets import norm_sheet
        from dptscope.pictures.depth import depth_picture

        if what == "depth":
            return Picture(depth_picture(self.depth(fusion_scales), self._graphs.card.depth_kind))
        return Picture(norm_sheet(self.block_norms, self.statistics(), "L2 norms of tokens", self.special_norms()))

    @property
    def has_preview(self) -> bool:
        """Whether :meth:`preview_depth` can answer."""
        return self._graphs.has_preview

    def preview_depth(self, fusion_scales: FusionScales) -> Float32Array:
        """A coarse :meth:`raw_depth`, float32 ``[height, width]`` at a fraction of the input size.

        Raises:
            ModelFileError: the preview is not there.
        """
        coarse_hw: Float32Array = self._graphs.preview(self._fusion_inputs, four_scales(fusion_scales))[0]
        return coarse_hw
