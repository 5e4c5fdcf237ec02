"""Where two files of one model part: block by block in the norms of the tokens, and in the depth.

The second may be another form of the first (portable, half, quantised), or another exporter's file of the same checkpoint.
Photos are prepared by the rules of the first, which must be a dptscope model, and both are fed the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.arrays import Float32Array, UInt8Array
from dptscope.card import ModelCard
from dptscope.errors import DptscopeError, ModelFileError
from dptscope.fidelity import Spread
from dptscope.foreign import AnyModel
from dptscope.model import DepthModel, load
from dptscope.norms import token_norms
from dptscope.prepare import check_image, prepare_image
from dptscope.session import Providers, SessionOptions

BOUND, BOUND_OF_INT8 = 1e-3, 2e-2
"""Of a block's mean norm: forms of one export agree to 1e-6, float16 weights to 1e-4, eight-bit weights to 1e-2; an outlier
that eight bits have lost is off by more than one."""

DELTA = 1.25  # of δ1, as in Eigen et al. 2014
NEAR = 1.05  # two files of one model pass δ1 with errors that are seen


@dataclass(frozen=True)
class DepthDifference:
    """How the depth of the second file differs from that of the first, at the model's input size.

    Attributes:
        correlation: Pearson's; 0 where the second is constant.
        delta1: share of the pixels whose depths differ by a factor below 1.25.
        delta105: the same, below 1.05.
        largest: max |Δdepth| divided by the standard deviation of the first.
    """

    correlation: float
    delta1: float
    delta105: float
    largest: float


@dataclass(frozen=True)
class PhotoDifference:
    """How two files differ on one photo.

    Attributes:
        photo: its name.
        input_size: height and width at which the models saw it.
        depth: of the depth.
        norms: for each block max |Δ‖token‖| divided by the block's mean norm, as in the parity of an export; empty where
            the second file gives no tokens.
        tokens: for each block max ‖Δtoken‖ divided by the same: what turns a token and leaves its length shows here alone.
    """

    photo: str
    input_size: tuple[int, int]
    depth: DepthDifference
    norms: tuple[float, ...]
    tokens: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """How two files differ on some photos.

    Attributes:
        reference: name of the first file.
        other: name of the second.
        bound: the norm error above which a block counts as differing.
        photos: one or more.
    """

    reference: str
    other: str
    bound: float
    photos: tuple[PhotoDifference, ...]

    @property
    def norms(self) -> tuple[Spread, ...]:
        """Of every block; empty where the second file gives no tokens."""
        return _by_block([photo.norms for photo in self.photos])

    @property
    def tokens(self) -> tuple[Spread, ...]:
        """Of every block; empty where the second file gives no tokens."""
        return _by_block([photo.tokens for photo in self.photos])

    @property
    def correlation(self) -> Spread:
        """Of the depths; the worst is the lowest."""
        return _spread([photo.depth.correlation for photo in self.photos], min)

    @property
    def delta1(self) -> Spread:
        """Of the depths; the worst is the lowest."""
        return _spread([photo.depth.delta1 for photo in self.photos], min)

    @property
    def delta105(self) -> Spread:
        """Of the depths; the worst is the lowest."""
        return _spread([photo.depth.delta105 for photo in self.photos], min)

    @property
    def largest(self) -> Spread:
        """Of the depths."""
        return _spread([photo.depth.largest for photo in self.photos], max)

    @property
    def first_beyond(self) -> int | None:
        """The first block whose norms differ by more than the bound on any photo; None where none does."""
        return next((block for block, norms in enumerate(self.norms) if norms.worst > self.bound), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "reference": self.reference,
            "other": self.other,
            "bound": self.bound,
            "first_beyond": self.first_beyond,
            "blocks": [
                {"block": block, "norms": asdict(norms), "tokens": asdict(tokens)}
                for block, (norms, tokens) in enumerate(zip(self.norms, self.tokens, strict=True))
            ],
            "depth": {name: asdict(getattr(self, name)) for name in ("correlation", "delta1", "delta105", "largest")},
            "photos": [asdict(photo) for photo in self.photos],
        }


class Pair:
    """Two files of one model, of which the second may be anybody's.

    Attributes:
        reference: the first.
        other: the second.
        has_tokens: whether the second gives the tokens of every block, under the names of the contract.
    """

    def __init__(self, reference: DepthModel, other: AnyModel) -> None:
        """Raises:
        ModelFileError: the second is another model.
        """
        self.reference = reference
        self.other = other
        card = reference.card
        self._blocks = [contract.block_tokens_name(block) for block in range(len(card.blocks))]
        self.has_tokens = other.has_outputs(self._blocks)
        if other.card is not None and _identity(other.card) != _identity(card):
            raise ModelFileError(
                f"{other.path}: expected a file of the same model as {reference.path} ({_identity(card)}), got one of "
                f"another ({_identity(other.card)})"
            )

    def differ(
        self, photo_bgr: NDArray[Any], name: str, size: int | None = None, square: bool = False
    ) -> PhotoDifference:
        """Run both on a photo, uint8 ``[height, width, 3]``, blue first.

        Args:
            photo_bgr: the photo.
            name: what it is called.
            size: see :meth:`dptscope.DepthModel.predict`; by default the only one that the second file takes, if it is
                for one, into which the photo is squeezed.
            square: see there.

        Raises:
            DptscopeError: no image, a size that one of them does not take, or depths that cannot be compared.
        """
        card, only = self.reference.card, self.other.fixed_size
        if only is not None and size is None and not square:
            card = replace(card, native_size=only, dynamic=False)
        input_bchw = prepare_image(card, check_image(photo_bgr), size, square)
        blocks = self._blocks if self.has_tokens else []
        first = self.reference.run(input_bchw, [contract.DEPTH, *blocks])
        second_hw, second_tokens = self.other.run(input_bchw, blocks)
        pairs = [
            _token_errors(first[block][0], self._fitting(block, tokens, first[block].shape)[0])
            for block, tokens in zip(blocks, second_tokens, strict=True)
        ]
        return PhotoDifference(
            photo=name,
            input_size=(input_bchw.shape[2], input_bchw.shape[3]),
            depth=depth_difference(
                first[contract.DEPTH][0],
                self._fitting(self.other.depth_name, second_hw, first[contract.DEPTH].shape[1:]),
                self.reference.path,
            ),
            norms=tuple(norms for norms, _ in pairs),
            tokens=tuple(tokens for _, tokens in pairs),
        )

    def _fitting(self, name: str, values: Float32Array, shape: tuple[int, ...]) -> Float32Array:
        if values.shape != shape:
            expected, got = (" × ".join(map(str, sides)) for sides in (shape, values.shape))
            raise ModelFileError(
                f"{self.other.path}: expected {name} of {expected}, as {self.reference.path.name} has it, got {got}"
            )
        return values


def depth_difference(first_hw: Float32Array, second_hw: Float32Array, path: Path) -> DepthDifference:
    """How the second of two depths ``[height, width]`` differs from the first.

    Raises:
        DptscopeError: the first is constant, of the file ``path``.
    """
    first, second = first_hw.astype(np.float64).ravel(), second_hw.astype(np.float64).ravel()
    std = float(first.std())
    if std == 0:
        raise DptscopeError(
            f"{path}: expected a depth that varies over the photo, to measure differences by, got {first[0]:g} everywhere"
        )
    covariance = float(((first - first.mean()) * (second - second.mean())).mean())
    spread = std * float(second.std())
    low, high = np.minimum(first, second), np.maximum(first, second)

    def within(factor: float) -> float:
        # Of numbers that are not positive there is no ratio; those that are equal agree.
        return float(((first == second) | ((low > 0) & (high < factor * low))).mean())

    return DepthDifference(
        correlation=covariance / spread if spread > 0 else 0.0,
        delta1=within(DELTA),
        delta105=within(NEAR),
        largest=float(np.abs(first - second).max()) / std,
    )


def compare(
    reference: str | PathLike[str],
    other: str | PathLike[str],
    photos: Sequence[str | PathLike[str] | UInt8Array],
    *,
    size: int | None = None,
    square: bool = False,
    bound: float = BOUND,
    depth_output: str | None = None,
    providers: Providers = None,
    threads: int | None = None,
) -> Comparison:
    """Compare two files of one model on photos.

    Args:
        reference: a dptscope model, whose rules prepare the photos.
        other: any ONNX file with one input ``[batch, 3, height, width]`` and one output of depth; where it has the tokens of
            every block, under our names, it is compared block by block.
        photos: paths, or arrays uint8 ``[height, width, 3]``, blue first; one or more.
        size: see :meth:`Pair.differ`.
        square: as above.
        bound: norm error above which a block counts as differing, a share of its mean norm.
        depth_output: the other file's output that is the depth, where it does not tell.
        providers: see :func:`dptscope.load`.
        threads: as above.

    Raises:
        DptscopeError: no photos, a file or photo that cannot be read, files of different models, or a size that one of them
            does not take.
    """
    from dptscope.files.photos import read_image

    if not photos:
        raise DptscopeError("expected one photo or more to compare on, got none")
    pair = open_pair(Path(reference), Path(other), depth_output, providers, threads)
    found = []
    for number, photo in enumerate(photos):
        if isinstance(photo, np.ndarray):
            found.append(pair.differ(photo, f"photo {number}", size, square))
        else:
            found.append(pair.differ(read_image(Path(photo)), str(photo), size, square))
    return Comparison(pair.reference.path.name, pair.other.path.name, bound, tuple(found))


def open_pair(
    reference: Path, other: Path, depth_output: str | None, providers: Providers, threads: int | None
) -> Pair:
    """Open both files; arguments and errors as in :func:`compare`."""
    options = SessionOptions(providers, threads)
    return Pair(load(reference, providers, threads), AnyModel(other, options, depth_output))


def _identity(card: ModelCard) -> str:
    """What two files of one model agree in: fine-tuned weights may be compared with those that they come from."""
    kinds = dict.fromkeys(f"{block.channels}" for block in card.blocks)
    return f"{len(card.blocks)} blocks of {', '.join(kinds)} channels, {card.depth_kind} depth"


def _token_errors(first_hwc: Float32Array, second_hwc: Float32Array) -> tuple[float, float]:
    norms_hw = token_norms(first_hwc)
    mean = max(float(norms_hw.mean()), float(np.finfo(np.float32).tiny))
    between_hw = np.abs(token_norms(second_hwc) - norms_hw)
    return float(between_hw.max()) / mean, float(token_norms(second_hwc - first_hwc).max()) / mean


def _by_block(photos: Sequence[Sequence[float]]) -> tuple[Spread, ...]:
    return tuple(_spread(errors, max) for errors in zip(*photos, strict=True))


def _spread(values: Sequence[float], worst: Callable[[Sequence[float]], float]) -> Spread:
    return Spread(float(worst(values)), float(np.mean(values)))
