"""Reading checkpoints: PyTorch files, safetensors files, and Hugging Face folders, with the usual wrappers taken off."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dptscope_export.errors import CheckpointError
from dptscope_export.file_names import CONFIG_NAME, SAFETENSORS_SUFFIX, TORCH_SUFFIXES, WEIGHT_NAMES

_WRAPPERS = ("model", "state_dict", "model_state_dict")  # keys under which training scripts keep the weights
_PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile, and modules that hold the model


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a checkpoint and where they came from.

    Attributes:
        name: file or folder name, as messages and metadata call it.
        tensors: name to tensor, wrappers and prefixes taken off, dtypes as in the file.
        sha256: hash of the weights file (of all of them in order, where there are several).
        config: a Hugging Face folder's ``config.json``, else None.
        metadata: the header of a safetensors file.
    """

    name: str
    tensors: Mapping[str, Tensor]
    sha256: str
    config: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor.

        Raises:
            CheckpointError: it is not there.
        """
        if name not in self.tensors:
            raise CheckpointError(f"{self.name}: the tensor {name} is missing")
        return tuple(self.tensors[name].shape)

    def count(self, prefix: str) -> int:
        """How many numbered parts follow ``prefix``: ``blocks.`` → 12 where there are ``blocks.0.…`` to ``blocks.11.…``."""
        numbers = {
            int(n)
            for key in self.tensors
            if key.startswith(prefix) and (n := key[len(prefix) :].split(".")[0]).isdigit()
        }
        if numbers != set(range(len(numbers))):
            missing = min(set(range(max(numbers))) - numbers)
            raise CheckpointError(f"{self.name}: {prefix}{missing} is missing, though higher numbers are there")
        return len(numbers)


def read_checkpoint(path: Path, name: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: a ``.pth``, ``.pt``, ``.bin`` or ``.safetensors`` file, or a folder with ``config.json`` and weights. A
            weights file of a Hugging Face folder stands for the folder.
        name: what to call it; the file's or folder's name if None.

    Raises:
        CheckpointError: none of these, or damaged.
    """
    if path.is_dir():
        return _read_folder(path, name or path.resolve().name)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file or folder")
    if path.name in WEIGHT_NAMES and (path.parent / CONFIG_NAME).is_file():
        return _read_folder(path.parent, name or path.parent.resolve().name)
    tensors, metadata = _read_weights(path)
    return Checkpoint(name or path.name, tensors, _sha256([path]), metadata=metadata)


def _read_folder(folder: Path, name: str) -> Checkpoint:
    config_path = folder / CONFIG_NAME
    weights = next((folder / name for name in WEIGHT_NAMES if (folder / name).is_file()), None)
    if not config_path.is_file() or weights is None:
        raise CheckpointError(f"{folder}: expected a folder with {CONFIG_NAME} and {WEIGHT_NAMES[0]}")
    config = _read_json(config_path)
    files = [weights]
    if weights.suffix == ".json":
        shards = _read_json(weights).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise CheckpointError(f"{weights}: expected a weight_map")
        files = [folder / name for name in sorted(set(shards.values()))]
    tensors: dict[str, Tensor] = {}
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{file}: no such file, though {weights.name} names it")
        tensors |= _read_weights(file)[0]
    return Checkpoint(name, tensors, _sha256(files), config=config)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: no JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return _read_torch(path), {}
    known = ", ".join((*TORCH_SUFFIXES, SAFETENSORS_SUFFIX))
    raise CheckpointError(f"{path}: expected a file ending in {known}, got {path.suffix or 'none'}")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: no safetensors file, or a damaged one ({error})") from error
    return _without_prefixes(tensors), metadata


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        # Mapped from the disk where the format allows it, so that a large checkpoint is never in memory twice.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: no PyTorch checkpoint of plain tensors, or a damaged one ({reason[:160]})"
        ) from error
    return _without_prefixes(_unwrap(content, path))


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors inside ``{"model": …}`` and the like; scalars beside tensors are left out."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is not None:
            content = inner
            continue
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if not tensors:
            break
        return tensors
    raise CheckpointError(f"{path}: expected a dictionary of tensors, got {type(content).__name__} without any")


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    while tensors:
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in tensors)), None)
        if prefix is None:
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _sha256(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()
