"""Telling Depth Anything 3's monocular models apart: both files hold the same tensors, 406 of the same names and shapes.

One gives distance up to a factor, the other one that a focal length turns into metres, so a wrong guess is off by a factor.
"""

from __future__ import annotations

import re

from dptscope_export.checkpoints.file_names import WEIGHT_SUFFIXES
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import VariantError
from dptscope_export.families.base import ExportOptions
from dptscope_export.families.depth_anything_evidence import VARIANT_KEY

MONO = "depth-anything-3-mono"
METRIC = "depth-anything-3-metric"
VARIANTS = (MONO, METRIC)

_MODEL_NAMES = {
    "da3mono-large": MONO,
    "da3metric-large": METRIC,
}  # the constructor's argument, in the authors' config.json
_SHORT = {"mono": MONO, "metric": METRIC}
_REPOSITORY = re.compile(r"(?:depth-anything/)?DA3(MONO|METRIC)-LARGE")
# The authors' names, and those of the files that ComfyUI's makers publish.
_FILE = re.compile(
    r"(?:DA3(MONO|METRIC)-LARGE|da3(mono|metric)-large|depth_anything_3_(mono|metric)_large)"
    f"(?:{'|'.join(map(re.escape, WEIGHT_SUFFIXES))})"
)
_NESTED_KEY = re.compile(r"(?:model\.)?da3_metric")  # the metric one beside the any-view one, in a file of both


def tell_variant(checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, str, tuple[str, ...]]:
    """Tell the variant, with what told it and notes for the user, from a config, a name or the user.

    Raises:
        VariantError: nothing tells it, or the user contradicts the config.
    """
    wanted = options.variant
    if wanted is not None and wanted not in VARIANTS:
        raise VariantError(f"expected --variant {' | '.join(VARIANTS)}, got {wanted}")
    if options.max_depth is not None:
        raise VariantError(f"--max-depth is for models whose range ends somewhere, got {options.max_depth:g}")
    model_name = checkpoint.settings.get("model_name")
    if isinstance(model_name, str) and model_name in _MODEL_NAMES:
        said = _MODEL_NAMES[model_name]
        if wanted not in (None, said):
            raise VariantError(f"config.json says model_name {model_name}, got --variant {wanted}")
        return said, f"model_name {model_name} in config.json", ()
    named = _named(checkpoint)
    if wanted is not None:
        overrides = named is not None and named[0] != wanted
        notes = (f"--variant {wanted} overrides {named[1]}, which says {named[0]}",) if named and overrides else ()
        return wanted, f"--variant {wanted}", notes
    if named is not None:
        return *named, ()
    neither = "" if model_name is None else f", and config.json's model_name {model_name!r:.80} is neither"
    raise VariantError(f"{checkpoint.name}: its tensors fit both{neither}, so say --variant {' | '.join(VARIANTS)}")


def _named(checkpoint: Checkpoint) -> tuple[str, str] | None:
    """Variant and evidence from our own file metadata, or an exact published name."""
    written = checkpoint.metadata.get(VARIANT_KEY)
    if written in VARIANTS:
        return written, "the file's own metadata"
    if match := _REPOSITORY.fullmatch(checkpoint.name):
        return _SHORT[match[1].lower()], f"the published repository {checkpoint.name}"
    file = checkpoint.file or checkpoint.name
    if match := _FILE.fullmatch(file):
        return _SHORT[next(filter(None, match.groups())).lower()], f"the published file name {file}"
    if _NESTED_KEY.fullmatch(checkpoint.key):
        return METRIC, f"--key {checkpoint.key}, the metric model's name in the authors' nested files"
    return None
