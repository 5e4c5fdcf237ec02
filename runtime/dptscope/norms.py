"""L2 norms of tokens, and which of them stand out.

In "Vision Transformers Need Registers" (Darcet et al. 2024) a few patch tokens of large vision transformers have norms
several times those of the rest; the paper cuts at a fixed norm of 150, chosen for one model. A threshold that follows each
block's own distribution works across models and blocks, so that is what is used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.errors import DptscopeError

if TYPE_CHECKING:
    from dptscope.card import ModelCard

ROBUST_SIGMAS = 6.0
MEDIAN_FACTOR = 2.0
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution ÷ its median absolute deviation."""

RULE = (
    f"a token is an outlier when its norm exceeds both {MEDIAN_FACTOR:g} times the block's median and the median plus "
    f"{ROBUST_SIGMAS:g} robust standard deviations ({MAD_TO_SIGMA} times the median absolute deviation)"
)


def token_norms(tokens_hwc: Float32Array) -> Float32Array:
    """L2 norm of each token: ``[grid_height, grid_width, channels]`` to ``[grid_height, grid_width]``, float32.

    Raises:
        DptscopeError: the squares are beyond float32, which happens to damaged weights only.
    """
    with np.errstate(over="ignore"):
        norms_hw: Float32Array = np.sqrt(np.square(tokens_hwc).sum(axis=-1, dtype=np.float32))
    if not np.isfinite(norms_hw).all():
        largest = float(np.abs(tokens_hwc).max())
        raise DptscopeError(f"expected tokens whose norms are finite in float32, got values up to {largest:.1e}")
    return norms_hw


def special_names(tokens: int) -> tuple[str, ...]:
    """What the tokens before the grid are called: the class token, then the registers that the model was trained with."""
    registers = ["register"] if tokens == 2 else [f"register {number}" for number in range(tokens - 1)]
    return ("class", *registers)[:tokens]


def special_norms(
    cls_tokens: Float32Array | None, register_tokens: Float32Array | None = None
) -> dict[str, tuple[float, ...]]:
    """Norms of the tokens before the grid by their names, one a block: of the class token and of each register.

    Args:
        cls_tokens: ``[blocks, channels]``, or None where there is none.
        register_tokens: ``[blocks, registers, channels]``, or None where there are none.
    """
    if cls_tokens is None:
        return {}
    tokens_bsc = cls_tokens[:, None]
    if register_tokens is not None:
        tokens_bsc = np.concatenate([tokens_bsc, register_tokens], axis=1)
    norms_bs = token_norms(tokens_bsc)
    return {name: tuple(norms_bs[:, place].tolist()) for place, name in enumerate(special_names(norms_bs.shape[1]))}


def outlier_threshold(norms_hw: Float32Array) -> float:
    """The norm above which a token of this block is an outlier; see :data:`RULE`."""
    return _threshold(norms_hw, _median(norms_hw))


def _threshold(norms_hw: Float32Array, median: float) -> float:
    sigma = MAD_TO_SIGMA * _median(np.abs(norms_hw - median))
    return max(MEDIAN_FACTOR * median, median + ROBUST_SIGMAS * sigma)


def _median(values_hw: Float32Array) -> float:
    """What ``numpy.median`` gives for finite float32, to the bit; for so few numbers that takes several times as long."""
    last = values_hw.size - 1
    ordered = np.partition(values_hw, (last // 2, (last + 1) // 2), axis=None)
    return float((ordered[last // 2] + ordered[(last + 1) // 2]) / np.float32(2))


@dataclass(frozen=True)
class NormStatistics:
    """What one block's norm map looks like.

    Attributes:
        block: index of the block.
        grid: rows and columns of the map.
        stride: pixels of the model's input a side of one cell.
        channels: length of a token.
        minimum, maximum, mean, median: of the norms.
        threshold: see :func:`outlier_threshold`.
        outliers: row, column and norm of each outlier, longest first.
    """

    block: int
    grid: tuple[int, int]
    stride: int
    channels: int
    minimum: float
    maximum: float
    mean: float
    median: float
    threshold: float
    outliers: tuple[tuple[int, int, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "block": self.block,
            "grid": list(self.grid),
            "stride": self.stride,
            "channels": self.channels,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "median": self.median,
            "outliers": {
                "threshold": self.threshold,
                "count": len(self.outliers),
                "positions": [[row, column] for row, column, _ in self.outliers],
                "norms": [norm for _, _, norm in self.outliers],
            },
        }


def norm_statistics(block: int, norms_hw: Float32Array, stride: int, channels: int) -> NormStatistics:
    """Summarise one block's norm map ``[grid_height, grid_width]``."""
    median = _median(norms_hw)
    threshold = _threshold(norms_hw, median)
    found: NDArray[np.intp] = np.argwhere(norms_hw > threshold)
    outliers = sorted(((int(r), int(c), float(norms_hw[r, c])) for r, c in found), key=lambda o: -o[2])
    return NormStatistics(
        block=block,
        grid=(norms_hw.shape[0], norms_hw.shape[1]),
        stride=stride,
        channels=channels,
        minimum=float(norms_hw.min()),
        maximum=float(norms_hw.max()),
        mean=float(norms_hw.mean()),
        median=median,
        threshold=threshold,
        outliers=tuple(outliers),
    )


def norms_report(
    card: ModelCard,
    model: str,
    photo: Path,
    photo_size: tuple[int, int],
    input_size: tuple[int, int],
    statistics: Sequence[NormStatistics],
    cls_tokens: Float32Array | None = None,
    register_tokens: Float32Array | None = None,
) -> dict[str, Any]:
    """Report on the norms of one photo, as plain values for a JSON file.

    Args:
        card: of the model.
        model: its name.
        photo: its path.
        photo_size: height and width of the photo.
        input_size: height and width at which the model saw it.
        statistics: of every block.
        cls_tokens: the class token of every block ``[blocks, channels]``, or None where there is none.
        register_tokens: the register tokens of every block ``[blocks, registers, channels]``, or None where there are none.
    """
    blocks = [block.to_json() for block in statistics]
    of_cls, *of_registers = special_norms(cls_tokens, register_tokens).values() or [()]
    for block, norm in zip(blocks, of_cls, strict=False):
        block["cls_norm"] = norm
        if of_registers:
            block["register_norms"] = [norms[block["block"]] for norms in of_registers]
    return {
        "model": model,
        "model_id": card.model_id,
        "variant": card.variant,
        "architecture": card.architecture,
        "photo": str(photo),
        "photo_size": list(photo_size),
        "input_size": list(input_size),
        "rule": RULE,
        "blocks": blocks,
    }
