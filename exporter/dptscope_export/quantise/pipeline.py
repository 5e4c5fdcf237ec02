"""A verified file to one with rounded numbers, stage by stage."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path

import onnx_ir as ir

import dptscope
from dptscope import DepthModel, ModelCard
from dptscope.card import Storage
from dptscope.contract import (
    COMPANION_SUFFIX,
    MODEL_SUFFIX,
    PREVIEW_SUFFIX,
    WEIGHTS_SUFFIX,
    companion_path,
    preview_path,
)
from dptscope.errors import DptscopeError
from dptscope.fidelity import Fidelity
from dptscope.files.photos import read_image
from dptscope_export.graph.half import cast_weights, round_weights
from dptscope_export.graph.metadata import FIDELITY_KEY, stamp, weights_digest
from dptscope_export.publish import append_metadata, publish, save, staging_folder
from dptscope_export.quantise.int8 import quantised
from dptscope_export.quantise.measure import below, measure
from dptscope_export.quantise.photos import Photos, choose_photos
from dptscope_export.quantise.recipe import Recipe, make_recipe

STAGES = ("open", "calibrate", "round", "measure", "publish")
FLOOR = 0.99

_DISK_COPIES = 1.25  # of the float32 files, at the most
_MB = 1e6

Report = Callable[[str, str], None]


def silent(_stage: str, _detail: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Quantised:
    """What was written.

    Attributes:
        model: path of the model.
        files: all files, the model last.
        card: the model's, with the measured fidelity.
        notes: what the user should read.
    """

    model: Path
    files: tuple[Path, ...]
    card: ModelCard
    notes: tuple[str, ...]


def quantise(
    path: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    photos: Sequence[str | PathLike[str]] = (),
    *,
    half: bool = False,
    floor: float = FLOOR,
    report: Report = silent,
) -> Quantised:
    """Write a model and what lies beside it with rounded numbers, measured against the file that it is made of.

    Args:
        path: ``NAME.onnx``, as an export wrote it.
        output: ``NAME.int8.onnx`` or ``NAME.half.onnx`` beside it if None.
        photos: photos, or folders of photos. With them convolutions are computed in int8, too, and linear layers whose input
            has outliers stay float32. Every other one is kept to measure on; without any, those that come with the package
            are measured on.
        half: weights in float16 in place of layers in int8; every photo is measured on.
        floor: δ1 and correlations that the worst photo must reach, 0 to 1.
        report: called as ``report(stage, detail)`` when a stage of :data:`STAGES` begins or has something to say.

    Raises:
        DptscopeError: with one line that says what was expected and what was got; nothing has been written then.
    """
    path = Path(path)
    if not 0 <= floor <= 1:
        raise DptscopeError(f"expected a floor from 0 to 1, got {floor:g}")
    report("open", path.name)
    reference = dptscope.load(path)
    storage: Storage = "float16" if half else "int8"
    _check(reference, storage)
    target = _target(path, output, "half" if half else "int8")
    chosen = choose_photos([Path(photo) for photo in photos], calibrate=not half)
    graphs, recipe = _graphs(reference), Recipe()
    _check_disk(graphs, target)
    with staging_folder(target) as staged:
        if not half:
            recipe = make_recipe(reference, graphs, chosen, staged, lambda photo: report("calibrate", photo))
        made = partial(_make, reference, graphs, staged / target.name, half, chosen, report)
        card, fidelity = made(recipe)
        because = below(fidelity, floor, scales_alone=True)
        if because is not None and recipe.scaled:
            recipe = recipe.with_exact_scales(because)
            card, fidelity = made(recipe)
        found = below(fidelity, floor)
        if found is not None:
            raise DptscopeError(
                f"{path}: expected {floor:g} or more in every figure, got a {found}; nothing was written (--floor takes less)"
            )
        report("publish", target.name)
        files = publish(staged, target)
    return Quantised(target, tuple(files), card, (*chosen.notes, *recipe.notes))


def _make(
    reference: DepthModel,
    graphs: Mapping[str, Path],
    target: Path,
    half: bool,
    photos: Photos,
    report: Report,
    recipe: Recipe,
) -> tuple[ModelCard, Fidelity]:
    """Write the graphs, measure them, and write down what was measured."""
    report("round", "")
    card, written = reference.card, []
    for suffix, source in graphs.items():
        graph = _half(source) if half else quantised(source, recipe, suffix, target.parent)
        digest = weights_digest(graph.graph)
        if suffix == MODEL_SUFFIX:
            card = _card(card, "float16" if half else "int8", digest)
        name = f"{target.stem}{suffix}"
        stamp(graph, replace(card, weights_sha256=digest), name.removesuffix(MODEL_SUFFIX))
        written.append(target.with_name(name))
        save(graph, written[-1])
        del graph
    fidelity = measure(reference, dptscope.load(target), photos.held_out, read_image, lambda at: report("measure", at))
    fidelity = replace(fidelity, calibrated=len(photos.calibration), left=recipe.left)
    card = replace(card, fidelity=fidelity)
    for file in written:
        append_metadata(file, {FIDELITY_KEY: card.to_metadata()[FIDELITY_KEY]})
    return card, fidelity


def _check(reference: DepthModel, storage: Storage) -> None:
    """Raises:
    DptscopeError: a file that has nothing left to round, or hides what there is.
    """
    card = reference.card
    if card.storage != "float32":
        raise DptscopeError(
            f"{reference.path}: expected weights in float32, got {card.storage}; take the float32 file that it was made of, "
            "or export the checkpoint without --half"
        )
    if storage == "int8" and card.form == "readable":
        raise DptscopeError(
            f"{reference.path}: expected the default or the portable form, got the readable one, whose layers lie in "
            "functions where the quantiser does not look; export the checkpoint without --readable"
        )


def _target(path: Path, output: str | PathLike[str] | None, ending: str) -> Path:
    if output is None:
        return path.with_name(f"{path.name.removesuffix(MODEL_SUFFIX)}.{ending}{MODEL_SUFFIX}")
    target = Path(output)
    if target.is_dir():
        return _target(target / path.name, None, ending)
    if not target.name.endswith(MODEL_SUFFIX) or target.name.endswith((COMPANION_SUFFIX, PREVIEW_SUFFIX)):
        raise DptscopeError(
            f"expected an output that ends in {MODEL_SUFFIX} (not {COMPANION_SUFFIX} or {PREVIEW_SUFFIX}), got {target}"
        )
    if target.exists() and target.samefile(path):
        raise DptscopeError(f"expected an output beside {path}, got that file itself")
    return target


def _graphs(reference: DepthModel) -> dict[str, Path]:
    """The model's files by suffix."""
    graphs = {MODEL_SUFFIX: reference.path}
    if reference.has_companion:
        graphs[COMPANION_SUFFIX] = companion_path(reference.path)
    if reference.has_preview:
        graphs[PREVIEW_SUFFIX] = preview_path(reference.path)
    return graphs


