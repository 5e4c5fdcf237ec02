"""How far a file with rounded numbers is from the one that it was made of, on photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dptscope import contract
from dptscope.arrays import Float32Array, UInt8Array
from dptscope.comparison import DepthDifference, depth_difference
from dptscope.fidelity import Fidelity, Spread
from dptscope.model import DepthModel
from dptscope.scales import UNSCALED, one_scale
from dptscope.sky import SKY_FROM

MOVED = tuple(one_scale(k, scale) for k in contract.FUSION_BLOCKS for scale in (0.0, 2.0))
"""Scales at which companion and preview are compared: each block switched off, and doubled."""


@dataclass
class _Found:
    """So far, a number or more a photo."""

    photos: list[str] = field(default_factory=list)
    depth: list[DepthDifference] = field(default_factory=list)
    norms: list[list[float]] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    preview: list[float] = field(default_factory=list)
    sky: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)


def measure(
    reference: DepthModel,
    other: DepthModel,
    photos: Sequence[Path],
    read: Callable[[Path], UInt8Array],
    report: Callable[[str], None],
) -> Fidelity:
    """Run both on every photo, at the native size of the model and with the photo's aspect.

    Args:
        reference: the file that the other was made of.
        other: the file with rounded numbers, and what it has beside it.
        photos: one or more.
        read: gives a photo's pixels.
        report: called with the name of each photo.

    Returns:
        what was measured; how the file was made is for the caller to add.
    """
    found = _Found()
    for photo in photos:
        report(photo.name)
        image = read(photo)
        _compare((reference, other), image, found)
        found.photos.append(photo.name)
    worst = min(range(len(photos)), key=lambda photo: (found.depth[photo].delta1, found.depth[photo].correlation))
    return Fidelity(
        reference=reference.card.model_id,
        photos=len(photos),
        calibrated=0,
        delta1=_lowest([depth.delta1 for depth in found.depth]),
        delta105=_lowest([depth.delta105 for depth in found.depth]),
        correlation=_lowest([depth.correlation for depth in found.depth]),
        moved=_lowest(found.moved) if found.moved else None,
        preview=_lowest(found.preview) if found.preview else None,
        norms=tuple(max(errors) for errors in zip(*found.norms, strict=True)),
        worst_photo=found.photos[worst],
        sky=_lowest(found.sky) if found.sky else None,
        confidence=_lowest(found.confidence) if found.confidence else None,
    )


def _compare(models: tuple[DepthModel, DepthModel], image: UInt8Array, found: _Found) -> None:
    path = models[0].path
    first, second = (model.prepare(image) for model in models)
    found.depth.append(depth_difference(first.raw_depth(UNSCALED), second.raw_depth(UNSCALED), path))
    if first.sky is not None and second.sky is not None:
        found.sky.append(float(((first.sky >= SKY_FROM) == (second.sky >= SKY_FROM)).mean()))
    if first.confidence is not None and second.confidence is not None and np.ptp(first.confidence) > 0:
        found.confidence.append(depth_difference(first.confidence, second.confidence, path).correlation)
    pairs = zip(first.block_norms, second.block_norms, strict=True)
    found.norms.append([float(np.abs(b - a).max() / max(float(a.mean()), 1e-30)) for a, b in pairs])

    def correlations(depths: Iterator[tuple[Float32Array, Float32Array]]) -> list[float]:
        """But where the scales leave nothing of the depth."""
        return [depth_difference(a, b, path).correlation for a, b in depths if np.ptp(a) > 0]

    if all(model.has_companion for model in models):
        found.moved += correlations((first.raw_depth(scales), second.raw_depth(scales)) for scales in MOVED)
    if all(model.has_preview for model in models):
        found.preview += correlations((first.preview_depth(scales), second.preview_depth(scales)) for scales in MOVED)


def _lowest(values: Sequence[float]) -> Spread:
    return Spread(min(values), float(np.mean(values)))


def below(fidelity: Fidelity, floor: float, scales_alone: bool = False) -> str | None:
    """The first figure of the worst photo that is below a floor, in words; None where none is.

    Args:
        fidelity: what was measured.
        floor: of δ1 and correlations.
        scales_alone: look only at what other fusion scales give.
    """
    with_scales = (
        ("correlation of the depth with other fusion scales", fidelity.moved),
        ("correlation of the preview with other fusion scales", fidelity.preview),
    )
    unscaled = (("δ1 of the depth", fidelity.delta1), ("correlation of the depth", fidelity.correlation))
    for what, spread in with_scales if scales_alone else (*unscaled, *with_scales):
        if spread is not None and not spread.worst >= floor:
            worst = np.floor(spread.worst * 1e4) / 1e4  # or 0.98996 would be told as the 0.99 that it does not reach
            return f"{what} of {worst:.4f} at worst, {spread.mean:.4f} in the mean"
    return None
