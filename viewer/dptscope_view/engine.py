"""From what the user asks to what is shown: photos, scenes and depth, with a coarse pass where the full one is slow."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
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
    """Answers questions. Belongs to one thread; holds one photo and at most three scenes of it: a coarse one, and full ones
    with added registers and without.

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
        self._photo: _Photo | None = None
        self._runs: list[Prepared] = []  # the last photo's, with registers and without
        self._coarse: Prepared | None = None

    def is_prepared(self, question: Question) -> bool:
        """Tell whether the full picture needs no further run of the encoder."""
        return self._prepared(question) is not None

    def wants_coarse(self, question: Question) -> bool:
        """Tell whether the full picture would take longer than the budget, and a coarse one would not."""
        if self._has_depth(question):
            return False
        if self._can_preview(question):
            expected_ms = self.pace.expect("fusion", self._pixels(question))
            return expected_ms is None or expected_ms > self.pace.budget_ms
        card = self.model.card
        if not card.dynamic or self._coarse_size(question) >= question.subject.size:
            return False
        if self._run_of(question.subject) is not None and not self.is_prepared(question):
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
        if subject.registers and self._run_of(replace(subject, registers=False)) is None:
            parts *= 2  # the model as it is, too
        if question.scales != UNSCALED and not self._has_depth(question):
            parts.append("fusion")
        expected = [self.pace.expect(part, pixels) for part in parts]
        return None if None in expected else sum(ms for ms in expected if ms)

    def coarse(self, question: Question, cancel: Cancellation | None = None) -> Frame:
        """A smaller picture of the same, soon: the model's preview where the encoder has run and the file has one.

        Raises:
            CancelledError: ended by ``cancel``.
            DptscopeError: the photo cannot be read, or the model does not take it.
        """
        prepared = self._prepared(question)
        if prepared is not None and self._can_preview(question):
            return self._frame(prepared, question, coarse=True, cancel=cancel)
        smaller = replace(question.subject, size=self._coarse_size(question))
        kept = self._coarse
        if kept is None or not self._still_fits(kept.subject, smaller, kept.scene.input_size):
            self._coarse = None
            as_it_is = replace(smaller, registers=False)
            plain = self._prepare(as_it_is, False, cancel, None) if smaller.registers else None
            kept = self._coarse = self._prepare(smaller, False, cancel, plain)
        return self._frame(kept, question, coarse=True, cancel=cancel)

    def full(self, question: Question, cancel: Cancellation | None = None) -> Frame:
        """The picture at the size that was asked for.

        Raises:
            CancelledError: ended by ``cancel``.
            DptscopeError: the photo cannot be read, or the model does not take it.
        """
        prepared = self._prepared(question) or self._run(question.subject, question.tokens, cancel)
        return self._frame(prepared, question, coarse=False, cancel=cancel)

    def further(self, frame: Frame) -> Iterator[Frame | float]:
        """Do for a full picture what takes long and is not waited for: sum the attention that tokens receive in all blocks.

        Yields:
            After each block milliseconds that the rest should take, so that whoever asks can leave it there, to be gone on
            with later; in the end the picture with it.

        Raises:
            DptscopeError: a block's attention cannot be had.
        """
        run, block = self._prepared(frame.question), frame.question.attention
        if run is None or block is None or not frame.lacks_received:
            return
        missing, start = run.missing_attention(block), time.perf_counter()
        for done, other in enumerate(missing, 1):
            run.sum_attention(other)
            yield (time.perf_counter() - start) * 1000 / done * (len(missing) - done)
        yield replace(frame, received=run.received(block))

    def complete(self, question: Question) -> Frame:
        """The full picture with all that is not waited for, for a file; errors as in both."""
        frame = self.full(question)
        return next((more for more in self.further(frame) if isinstance(more, Frame)), frame)

    def photo_depth(self, question: Question) -> Float32Array:
        """Depth at the photo's own size, float32 ``[height, width]``, for a file."""
        prepared = self._prepared(question) or self._run(question.subject, question.tokens, None)
        return prepared.scene.depth(question.scales, focal=prepared.focal, far_sky=question.far_sky)

    def _run_of(self, subject: Subject) -> Prepared | None:
        return next((run for run in self._runs if run.subject == subject), None)

    def _prepared(self, question: Question) -> Prepared | None:
        """The run that has all that is asked."""
        run = self._run_of(question.subject)
        return run if run is not None and run.has_tokens >= question.tokens else None

    def _has_depth(self, question: Question) -> bool:
        """Tell whether nothing that makes the depth has to run."""
        prepared = self._prepared(question)
        return prepared is not None and prepared.has_depth(question.scales)

    def _can_preview(self, question: Question) -> bool:
        """Tell whether only the scales differ from what has been prepared, and the file has a preview."""
        prepared = self._prepared(question)
        return prepared is not None and prepared.scene.has_preview and question.scales != UNSCALED

    def _still_fits(self, kept: Subject, wanted: Subject, kept_size: tuple[int, int]) -> bool:
        same = replace(kept, size=wanted.size) == wanted
        expected = self.pace.expect("fusion", kept_size[0] * kept_size[1])
        # Between half the budget and a quarter above it a new coarse scene would not be worth its encoder run.
        return same and (expected is None or kept.size == wanted.size or 0.5 < expected / self.pace.budget_ms < 1.25)

    def _pixels(self, question: Question) -> int:
        """Pixels of the model's input for the full picture."""
        run = self._run_of(question.subject)
        if run is not None:
            height, width = run.scene.input_size
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

    def _run(self, subject: Subject, needs_tokens: bool, cancel: Cancellation | None) -> Prepared:
        """Run the encoder, and keep what it gives beside the run of the same with registers, or without."""
        other = replace(subject, registers=not subject.registers)
        self._runs = [run for run in self._runs if run.subject == other]
        plain = None
        if subject.registers:
            plain = self._run_of(other) or self._run(other, False, cancel)
        if self._token_bytes(self._image(subject), subject) > MOST_TOKEN_BYTES:
            for run in self._runs:
                run.forget_tokens()  # those of two runs at once could be too much
        made = self._prepare(subject, needs_tokens, cancel, plain)
        self._runs.append(made)
        return made

    def _prepare(
        self, subject: Subject, needs_tokens: bool, cancel: Cancellation | None, plain: Prepared | None
    ) -> Prepared:
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
        unmodified = None if plain is None else Unmodified(plain.scene.raw_depth(), plain.statistics)
        return Prepared(subject, scene, scene.statistics(), keep_tokens, took, focal, metres, unmodified)

    def _frame(self, prepared: Prepared, question: Question, coarse: bool, cancel: Cancellation | None) -> Frame:
        scene = prepared.scene
        if coarse and prepared is not self._coarse:
            start = time.perf_counter()
            raw_hw = prepared.preview_depth(question.scales)
            took = (time.perf_counter() - start) * 1000
        else:
            new = not prepared.has_depth(question.scales)
            raw_hw, took = prepared.full_depth(question.scales, cancel), prepared.fusion_ms
            if question.scales != UNSCALED and new:
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
            received=None if question.attention is None else prepared.received(question.attention),
            input_size=scene.input_size,
            coarse=coarse,
            encoder_ms=prepared.encoder_ms,
            fusion_ms=0.0 if question.scales == UNSCALED else took,
        )