def _check_disk(graphs: Mapping[str, Path], target: Path) -> None:
    """Refuse what cannot fit: the graphs are written with probes in them, and the quantiser writes copies of its own.

    Raises:
        DptscopeError: with what is needed and what is there.
    """
    files = [file for path in graphs.values() for file in (path, path.with_name(path.name + WEIGHTS_SUFFIX))]
    needed = _DISK_COPIES * sum(file.stat().st_size for file in files if file.exists())
    free = shutil.disk_usage(target.absolute().parent).free if target.absolute().parent.is_dir() else needed
    if needed > free:
        raise DptscopeError(
            f"{target}: cannot be written (about {needed / _MB:.1f} MB are needed meanwhile, and {free / _MB:.1f} MB of the "
            "disk are free)"
        )


def _half(path: Path) -> ir.Model:
    model = ir.load(path)
    cast_weights(model)
    round_weights(model)
    return model


def _card(card: ModelCard, storage: Storage, digest: str) -> ModelCard:
    """Of another model, whose id covers the rounded weights and the ranges with them. Its fidelity is not measured yet."""
    model_id = hashlib.sha256(f"{card.model_id} {storage} {dptscope.__version__} {digest}".encode()).hexdigest()[:16]
    return replace(card, model_id=model_id, storage=storage, parity=None)
