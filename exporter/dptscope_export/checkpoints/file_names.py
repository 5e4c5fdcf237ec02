"""Names of checkpoint files, and which of a folder's files hold the weights."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
SAFETENSORS_SUFFIX = ".safetensors"
WEIGHT_SUFFIXES = (*TORCH_SUFFIXES, SAFETENSORS_SUFFIX)
CONFIG_NAME = "config.json"
PREPROCESSOR_NAME = "preprocessor_config.json"

# Beside a config; an index names the files of a model in several.
WEIGHT_NAMES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
_VARIANT = re.compile(  # model.fp16.safetensors, model.safetensors.index.fp16.json
    r"model\.[\w-]+\.safetensors|pytorch_model\.[\w-]+\.bin|(model\.safetensors|pytorch_model\.bin)\.index\.[\w-]+\.json"
)
_SHARD = re.compile(r".*-\d+-of-\d+(\.[\w-]+)?\.(safetensors|bin)")
# What a trainer of transformers leaves in the folders of its checkpoints.
_OF_TRAINING = re.compile(r"(optimizer|scheduler|scaler|rng_state(_\d+)?|training_args)\.(pt|pth|bin)")


def weights_in(names: Iterable[str]) -> list[str]:
    """Choose the weights among the names of the files in a folder with a config.

    Returns:
        one name: the plain one of transformers, else the only one there is; several, or none, where nobody can tell.
    """
    there = sorted(names)
    plain = [name for name in WEIGHT_NAMES if name in there]
    if plain:
        return plain[:1]
    variants = [name for name in there if is_of_transformers(name)]
    return variants or [name for name in there if name.endswith(WEIGHT_SUFFIXES) and not _OF_TRAINING.fullmatch(name)]


def is_of_transformers(name: str) -> bool:
    """Tell whether transformers gives weights this name, beside a config."""
    return name in WEIGHT_NAMES or (_VARIANT.fullmatch(name) is not None and not _SHARD.fullmatch(name))


def is_index(name: str) -> bool:
    """Tell whether a file of weights names the files that the tensors are in."""
    return name.endswith(".json") and is_of_transformers(name)


def shards_in(names: Iterable[str], index: str) -> list[str]:
    """Choose the files that an index can mean, where it cannot be read yet."""
    kind, _, _ = index.partition(".index.")
    stem, _, ending = kind.rpartition(".")
    return [n for n in names if _SHARD.fullmatch(n) and n.startswith(stem) and n.endswith(f".{ending}")]


def own_name(path: Path) -> str:
    """The name that a path has itself: links are not followed, for in the hub's cache they lead to files named by a hash."""
    return Path(os.path.abspath(path)).name  # noqa: PTH100  (resolve() follows links)


def own_stem(path: Path) -> str:
    """The name of a checkpoint without its ending; a folder has none, whatever full stops are in its name."""
    name = own_name(path)
    return name if path.is_dir() else Path(name).stem
