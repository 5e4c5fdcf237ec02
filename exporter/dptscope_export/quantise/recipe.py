"""Which layers of a model's graphs are computed in int8, and with which ranges: decided on photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from dptscope import DepthModel, contract
from dptscope.contract import COMPANION_SUFFIX, MODEL_SUFFIX, PREVIEW_SUFFIX
from dptscope.errors import DptscopeError
from dptscope.files.photos import read_image
from dptscope.prepare import prepare_image
from dptscope.scales import UNSCALED, one_scale, scale_feeds
from dptscope_export.quantise.activations import Activations, Probe
from dptscope_export.quantise.layers import Layers, find_layers
from dptscope_export.quantise.photos import Photos

MOST_PEAK = 4.0
"""Of what a layer reads, where it is computed in int8: the largest number of the largest token over that of the median
token. All tokens share 255 steps from the lowest to the highest number, so the median token has 64 of them at least."""

CALIBRATED = (UNSCALED, *(one_scale(k, 2.0) for k in contract.FUSION_BLOCKS))
"""Scales at which ranges are taken. What goes beyond them is cut off."""


@dataclass(frozen=True)
class Recipe:
    """What becomes of a model's graphs.

    Attributes:
        linear: names of MatMul nodes that are computed in int8; in the whole graph alone.
        convolutions: names of Conv nodes, in any of the graphs.
        scaled: those of them that read what fusion scales change.
        ranges: of what these read and give, by tensor, for each graph by its suffix.
        left: names of nodes that were left in float32 for their outliers.
        notes: for the user.
    """

    linear: tuple[str, ...] = ()
    convolutions: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()
    ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def with_exact_scales(self, because: str) -> Recipe:
        """The same, but what scales change stays float32: ranges that hold for all scales are too wide for some."""
        note = f"{len(self.scaled)} convolutions that fusion scales act on stay float32: in int8 they gave a {because}"
        kept = tuple(name for name in self.convolutions if name not in self.scaled)
        return replace(self, convolutions=kept, scaled=(), notes=(*self.notes, note))


def make_recipe(
    reference: DepthModel, graphs: Mapping[str, Path], photos: Photos, scratch: Path, report: Callable[[str], None]
) -> Recipe:
    """Look at the layers, and at what goes through them on the photos.

    Args:
        reference: the model.
        graphs: its files by suffix.
        photos: without any to calibrate on, convolutions stay float32, and outliers are looked for on the others.
        scratch: a folder to write to.
        report: called with the name of each photo.

    Raises:
        DptscopeError: a graph is quantised already, or has no linear layers.
    """
    layers = {
        suffix: find_layers(onnx.load(path, load_external_data=False), str(path)) for suffix, path in graphs.items()
    }
    whole = layers[MODEL_SUFFIX]
    if not whole.linear:
        raise DptscopeError(f"{reference.path}: expected linear layers to compute in int8, found none")
    convolutions = {suffix: found.convolutions if photos.calibration else () for suffix, found in layers.items()}
    probes = {
        suffix: Probe(path, convolutions[suffix], whole.exposed if suffix == MODEL_SUFFIX else (), scratch)
        for suffix, path in graphs.items()
        if suffix == MODEL_SUFFIX or convolutions[suffix]
    }
    found = {suffix: Activations() for suffix in probes}
    for photo in photos.calibration or photos.held_out:
        report(photo.name)
        _run(probes, found, prepare_image(reference.card, read_image(photo)))
    _share_ranges(found)
    peaks = found[MODEL_SUFFIX].peaks
    left = tuple(name for name in whole.linear if peaks.get(name, 0.0) > MOST_PEAK)
    return Recipe(
        linear=tuple(name for name in whole.linear if name not in left),
        convolutions=_union(convolutions.values()),
        scaled=_union(found.scaled for found in layers.values()) if photos.calibration else (),
        ranges={suffix: activations.ranges for suffix, activations in found.items()},
        left=left,
        notes=_notes(layers, photos, left, peaks),
    )


def _union(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in groups for name in names))


def _run(probes: Mapping[str, Probe], found: Mapping[str, Activations], input_bchw: np.ndarray) -> None:
    """The encoder once, and the decoders at all the scales."""
    names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
    values = probes[MODEL_SUFFIX].run({contract.IMAGE: input_bchw}, found[MODEL_SUFFIX], names)
    for suffix in (COMPANION_SUFFIX, PREVIEW_SUFFIX):
        if suffix in probes:
            for scales in CALIBRATED:
                probes[suffix].run(dict(zip(names, values, strict=True)) | scale_feeds(scales), found[suffix])


def _share_ranges(found: Mapping[str, Activations]) -> None:
    """The whole graph has seen no other scales, but its decoder is the companion's, to the names."""
    if COMPANION_SUFFIX in found:
        for tensor, (low, high) in found[COMPANION_SUFFIX].ranges.items():
            if tensor in found[MODEL_SUFFIX].ranges:
                found[MODEL_SUFFIX].widen(tensor, low, high)


def _notes(
    layers: Mapping[str, Layers], photos: Photos, left: tuple[str, ...], peaks: Mapping[str, float]
) -> tuple[str, ...]:
    whole = layers[MODEL_SUFFIX]
    notes = []
    if left:
        notes.append(
            f"{len(left)} linear layers stay float32, for what they read has outliers: "
            + ", ".join(f"{name.removesuffix('/MatMul')} ({peaks[name]:.0f} times the median token)" for name in left)
        )
    if not photos.calibration:
        notes.append(
            f"{len(whole.convolutions)} convolutions stay float32; with --photos FOLDER they are quantised, too"
        )
    elif whole.winograd:
        notes.append(
            f"{whole.winograd} convolutions stay float32, for they were exported by Winograd's algorithm; a file exported "
            "--without winograd has them quantised"
        )
    return tuple(notes)
