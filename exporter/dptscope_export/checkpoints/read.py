"""Reading checkpoints: PyTorch files, safetensors files, and Hugging Face folders, with the usual wrappers taken off."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dptscope_export.checkpoints.archive import check_file, is_archive
from dptscope_export.checkpoints.contents import Contents, choose, lay_out
from dptscope_export.checkpoints.file_names import (
    CONFIG_NAME,
    PREPROCESSOR_NAME,
    SAFETENSORS_SUFFIX,
    TORCH_SUFFIXES,
    WEIGHT_NAMES,
    WEIGHT_SUFFIXES,
    is_index,
    is_of_transformers,
    own_name,
    weights_in,
)
from dptscope_export.checkpoints.halves import join, one_of_two_halves, other_half
from dptscope_export.errors import CheckpointError, first_few

_NUMBER = re.compile("[0-9]{1,6}")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a checkpoint and where they came from.

    Attributes:
        name: file or folder name, as messages and metadata call it.
        tensors: name to tensor, wrappers and prefixes taken off, dtypes as in the file.
        sha256: hash of the weights file (of all of them in order, where there are several).
        config: a Hugging Face folder's ``config.json``, else None.
        metadata: the header of a safetensors file.
        file: name of the weights file, where it is not ``name``.
        settings: a ``config.json`` that is not transformers', such as PyTorchModelHubMixin writes: without ``model_type``.
        preprocessor: ``preprocessor_config.json`` of the folder.
        key: what the user calls the model in the file, where there are several.
        keys: the top-level keys of a training script's file, in words.
        notes: lines that the user should read.
    """

    name: str
    tensors: Mapping[str, Tensor]
    sha256: str
    config: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] | None = None
    key: str = ""
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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


def read_checkpoint(path: Path, name: str | None = None, key: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: a ``.pth``, ``.pt``, ``.bin``, ``.ckpt`` or ``.safetensors`` file, or a folder with weights and most often a
            ``config.json``. A weights file beside a config stands for the folder.
        name: what to call it; the file's or folder's name if None.
        key: name of the model in it, where there are several.

    Raises:
        CheckpointError: none of these, or damaged.
    """
    if path.is_dir():
        return _read_folder(path, _weights_of(path), name or own_name(path), key)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file or folder")
    if is_index(path.name) or (is_of_transformers(path.name) and (path.parent / CONFIG_NAME).is_file()):
        return _read_folder(path.parent, path, name or own_name(path.parent), key)
    return _read([path], path, Checkpoint(name or path.name, {}, ""), key)


def _weights_of(folder: Path) -> Path:
    names = sorted(path.name for path in folder.iterdir())
    found = one_of_two_halves(weights_in(name for name in names if (folder / name).is_file()))
    if len(found) > 1:
        raise CheckpointError(
            f"{folder}: expected {WEIGHT_NAMES[0]} or one other file of weights, got {first_few(found)}; name one of them"
        )
    if not found:
        got = first_few(names, 6) if names else "an empty folder"
        raise CheckpointError(f"{folder}: expected a folder with {CONFIG_NAME} and {WEIGHT_NAMES[0]}, got {got}")
    return folder / found[0]


def _read_folder(folder: Path, weights: Path, name: str, key: str | None) -> Checkpoint:
    config = _read_json(folder / CONFIG_NAME) if (folder / CONFIG_NAME).is_file() else {}
    of_transformers = config.get("model_type") is not None
    preprocessor = folder / PREPROCESSOR_NAME
    return _read(
        _shards(weights) if is_index(weights.name) else [weights],
        weights,
        Checkpoint(
            name,
            {},
            "",
            config=config if of_transformers else None,
            settings={} if of_transformers else config,
            preprocessor=_read_json(preprocessor) if preprocessor.is_file() else None,
        ),
        key,
    )


def _shards(index: Path) -> list[Path]:
    shards = _read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise CheckpointError(f"{index}: expected a weight_map")
    strange = [shard for shard in shards.values() if not isinstance(shard, str) or Path(shard).name != shard]
    if strange:
        raise CheckpointError(f"{index}: expected names of files in its folder, got {str(strange[0])[:80]!r}")
    files = [index.parent / shard for shard in sorted(set(shards.values()))]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        there = sorted(file.name for file in index.parent.iterdir())
        raise CheckpointError(
            f"{index}: expected {len(files)} files in its folder, {first_few(missing)} missing, got {first_few(there, 6)}"
        )
    return files


def _read(files: list[Path], where: Path, checkpoint: Checkpoint, key: str | None) -> Checkpoint:
    """Read the tensors of one or more files into a checkpoint of which the rest is known."""
    contents, metadata = _read_weights(files[0])
    for file in files[1:]:
        part, _ = _read_weights(file)
        twice = sorted(contents.tensors.keys() & part.tensors.keys())
        if twice:
            raise CheckpointError(f"{file}: expected other tensors than in the files before it, got {first_few(twice)}")
        contents.tensors |= part.tensors
        contents.homes |= part.homes
    if (backbone := other_half(where)) is not None:
        files, contents = [backbone, *files], join(_read_weights(backbone)[0], contents)
    chosen = choose(contents, str(where), key)
    return replace(
        checkpoint,
        tensors=_check_tensors(chosen.tensors, where),
        sha256=_sha256(files),
        metadata=metadata,
        file=where.name,
        key=key or "",
        keys=contents.keys,
        notes=chosen.notes,
    )


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


def _read_weights(path: Path) -> tuple[Contents, dict[str, str]]:
    if path.suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return _read_torch(path), {}
    raise CheckpointError(
        f"{path}: expected a file ending in {', '.join(WEIGHT_SUFFIXES)}, got {path.suffix or 'none'}"
    )


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


def _read_safetensors(path: Path) -> tuple[Contents, dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            metadata = file.metadata() or {}
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to read it") from error
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: no safetensors file, or a damaged one ({str(error)[:160]})") from error
    return Contents(tensors), metadata


def _read_torch(path: Path) -> Contents:
    stand_ins: list[Any] = [(stand_in, name) for name, stand_in in check_file(path).items()]
    try:
        # Mapped from the disk where the format allows it, so that a large checkpoint is never in memory twice.
        # The warnings are about kinds of tensors that are refused a moment later.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive(path))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: no PyTorch checkpoint of plain tensors, or a damaged one ({reason[:160]})"
        ) from error
    return lay_out(content, str(path))


def _sha256(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()
