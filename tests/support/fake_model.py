"""A model without a graph: the surface of ``dptscope.DepthModel`` that the viewer uses, with known numbers behind it."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.attention.maps import BlockAttention, FullAttention
from dptscope.camera import metres_a_unit
from dptscope.cancel import Cancellation
from dptscope.card import DepthKind, ModelCard, Preparation
from dptscope.contract import BlockSpec
from dptscope.errors import DptscopeError
from dptscope.norms import NormStatistics, norm_statistics
from dptscope.prepare import input_size
from dptscope.registers import AddedRegisters
from dptscope.scales import UNSCALED, FusionScales
from dptscope.sky import fill_sky

PLAIN_BLOCKS = tuple(BlockSpec(channels=32, stride=14) for _ in range(12))
SWIN_BLOCKS = (
    *(BlockSpec(channels=16, stride=4, stage=1) for _ in range(2)),
    *(BlockSpec(channels=32, stride=8, stage=2) for _ in range(2)),
    *(BlockSpec(channels=64, stride=16, stage=3) for _ in range(6)),
    *(BlockSpec(channels=128, stride=32, stage=4) for _ in range(2)),
)


def make_card(
    blocks: tuple[BlockSpec, ...] = PLAIN_BLOCKS, dynamic: bool = True, kind: DepthKind = "relative", native: int = 280
) -> ModelCard:
    """A card of a model that was never exported."""
    multiple = 14 if dynamic else 32
    half = (0.5, 0.5, 0.5)
    return ModelCard(
        model_id="0" * 8, family="fake", variant="fake-model", architecture="tiny", depth_kind=kind,
        max_depth=20.0 if kind == "metric" else None, patch_size=14, size_multiple=multiple, native_size=(native, native),
        dynamic=dynamic, preparation=Preparation(half, half, "lower_bound" if dynamic else "exact", multiple, "bilinear"),
        blocks=blocks, taps=(2, 5, 8, 11), has_cls=False, fusion_channels=8, source_file="", source_sha256="", evidence="",
        exporter_version="0", opset=20,
    )  # fmt: skip


class FakeScene:
    """Norms are the block's number plus a ramp, with one outlier from block 6 on; depth is linear in the scales."""

    def __init__(self, model: FakeModel, image: NDArray[Any], size: tuple[int, int], keep_tokens: bool) -> None:
        self.model = model
        self.photo_size = (image.shape[0], image.shape[1])
        self.input_size = size
        self.brightness = float(image.mean())
        self.lift = 0.0
        self.tokens = tuple(self._tokens(index, block) for index, block in enumerate(model.card.blocks))
        self.block_norms = tuple(np.sqrt((t**2).sum(-1)).astype(np.float32) for t in self.tokens)
        self.has_tokens = keep_tokens
        ramp = np.linspace(1, 0, size[0], dtype=np.float32)
        self.sky = np.repeat(ramp[:, None], size[1], axis=1) if model.card.has_sky else None
        plain = len({block.channels for block in model.card.blocks}) == 1
        self.cls_tokens = np.stack([t.mean((0, 1)) for t in self.tokens]).astype(np.float32) if plain else None
        registers = [t[0, : model.card.registers] * 3 for t in self.tokens]
        self.register_tokens = np.stack(registers) if model.card.registers else None

    def take_outliers(self, number: int) -> None:
        """What registers do: long tokens become like the others, and the depth another."""
        self.lift = 0.5
        own = self.model.card.registers
        self.register_tokens = np.stack([t[0, : own + number] * 3 for t in self.tokens])
        for tokens_hwc, norms_hw in zip(self.tokens, self.block_norms, strict=True):
            long = norms_hw > 2 * np.median(norms_hw)
            tokens_hwc[long], norms_hw[long] = tokens_hwc[0, 0], norms_hw[0, 0]

    def _tokens(self, index: int, block: BlockSpec) -> NDArray[np.float32]:
        rows, columns = self.input_size[0] // block.stride, self.input_size[1] // block.stride
        generator = np.random.default_rng(index)
        tokens = generator.normal(1 + index, 0.3, (rows, columns, block.channels)).astype(np.float32)
        if index >= 6:
            tokens[rows // 2, columns // 3] *= 12
        return tokens

    @property
    def block_tokens(self) -> tuple[NDArray[np.float32], ...]:
        assert self.has_tokens
        return self.tokens

    def forget_tokens(self) -> None:
        self.has_tokens = False

    def block_attention(self, block: int) -> BlockAttention:
        if not block:
            raise DptscopeError("expected a file that says what goes into block 0")
        tokens_hwc, special = self.tokens[block], []
        if self.model.card.has_cls and self.cls_tokens is not None:
            special.append(self.cls_tokens[block][None])
            special += [] if self.register_tokens is None else [self.register_tokens[block]]
        tokens_nc = np.concatenate([*special, tokens_hwc.reshape(-1, tokens_hwc.shape[2])])
        heads = tokens_nc.reshape(len(tokens_nc), 4, -1).transpose(1, 0, 2)
        return FullAttention(heads / 8, heads / 8, tokens_hwc.shape[:2])

    def attending_blocks(self, block: int) -> tuple[int, ...]:
        stages = [spec.stage for spec in self.model.card.blocks]
        return tuple(index for index, stage in enumerate(stages) if index and stage == stages[block])

    def statistics(self) -> tuple[NormStatistics, ...]:
        blocks = self.model.card.blocks
        return tuple(
            norm_statistics(i, n, blocks[i].stride, blocks[i].channels) for i, n in enumerate(self.block_norms)
        )

    def raw_depth(
        self, fusion_scales: FusionScales = UNSCALED, cancel: Cancellation | None = None
    ) -> NDArray[np.float32]:
        if fusion_scales != UNSCALED:
            self.model.wait(self.model.fusion_seconds_a_pixel * self.input_size[0] * self.input_size[1], cancel)
        rows, columns = np.mgrid[: self.input_size[0], : self.input_size[1]].astype(np.float32)
        a, b, c, d = fusion_scales
        near = 5 + self.lift
        return np.asarray(
            near + a * rows / rows.max() + b * columns / columns.max() + c * np.sin(columns / 9) + d, np.float32
        )

    @property
    def has_preview(self) -> bool:
        return self.model.has_preview

    def preview_depth(self, fusion_scales: FusionScales) -> NDArray[np.float32]:
        """Every seventh value; counted, and quick."""
        self.model.previews += 1
        seconds, self.model.fusion_seconds_a_pixel = self.model.fusion_seconds_a_pixel, 0.0
        try:
            return self.raw_depth(fusion_scales)[::7, ::7].copy()
        finally:
            self.model.fusion_seconds_a_pixel = seconds

    def depth(
        self, fusion_scales: FusionScales = UNSCALED, *, focal: float | None = None, far_sky: bool = False
    ) -> NDArray[np.float32]:
        import cv2

        raw_hw = self.raw_depth(fusion_scales)
        if far_sky and self.sky is not None:
            raw_hw = fill_sky(raw_hw, self.sky)
        metres = metres_a_unit(self.model.card, self.photo_size[1], self.input_size[1], focal)
        height, width = self.photo_size
        return np.asarray(cv2.resize(raw_hw, (width, height)), np.float32) * np.float32(metres or 1)


class FakeModel:
    """Counts what it is asked, and can be slow."""

    def __init__(
        self, card: ModelCard | None = None, fusion_ms: float = 0.0, encoder_ms: float = 0.0, has_preview: bool = False
    ) -> None:
        self.has_preview = has_preview
        self.previews = 0
        self.card = card if card is not None else make_card()
        pixels = self.card.native_size[0] * self.card.native_size[1]
        self.fusion_seconds_a_pixel = fusion_ms / 1000 / pixels
        self.encoder_seconds_a_pixel = encoder_ms / 1000 / pixels
        self.prepared: list[tuple[tuple[int, int], bool]] = []
        self.gate: threading.Event | None = None

    def wait(self, seconds: float, cancel: Cancellation | None) -> None:
        stop = threading.Event()
        with (cancel or Cancellation()).running(stop.set):
            stop.wait(seconds)
            deadline = time.monotonic() + 10
            while self.gate is not None and not self.gate.wait(0.001) and not stop.is_set():
                assert time.monotonic() < deadline
        if cancel is not None:
            cancel.check()

    def prepare(
        self,
        image_bgr: NDArray[Any],
        *,
        size: int | None = None,
        square: bool = False,
        keep_tokens: bool = False,
        cancel: Cancellation | None = None,
        registers: AddedRegisters | None = None,
    ) -> FakeScene:
        height, width = input_size(self.card, (image_bgr.shape[0], image_bgr.shape[1]), size, square)
        self.wait(self.encoder_seconds_a_pixel * height * width, cancel)
        self.prepared.append(((height, width), keep_tokens))
        scene = FakeScene(self, image_bgr, (height, width), keep_tokens)
        if registers is not None:
            scene.take_outliers(registers.number)
        return scene
