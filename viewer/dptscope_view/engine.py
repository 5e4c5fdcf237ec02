"""From what the user asks to what is shown: photos, scenes and depth, with a coarse pass where the full one is slow."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.camera import focal_of_view, metres_a_unit
from dptscope.cancel import Cancellation
from dptscope.card import ModelCard
from dptscope.files.photos import read_image
from dptscope.prepare import input_size
from dptscope.process.quiet import native_libraries_silenced
from dptscope.registers import AddedRegisters
from dptscope.scales import UNSCALED
from dptscope_view.frame import Frame, Question, Subject
from dptscope_view.pace import Pace
from dptscope_view.photos import cropped
from dptscope_view.prepared import Prepared, SceneLike, Unmodified
from dptscope_view.state import Crop

MOST_TOKEN_BYTES = 256 * 2**20
"""Tokens are kept with their norms where they take no more than this: a ViT-L's at 518 × 518 take 128 MiB. Beyond it they
are fetched, by another run of the encoder, when somebody asks for them."""


class ModelLike(Protocol):
    """What is used of :class:`dptscope.DepthModel`."""

    card: ModelCard

    def prepare(
        self,
        image_bgr: NDArray[Any],
        *,
        size: int | None = ...,
        square: bool = ...,
        keep_tokens: bool = ...,
        cancel: Cancellation | None = ...,
        registers: AddedRegisters | None = ...,
    ) -> SceneLike: ...


@dataclass(frozen=True)
class _Photo:
    """What was read of one, and how wide the whole is."""

    index: int
    crop: Crop
    image_bgr: NDArray[np.uint8]
    whole_width: int


class Engine:
    """Answers questions. Belongs to one thread; holds one photo and at most two scenes (full and coarse) of it.

    Args:
        model: what answers.
        photos: their paths.
        pace: what is known of this machine.
        focal: focal length in pixels of the photos, for a model that gives metres by it.
        fov: their horizontal field of view in degrees, in its place.
        registers: what is let in where that is asked for.
    """

    def __init__(
        self,
        model: ModelLike,
        photos: tuple[Path, ...],
        pace: Pace | None = None,
        focal: float | None = None,
        fov: float | None = None,
        registers: AddedRegisters | None = None,
    ) -> None:
        self.model = model
        self.photos = photos
        self.pace = pace if pace is not None else Pace()
        self._focal, self._fov = focal, fov
        self._registers = registers
        self._unmodified: tuple[Subject, Unmodified] | None = None
        self._photo: _Photo | None = None
        self._full: Prepared | None = None
        self._coarse: Prepared | None = None

    def is_prepared(self, question: Question) -> bool:
        """Tell whether the full picture needs no further run of the encoder."""
        full = self._full
        return full is not None and full.subject == question.subject and full.has_tokens >= question.tokens

    def wants_coarse(self, question: Question) -> bool:
        """Tell whether the full picture would take longer than the budget, and a coarse one would not."""
        if self._can_preview(question):
            expected_ms = self.pace.expect("fusion", self._pixels(question))
            return expected_ms is None or expected_ms > self.pace.budget_ms
        card = self.model.card
        if not card.dynamic or self._coarse_size(question) >= question.subject.size:
            return False
        full = self._full
        if full is not None and full.subject == question.subject and not self.is_prepared(question):
            return False  # only the tokens are missing, and a coarse scene has other tokens
        expected_ms = self.expected_ms(question)
        return expected_ms is None or expected_ms > self.pace.budget_ms

    def expected_ms(self, question: Question) -> float | None:
        """Milliseconds that the full picture should take, or None while nothing like it has run.

        Raises:
            DptscopeError: the photo cannot be read.
        """
        pixels, subject = self._pixels(question), question.subject
        parts = [] if self.is_prepared(question) else ["encoder"]
        kept = (self._full and self._full.subject, self._unmodified and self._unmodified[0])
        if subject.registers and replace(subject, registers=False) not in kept:
            parts *= 2  # the model as it is, too
        if question.scales != UNSCALED:
            parts.append("fusion")
        expected = [self.pace.expect(part, pixels) for part in parts]
        return None if None in expected else sum(ms for ms in expected if ms)

    def coarse(self, question: Question, cancel: Cancellation | None = None) -> Frame:
        """A smaller picture of the same, soon: the model's preview where the encoder has run and the file has one.

        Raises:
            CancelledError: ended by ``cancel``.
            DptscopeError: the photo cannot be read, or the model does not take it.
        """
        if self._can_preview(question):
            assert self._full is not None
            return self._frame(self._full, question, coarse=True, cancel=cancel)
        smaller = replace(question.subject, size=self._coarse_size(question))
        kept = self._coarse
        if kept is None or not self._still_fits(kept.subject, smaller, kept.scene.input_size):
            self._coarse = None
            kept = self._coarse = self._prepare(smaller, False, cancel)
        return self._frame(kept, question, coarse=True, cancel=cancel)

    def full(self, question: Question, cancel: Cancellation | None = None) -> Frame:
        """The picture at the size that was asked for.

        Raises:
            CancelledError: ended by ``cancel``.
            DptscopeError: the photo cannot be read, or the model does not take it.
        """
        if not self.is_prepared(question):
            if self._full is not None and self._full.unmodified is None:
                self._unmodified = self._full.subject, Unmodified(self._full.scene.raw_depth(), self._full.statistics)
            self._full = None  # two full scenes at once could be too much
            self._full = self._prepare(question.subject, question.tokens, cancel)
        assert self._full is not None
        return self._frame(self._full, question, coarse=False, cancel=cancel)

    def photo_depth(self, question: Question) -> Float32Array:
        """Depth at the photo's own size, float32 ``[height, width]``, for a file."""
        self.full(question)
        assert self._full is not None
        return self._full.scene.depth(question.scales, focal=self._full.focal, far_sky=question.far_sky)

    def _can_preview(self, question: Question) -> bool:
        """Tell whether only the scales differ from what has been prepared, and the file has a preview."""
        full = self._full
        return (
            self.is_prepared(question) and full is not None and full.scene.has_preview and question.scales != UNSCALED
        )

    def _still_fits(self, kept: Subject, wanted: Subject, kept_size: tuple[int, int]) -> bool:
        same = replace(kept, size=wanted.size) == wanted
        expected = self.pace.expect("fusion", kept_size[0] * kept_size[1])
        # Between half the budget and a quarter above it a new coarse scene would not be worth its encoder run.
        return same and (expected is None or kept.size == wanted.size or 0.5 < expected / self.pace.budget_ms < 1.25)

    def _pixels(self, question: Question) -> int:
        """Pixels of the model's input for the full picture."""
        full = self._full
        if full is not None and full.subject == question.subject:
            height, width = full.scene.input_size
        else:
            height, width = input_size(self.model.card, self._image(question.subject).shape[:2], question.subject.size,
                                       question.subject.square)  # fmt: skip
        return height * width

    def _coarse_size(self, question: Question) -> int:
        card, size = self.model.card, question.subject.size
        step = max(card.size_multiple, card.preparation.multiple)
        share = self.pace.affordable("fusion", self._pixels(question))
        return max(4 * step, math.floor(size * math.sqrt(share) / step) * step)

    def _image(self, subject: Subject) -> NDArray[np.uint8]:
        return self._read(subject).image_bgr

    def _read(self, subject: Subject) -> _Photo:
        kept = self._photo
        if kept is None or (kept.index, kept.crop) != (subject.photo, subject.crop):
            self._photo = None
            with native_libraries_silenced():
                whole = read_image(self.photos[subject.photo])
            image_bgr = np.ascontiguousarray(cropped(whole, subject.crop))
            kept = self._photo = _Photo(subject.photo, subject.crop, image_bgr, whole.shape[1])
        return kept

    def _token_bytes(self, image: NDArray[np.uint8], subject: Subject) -> int:
        height, width = input_size(self.model.card, image.shape[:2], subject.size, subject.square)
        tokens = (
            (height // block.stride) * (width // block.stride) * block.channels for block in self.model.card.blocks
        )
        return 4 * sum(tokens)

    def _without_registers(self, subject: Subject, cancel: Cancellation | None) -> Unmodified:
        """What the model as it is gives: of the last scene, where that was of the same, else of a run that keeps little."""
        if self._unmodified is None or self._unmodified[0] != subject:
            found = self._prepare(subject, False, cancel)
            self._unmodified = subject, Unmodified(found.scene.raw_depth(), found.statistics)
        return self._unmodified[1]

    def _prepare(self, subject: Subject, needs_tokens: bool, cancel: Cancellation | None) -> Prepared:
        unmodified = self._without_registers(replace(subject, registers=False), cancel) if subject.registers else None
        photo = self._read(subject)
        image = photo.image_bgr
        keep_tokens = needs_tokens or self._token_bytes(image, subject) <= MOST_TOKEN_BYTES
        start = time.perf_counter()
        size = subject.size if self.model.card.dynamic else None
        scene = self.model.prepare(
            image, size=size, square=subject.square, keep_tokens=keep_tokens, cancel=cancel,
            registers=self._registers if subject.registers else None,
        )  # fmt: skip
        took = (time.perf_counter() - start) * 1000
        self.pace.learn("encoder", scene.input_size[0] * scene.input_size[1], took)
        # A field of view is the whole photo's; a crop leaves the focal length as it is.
        focal = self._focal if self._fov is None else focal_of_view(self._fov, photo.whole_width)
        metres = metres_a_unit(self.model.card, image.shape[1], scene.input_size[1], focal)
        return Prepared(subject, scene, scene.statistics(), keep_tokens, took, focal, metres, unmodified)

    def _frame(self, prepared: Prepared, question: Question, coarse: bool, cancel: Cancellation | None) -> Frame:
        scene = prepared.scene
        start = time.perf_counter()
        preview = coarse and prepared is self._full
        raw_hw = prepared.preview_depth(question.scales) if preview else prepared.full_depth(question.scales, cancel)
        took = (time.perf_counter() - start) * 1000
        if question.scales != UNSCALED and not preview:
            self.pace.learn("fusion", scene.input_size[0] * scene.input_size[1], took)
        unmodified = prepared.unmodified
        original_hw = scene.raw_depth() if unmodified is None else unmodified.depth_hw
        attention, no_attention = prepared.attention(question.attention)
        return Frame(
            question=question,
            photo_bgr=self._image(question.subject),
            depth_hw=prepared.finished(raw_hw, question.far_sky),
            original_hw=prepared.finished(original_hw, question.far_sky),
            depth_kind=self.model.card.depth_kind if prepared.metres is None else "metric",
            sky_hw=scene.sky,
            norms=scene.block_norms,
            statistics=prepared.statistics,
            before=None if unmodified is None else unmodified.statistics,
            tokens=scene.block_tokens if prepared.has_tokens else None,
            cls_tokens=scene.cls_tokens,
            register_tokens=scene.register_tokens,
            components=prepared.components() if question.components else None,
            attention=attention,
            no_attention=no_attention,
            input_size=scene.input_size,
            coarse=coarse,
            encoder_ms=prepared.encoder_ms,
            fusion_ms=0.0 if question.scales == UNSCALED else took,
        )
