"""What is asked of the model, and what the views draw from: plain records that go from thread to thread."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.attention.maps import BlockAttention, Received, Token
from dptscope.card import DepthKind
from dptscope.norms import NormStatistics
from dptscope.scales import UNSCALED, FusionScales
from dptscope.tokens import PrincipalComponents
from dptscope_view.state import WHOLE, Crop, Facts, Show, State, View


@dataclass(frozen=True)
class Subject:
    """What the encoder sees. Another subject is another run of the encoder.

    Attributes:
        photo: index of the photo.
        crop: the part that is used.
        size: target of the model's resize rule in pixels.
        square: ignore the aspect.
        registers: added registers are let in.
    """

    photo: int
    size: int
    crop: Crop = WHOLE
    square: bool = False
    registers: bool = False


@dataclass(frozen=True)
class Question:
    """Everything that the worker's answer depends on.

    Attributes:
        subject: what the encoder sees.
        scales: of fusion blocks 1 … 4.
        tokens: the tokens themselves are shown, not only their norms.
        components: so are their principal components.
        attention: the block whose attention is shown, if one is.
        received: so is how much of it a token receives in all blocks.
        far_sky: the sky is put at one far distance.
    """

    subject: Subject
    scales: FusionScales = UNSCALED
    tokens: bool = False
    components: bool = False
    attention: int | None = None
    received: bool = False
    far_sky: bool = False

    @classmethod
    def of(cls, state: State, facts: Facts) -> Question:
        """Put what a state asks of the model into a question."""
        subject = Subject(state.photo, facts.sizes[state.size], state.crop, state.square, state.registers)
        # The norms do not depend on the scales, so that view does not wait for them.
        norms, components = state.view is View.NORMS, state.show is Show.COMPONENTS
        tokens = norms and (components or state.show in (Show.CHANNEL, Show.SIMILARITY, Show.ATTENTION))
        attention = state.block if norms and state.show is Show.ATTENTION else None
        # Of a token that is kept, an outlier above all: while the mouse only passes over tokens, nothing else shall run.
        received = attention is not None and state.anchor is not None and state.anchor.photo in (None, state.photo)
        return cls(
            subject, state.effective_scales, tokens, norms and components, attention, received, far_sky=state.far_sky
        )


_numbers = itertools.count(1)


@dataclass(frozen=True)
class Frame:
    """An answer: all that the views draw from.

    Attributes:
        question: what was asked.
        photo_bgr: uint8 ``[height, width, 3]``, cropped.
        depth_hw: float32 at the size at which the model saw the photo; in metres where the focal length gives them.
        original_hw: the same of the unmodified model, without added registers, too.
        depth_kind: what both are.
        sky_hw: where the sky is, of the same size, or None where the model does not say; see :class:`dptscope.Scene`.
        norms: one float32 ``[grid_height, grid_width]`` a block.
        statistics: of the norms.
        before: those without added registers, where there are some.
        tokens: one float32 ``[grid_height, grid_width, channels]`` a block, or None where they are many and nobody asked.
        cls_tokens: float32 ``[blocks, channels]``, or None where the encoder has no class token.
        register_tokens: float32 ``[blocks, registers, channels]``, or None where there are none: those that the model was
            trained with, then those that were added.
        components: of the tokens, one a block, or None when nobody asked.
        attention: of the block that was asked for, or None.
        no_attention: why there is none, although it was asked for.
        received: how much attention each token receives, by block, in all blocks of that one's grid; None until it is known.
        input_size: height and width at which the model saw the photo.
        coarse: it saw it smaller than was asked, or the depth is the model's preview with the detail of the last full
            picture; the full picture follows.
        encoder_ms: what the encoder took when this subject was prepared.
        fusion_ms: what fusion and head took for these scales; 0 for the unmodified model, which the encoder's run includes.
        number: different for every frame.
    """

    question: Question
    photo_bgr: NDArray[np.uint8]
    depth_hw: Float32Array
    original_hw: Float32Array
    depth_kind: DepthKind
    sky_hw: Float32Array | None
    norms: tuple[Float32Array, ...]
    statistics: tuple[NormStatistics, ...]
    before: tuple[NormStatistics, ...] | None
    tokens: tuple[Float32Array, ...] | None
    cls_tokens: Float32Array | None
    register_tokens: Float32Array | None
    components: tuple[PrincipalComponents, ...] | None
    attention: BlockAttention | None
    no_attention: str
    received: Mapping[int, Received] | None
    input_size: tuple[int, int]
    coarse: bool
    encoder_ms: float
    fusion_ms: float
    number: int = field(default_factory=lambda: next(_numbers))

    def special_token(self, token: Token, block: int) -> Float32Array | None:
        """The class token or a register that leaves a block, float32 ``[channels]``; None where there is none."""
        if token == "class":
            return None if self.cls_tokens is None else self.cls_tokens[block]
        registers = () if self.register_tokens is None else self.register_tokens[block]
        index = int(token[1])
        return registers[index] if index < len(registers) else None

    @property
    def lacks_received(self) -> bool:
        """Whether what tokens receive was asked for and can be had."""
        return self.question.received and self.attention is not None and self.received is None

    @property
    def original_range(self) -> tuple[float, float]:
        """The least and the greatest depth of the unmodified model."""
        return float(self.original_hw.min()), float(self.original_hw.max())
