"""Reading checkpoints: PyTorch files, safetensors files, and Hugging Face folders, with the usual wrappers taken off."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dptscope_export.checkpoints.archive import check_file, is_archive
from dptscope_export.checkpoints.file_names import CONFIG_NAME, SAFETENSORS_SUFFIX, TORCH_SUFFIXES, WEIGHT_NAMES
from dptscope_export.errors import CheckpointError, first_few

_WRAPPERS = ("model", "state_dict", "model_state_dict")  # keys under which training scripts keep the weights
_DEEPEST_WRAPPER = 8
_NUMBER = re.compile("[0-9]{1,6}")
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
        """Shape of a tensor that tells something about the architecture.

        Raises:
            CheckpointError: it is not there, or has no axes or none of some length.
        """
        if name not in self.tensors:
            raise CheckpointError(f"{self.name}: the tensor {name} is missing")
        shape = tuple(self.tensors[name].shape)
        if not shape or 0 in shape:
            raise CheckpointError(f"{self.name}: expected numbers in the tensor {name}, got the shape {shape}")
        return shape

    def count(self, prefix: str) -> int:
        """Count the numbered parts after ``prefix``: ``blocks.`` → 12 where there are ``blocks.0.…`` to ``blocks.11.…``."""
        parts = {key[len(prefix) :].split(".")[0] for key in self.tensors if key.startswith(prefix)}
        numbers = {int(part) for part in parts if _NUMBER.fullmatch(part)}
        missing = next((number for number in range(len(numbers)) if number not in numbers), None)
        if missing is not None:
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
        strange = [shard for shard in shards.values() if not isinstance(shard, str) or Path(shard).name != shard]
        if strange:
            raise CheckpointError(f"{weights}: expected names of files in its folder, got {str(strange[0])[:80]!r}")
        files = [folder / shard for shard in sorted(set(shards.values()))]
    tensors: dict[str, Tensor] = {}
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{file}: no such file, though {weights.name} names it")
        part = _read_weights(file)[0]
        twice = sorted(tensors.keys() & part.keys())
        if twice:
            raise CheckpointError(f"{file}: expected other tensors than in the files before it, got {first_few(twice)}")
        tensors |= part
    return Checkpoint(name, tensors, _sha256(files), config=config)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: no JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == SAFETENSORS_SUFFIX:
        tensors, metadata = _read_safetensors(path)
        return _check_tensors(tensors, path), metadata
    if path.suffix in TORCH_SUFFIXES:
        return _check_tensors(_read_torch(path), path), {}
    known = ", ".join((*TORCH_SUFFIXES, SAFETENSORS_SUFFIX))
    raise CheckpointError(f"{path}: expected a file ending in {known}, got {path.suffix or 'none'}")


def _check_tensors(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Refuse tensors that claim more numbers than the file holds: with strides of zero, one number fills any shape."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise CheckpointError(f"{path}: expected plain tensors, got {name} as {tensor.dtype}, {tensor.layout}")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            held = tensor.untyped_storage().nbytes()
            raise CheckpointError(
                f"{path}: {name} claims the shape {tuple(tensor.shape)}, and the file holds {held} bytes"
            )
    return tensors


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            metadata = file.metadata() or {}
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to read it") from error
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: no safetensors file, or a damaged one ({str(error)[:160]})") from error
    return _without_prefixes(tensors), metadata


def _read_torch(path: Path) -> dict[str, Tensor]:
    check_file(path)
    try:
        # Mapped from the disk where the format allows it, so that a large checkpoint is never in memory twice.
        with warnings.catch_warnings(action="ignore"):  # of kinds of tensors that are refused a moment later
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive(path))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: no PyTorch checkpoint of plain tensors, or a damaged one ({reason[:160]})"
        ) from error
    return _without_prefixes(_unwrap(content, path))


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors inside ``{"model": …}`` and the like; scalars beside tensors are left out.

    A pickle can give its dictionaries and tensors attributes of any name, methods' too, so methods are called through their
    classes, and the attributes are left behind.
    """
    for _ in range(_DEEPEST_WRAPPER):
        if not isinstance(content, dict):
            break
        inner = next((found for key in _WRAPPERS if isinstance(found := dict.get(content, key), dict)), None)
        if inner is not None:
            content = inner
            continue
        tensors = {str(name): Tensor.detach(value) for name, value in dict.items(content) if isinstance(value, Tensor)}
        if not tensors:
            break
        return tensors
    raise CheckpointError(f"{path}: expected a dictionary of tensors, got {type(content).__name__} without any tensors")


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
