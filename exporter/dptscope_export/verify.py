"""Holding an exported pair of files against the torch model in onnxruntime, before it gets its final name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dptscope import Parity, contract
from dptscope.arrays import Float32Array
from dptscope.norms import token_norms
from dptscope.session import Session, SessionOptions
from dptscope_export.errors import VerificationError
from dptscope_export.families.base import ExportPlan
from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import Preview
from dptscope_export.verify_expected import NOISE, OtherKernels, expected_outputs
from dptscope_export.verify_interface import check_interface

LEAST_SPREAD = 1e-2
"""Of a depth's greatest value, or of the end of the model's range. What varies less, such as a depth that a scale has pushed
to an end of it, is measured against this much: a ten-thousandth of it is a dozen steps of float32, which the sums behind a
depth round by."""

SKY_UNIT = 1.0  # where its deviation is smaller: without sky the map is zeros, and what is asked of it is 0.3 or more


@dataclass(frozen=True)
class Limits:
    """How far onnxruntime may be from PyTorch.

    Attributes:
        depth: of the depth's range, and of the confidence's.
        norms: of the block's mean norm.
        tokens: of the block's mean norm, for single channels.
        fusion: of the fusion input's standard deviation, and of the class and register tokens'.
        sky: of the sky's standard deviation, or of :data:`SKY_UNIT`.
        least_spread: what a depth is taken to vary by at least; see :func:`spread_of`.
        ends_at: metres at which the model's depth ends, 0 where it does not; see there.
    """

    depth: float
    norms: float
    tokens: float
    fusion: float
    sky: float
    least_spread: float = LEAST_SPREAD
    ends_at: float = 0.0


# Float32 noise of these models against float64 reaches 1e-4 of the depth's standard deviation and 8e-7 of a block's mean
# norm; a wrong interpolation or epsilon shows from 1e-3 and 1e-5 on.
EXACT = Limits(depth=1e-4, norms=4e-6, tokens=2e-4, fusion=2e-4, sky=2e-4)
# Weights in float16, of a graph that has been held to EXACT before. Random ones of full size (ViT-S, BEiT-base, Swin V2-tiny)
# differ by 2.5e-3, 2.2e-4, 3.6e-4 and 4.3e-3 at most; a hundredth of the depth's range is two or three shades of a picture.
# Where a scale leaves next to nothing of that range, a thousandth of the greatest value is rounding still.
ROUNDED = Limits(depth=1e-2, norms=5e-3, tokens=5e-3, fusion=2e-2, sky=2e-2, least_spread=0.1)

# What three sessions keep for their next runs is a quarter of an export's peak.
_OPTIONS = SessionOptions(keep_memory=False)

SCALED = ((0.5, 1.5, 0.75, -0.7), (1.0, 0.0, 1.0, 2.0))
SEED = 20260101


@dataclass
class _Worst:
    """Largest differences so far; see :class:`dptscope.Parity`."""

    depth: float = 0.0
    depth_range: float = 0.0
    norms: float = 0.0
    companion: float = 0.0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    limits: Limits = EXACT
    exact: Limits = EXACT


@dataclass(frozen=True)
class _Files:
    """Sessions of the three files."""

    whole: Session
    companion: Session
    preview: Session


def verify(
    model: DPT,
    preview: Preview,
    path: Path,
    plan: ExportPlan,
    report: Callable[[str], None] = lambda _: None,
    limits: Limits = EXACT,
) -> Parity:
    """Compare names, axes, shapes and values of the three files with the contract and the torch models.

    At every size of the plan, once as a batch of two, the whole file runs with the scales at one, companion and preview also
    with two other settings; so does the whole file, but for the native size of a dynamic one, which comes last and takes most
    of the time. The companion is held against the whole file where that runs with the same scales.

    Args:
        model: the torch model.
        preview: the torch preview.
        path: the exported ``NAME.onnx``; the other two are beside it.
        plan: what the export is for.
        report: called with a line for each size.
        limits: how far from PyTorch they may be; the companion is never farther from the whole file than :data:`EXACT`.

    Raises:
        VerificationError: anything differs by more.
    """
    files = _Files(
        *(Session(at, _OPTIONS) for at in (path, contract.companion_path(path), contract.preview_path(path)))
    )
    scales, fusion = contract.fusion_scale_inputs(), contract.fusion_inputs(plan.fusion_channels)
    dynamic = plan.sizes.dynamic
    check_interface(files.whole, (contract.image_input(),), plan.optional_inputs(), plan.outputs(), dynamic)
    check_interface(files.companion, fusion, scales, (contract.depth_output(),), dynamic)
    check_interface(files.preview, fusion, scales, (contract.preview_output(),), dynamic)
    limits, exact = (replace(each, ends_at=plan.max_depth or 0.0) for each in (limits, EXACT))
    worst = _Worst(limits=limits, exact=exact)
    generator = torch.Generator().manual_seed(SEED)
    sizes = (*plan.sizes.trial, plan.sizes.native)
    for index, (height, width) in enumerate(sizes):
        batch = 2 if index == 0 else 1
        report(f"{height} × {width}" + (f", batch {batch}" if batch > 1 else ""))
        image = lively_image(batch, height, width, generator)
        scaled = not dynamic or index + 1 < len(sizes)
        _compare(model, preview, files, image, plan, worst, scaled)
        worst.sizes.append((height, width))
    return Parity(worst.depth, worst.depth_range, worst.norms, worst.companion, tuple(worst.sizes))


def _scale_feeds(setting: Sequence[float]) -> dict[str, Float32Array]:
    return {
        contract.fusion_scale_name(k): np.full(1, s, np.float32)
        for k, s in zip(contract.FUSION_BLOCKS, setting, strict=True)
    }


def lively_image(batch: int, height: int, width: int, generator: torch.Generator) -> torch.Tensor:
    """Normalised values with structure at all scales: a sum of noises, from coarse to fine."""
    image = torch.zeros(batch, 3, height, width)
    for cells in (2, 7, 23):
        noise = torch.randn(batch, 3, cells, cells, generator=generator)
        image += torch.nn.functional.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    return image / 1.5


def _compare(
    model: DPT,
    preview: Preview,
    files: _Files,
    image: torch.Tensor,
    plan: ExportPlan,
    worst: _Worst,
    scaled: bool,
) -> None:
    """Compare everything at one size; ``scaled``: the whole file with moved scales, too."""
    where = f"at {image.shape[2]} × {image.shape[3]}"
    with torch.no_grad():
        features = model.features(image)
        expected = expected_outputs(model, features, plan)
        names = list(expected)
        got = dict(zip(names, files.whole.run(names, {contract.IMAGE: image.numpy()}), strict=True))
        other = OtherKernels(model, image, plan)
        _check_values(got, expected, other, plan, where, worst)
        fusion_names = [contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS]
        fusion_feeds, torch_feeds = ({name: values[name] for name in fusion_names} for values in (got, expected))
        (through,) = files.companion.run([contract.DEPTH], fusion_feeds)
        difference = _check_depth(through, got[contract.DEPTH], f"of the companion {where}", limits=worst.exact)
        worst.companion = max(worst.companion, difference)
        for setting in SCALED:
            scales = _scale_feeds(setting)
            torch_scales = tuple(torch.full((1,), s) for s in setting)
            setting_where = f"{where} with scales {setting}"
            wanted = model.depth(features.fusion_inputs, torch_scales).numpy()
            again = partial(other.depth, torch_scales)
            (through,) = files.companion.run([contract.DEPTH], {**fusion_feeds, **scales})
            _check_depth(through, wanted, f"of the companion {setting_where}", worst, again=again)
            if scaled:
                (direct,) = files.whole.run([contract.DEPTH], {contract.IMAGE: image.numpy(), **scales})
                _check_depth(direct, wanted, setting_where, worst, again=again)
                difference = _check_depth(through, direct, f"of the companion {setting_where}", limits=worst.exact)
                worst.companion = max(worst.companion, difference)
            wanted = preview.depth(features.fusion_inputs, torch_scales).numpy()
            (coarse,) = files.preview.run([contract.DEPTH], {**torch_feeds, **scales})
            _check_depth(coarse, wanted, f"of the preview {setting_where}", limits=worst.limits)


def _check_values(
    got: Mapping[str, Float32Array],
    expected: Mapping[str, Float32Array],
    other: OtherKernels,
    plan: ExportPlan,
    where: str,
    worst: _Worst,
) -> None:
    for name, wanted in expected.items():
        if got[name].shape != wanted.shape:
            raise VerificationError(f"{name} {where}: expected shape {wanted.shape}, got {got[name].shape}")
        if not np.isfinite(got[name]).all():
            raise VerificationError(f"{name} {where}: expected finite values, got infinities or NaNs")

    def check(name: str, limit: float, unit: float, in_words: str, norms: bool = False) -> float:
        """Check a tensor, or the norms of its tokens, and return max |Δ|."""

        def of(values: Mapping[str, Float32Array]) -> Float32Array:
            return token_norms(values[name]) if norms else values[name]

        difference = _relative(of(got), of(expected), unit)
        if difference > limit:
            limit = max(limit, NOISE * _relative(of(other.outputs), of(expected), unit))
        _check_limit(difference, limit, f"{'norms of ' if norms else ''}{name} {where}", in_words)
        return difference

    limits = worst.limits
    for index in range(len(plan.blocks)):
        name = contract.block_tokens_name(index)
        mean = float(token_norms(expected[name]).mean())
        worst.norms = max(worst.norms, check(name, limits.norms, mean, "of their mean", norms=True))
        check(name, limits.tokens, mean, "of the mean norm")
    others = [contract.BLOCK_CLS_TOKENS] if plan.has_cls else []
    others += [contract.BLOCK_REGISTER_TOKENS] if plan.registers else []
    for name in (contract.EMBEDDED_TOKENS, *others, *(contract.fusion_input_name(k) for k in contract.FUSION_BLOCKS)):
        check(name, limits.fusion, float(expected[name].std()), "of its standard deviation")
    if plan.has_sky:
        wanted_sky = expected[contract.SKY]
        unit = max(float(wanted_sky.std()), SKY_UNIT)
        _check_limit(_relative(got[contract.SKY], wanted_sky, unit), limits.sky, f"sky {where}", "of its unit")
    if plan.has_confidence:
        name = contract.CONFIDENCE
        _check_map(got[name], expected[name], limits, f"confidence {where}", lambda: other.outputs[name])
    _check_depth(
        got[contract.DEPTH], expected[contract.DEPTH], where, worst, again=lambda: other.outputs[contract.DEPTH]
    )


def _check_depth(
    got: Float32Array,
    wanted: Float32Array,
    where: str,
    worst: _Worst | None = None,
    limits: Limits = EXACT,
    again: Callable[[], Float32Array] | None = None,
) -> float:
    """Check one depth map and return max |Δ| over the standard deviation."""
    limits = worst.limits if worst is not None else limits
    of_std, of_range = _check_map(got, wanted, limits, f"depth {where}", again)
    if worst is not None:
        worst.depth, worst.depth_range = max(worst.depth, of_std), max(worst.depth_range, of_range)
    return of_std


def _check_map(
    got: Float32Array,
    wanted: Float32Array,
    limits: Limits,
    what: str,
    again: Callable[[], Float32Array] | None = None,
) -> tuple[float, float]:
    """Check a map and return max |Δ| over its standard deviation, and over its range; ``again``: PyTorch's map, rounded
    otherwise."""
    if got.shape != wanted.shape:
        raise VerificationError(f"{what}: expected shape {wanted.shape}, got {got.shape}")
    unit, limit = spread_of(wanted, limits.ends_at, limits.least_spread), limits.depth
    of_range = _relative(got, wanted, unit)
    of_std = _relative(got, wanted, float(wanted.std()) if unit == float(np.ptp(wanted)) else unit)
    if of_range > limit and again is not None:
        limit = max(limit, NOISE * _relative(again(), wanted, unit))
    _check_limit(of_range, limit, what, "of its range")
    return of_std, of_range


def spread_of(depth: Float32Array, ends_at: float = 0.0, least: float = LEAST_SPREAD) -> float:
    """What a difference is measured against: the depth's range, or as much as ``least`` says.

    Args:
        depth: what is wanted.
        ends_at: metres at the end of the model's range, 0 where it has none. At the near end a sigmoid gives less than
            onnxruntime's rounds by, 6e-8 of what it gives at the far end.
        least: a share of the depth's greatest value, or of that end.
    """
    return max(float(np.ptp(depth)), least * max(float(np.abs(depth).max()), ends_at))


def _relative(got: Float32Array, wanted: Float32Array, unit: float) -> float:
    """max |Δ| in units of ``unit``. Where the unit is zero (a constant map), equal values count as zero."""
    difference = float(np.abs(got - wanted).max())
    if difference == 0.0:
        return 0.0
    return difference / unit if unit > 0 else float("inf")


def _check_limit(difference: float, limit: float, what: str, unit: str) -> None:
    if not difference <= limit:
        raise VerificationError(
            f"{what}: expected onnxruntime within {limit:.2g} {unit} of PyTorch, got {difference:.2g}; nothing was written"
        )
