"""Telling Depth Anything's variants apart.

V1, V2 and both metric kinds of one size hold identical tensors (names, order, shapes, dtypes), but differ in the blocks
that feed the fusion and in the last activation. A wrong guess is silent and wrong by whole standard deviations, so only a
Hugging Face config, our own file metadata, an exact published name or the user counts.
"""

from __future__ import annotations

import re

from dptscope_export.checkpoints.file_names import WEIGHT_SUFFIXES
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError, VariantError
from dptscope_export.families.base import ExportOptions
from dptscope_export.families.depth_anything_config import variant_of_config
from dptscope_export.families.depth_anything_variants import (
    ARCHITECTURES,
    INDOOR,
    MAX_DEPTH,
    OUTDOOR,
    V1,
    V2,
    VARIANTS,
    Variant,
    v1_taps,
    v2_taps,
)
from dptscope_export.models.dinov2 import DinoV2Config

VARIANT_KEY = "variant"  # in the metadata of safetensors files that we write

_ENDING = f"({'|'.join(map(re.escape, WEIGHT_SUFFIXES))})"  # the same weights, saved in another way
_PUBLISHED = {
    re.compile(rf"depth_anything_(vit[sbl])14{_ENDING}"): V1,
    re.compile(rf"depth_anything_v2_(vit[sblg]){_ENDING}"): V2,
    re.compile(rf"depth_anything_v2_metric_hypersim_(vit[sblg]){_ENDING}"): INDOOR,
    re.compile(rf"depth_anything_v2_metric_vkitti_(vit[sblg]){_ENDING}"): OUTDOOR,
}
_REPOSITORY = re.compile(r"LiheYoung/depth_anything_vit[sbl]14")  # V1 of the authors, in files with names that all have


def tell_variant(checkpoint: Checkpoint, encoder: DinoV2Config, options: ExportOptions) -> Variant:
    """Tell the variant from a config, our own metadata, an exact published name or the user.

    Raises:
        VariantError: nothing tells it, or the user contradicts the config.
        CheckpointError: the config does not fit the tensors.
    """
    if options.variant is not None and options.variant not in VARIANTS:
        raise VariantError(f"expected --variant {' | '.join(VARIANTS)}, got {options.variant}")
    if checkpoint.config is not None:
        return variant_of_config(checkpoint, checkpoint.config, encoder, options)
    said = check_settings(checkpoint, encoder)
    notes: tuple[str, ...] = ()
    named = _named_variant(checkpoint)
    if options.variant is not None:
        name, evidence = options.variant, f"--variant {options.variant}"
        if named is not None and named[0] != name:
            notes = (f"--variant {name} overrides {named[1]}, which says {named[0]}",)
    elif named is not None:
        name, evidence = named
    else:
        raise VariantError(
            f"{checkpoint.name}: its tensors fit every one of these, so say --variant {' | '.join(VARIANTS)}"
        )
    if name not in MAX_DEPTH and options.max_depth is not None:
        raise VariantError(f"--max-depth is for metric models, got {options.max_depth:g} for {name}")
    if name not in MAX_DEPTH and said is not None:
        raise VariantError(
            f"{checkpoint.name}: config.json says max_depth {said:g}, as metric models have it, but {evidence} says {name}"
        )
    if said is not None and options.max_depth not in (None, said):
        notes = (*notes, f"--max-depth {options.max_depth:g} overrides config.json, which says {said:g}")
    return Variant(
        name=name,
        taps=v1_taps(encoder) if name == V1 else v2_taps(encoder),
        max_depth=(options.max_depth or said or MAX_DEPTH[name]) if name in MAX_DEPTH else None,
        evidence=evidence,
        notes=notes,
    )


def _named_variant(checkpoint: Checkpoint) -> tuple[str, str] | None:
    """Variant and evidence from our own file metadata or an exact published file name."""
    written = checkpoint.metadata.get(VARIANT_KEY)
    if written in VARIANTS:
        return written, "the file's own metadata"
    file = checkpoint.file or checkpoint.name
    for pattern, name in _PUBLISHED.items():
        if pattern.fullmatch(file):
            return name, f"the published file name {file}"
    if _REPOSITORY.fullmatch(checkpoint.name):
        return V1, f"the published repository {checkpoint.name}"
    return None


def check_settings(checkpoint: Checkpoint, encoder: DinoV2Config) -> float | None:
    """Hold the settings that PyTorchModelHubMixin keeps, the arguments of the authors' class, against the tensors.

    Returns:
        the range of a metric model, where there is one: the class of the relative ones has no such argument.

    Raises:
        CheckpointError: they are of another size, or of a model that is not supported.
    """
    settings = checkpoint.settings
    unsupported = [f"{key} {settings[key]}" for key in ("use_bn", "use_clstoken") if settings.get(key)]
    if unsupported:
        raise CheckpointError(
            f"{checkpoint.name}: expected a model without batch normalisation and class tokens in its decoder, got "
            f"{' and '.join(unsupported)} in config.json, which are not supported"
        )
    sizes = {name: size for size, name in ARCHITECTURES.items()}
    said = settings.get("encoder")
    if isinstance(said, str) and said in sizes:
        # A model that was cut down still has the name of its size: no larger one, and none that a smaller one is enough for.
        enough = [
            name for name, (width, blocks) in sizes.items() if encoder.width <= width and encoder.blocks <= blocks
        ]
        if said != next(iter(enough), None):
            width, blocks = sizes[said]
            raise CheckpointError(
                f"{checkpoint.name}: config.json says encoder {said}, {blocks} blocks of {width} channels, got tensors of "
                f"{encoder.blocks} blocks of {encoder.width}"
            )
    metres = settings.get("max_depth")
    if metres is None:
        return None
    if not isinstance(metres, (int, float)) or isinstance(metres, bool) or not 1e-3 <= metres <= 1e6:
        raise CheckpointError(f"{checkpoint.name}: expected max_depth in metres in config.json, got {metres!r:.80}")
    return float(metres)
