"""A look at a PyTorch file before PyTorch reads it: the archive of today, or the row of pickles of before 2020."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import torch

from dptscope_export.checkpoints.pickles import UnsafePickleError, check_pickle
from dptscope_export.errors import CheckpointError

_SIGNATURE = b"PK\x03\x04"  # what tells an archive for PyTorch: an entry at the very beginning
# Of the five pickles in a row: magic number, version, system, the tensors, keys. Only the fourth makes tensors.
_LEGACY_PICKLES = (False, False, False, True, False)


def is_archive(path: Path) -> bool:
    """Tell whether PyTorch reads the file as an archive."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def check_file(path: Path) -> dict[str, type]:
    """Check that reading a file costs no more than its size lets one expect, and calls nothing but what makes tensors.

    Returns:
        what is to stand in for all else that the file names, see :mod:`dptscope_export.checkpoints.stand_ins`.

    Raises:
        CheckpointError: a damaged or hostile file.
    """
    try:
        if is_archive(path):
            return _check_archive(path)
        stand_ins: dict[str, type] = {}
        with path.open("rb") as file:
            for tensors in _LEGACY_PICKLES:
                stand_ins |= check_pickle(file, tensors)
        return stand_ins
    except UnsafePickleError as error:
        raise CheckpointError(
            f"{path}: no PyTorch checkpoint of plain tensors, or a damaged one (expected what makes a dictionary of "
            f"tensors, got {error})"
        ) from error


def _check_archive(path: Path) -> dict[str, type]:
    """PyTorch stores what it saves as it is; a compressed entry can unfold to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: a damaged archive ({error})") from error
    compressed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if compressed:
        raise CheckpointError(f"{path}: expected entries that are not compressed, got {compressed[0][:80]!r}")
    names = [entry.filename.lower() for entry in entries]  # PyTorch's reader does not tell the case apart
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CheckpointError(f"{path}: expected every entry once, got {twice[:80]!r} more often")
    if any(Path(name).name == "constants.pkl" for name in names):
        raise CheckpointError(f"{path}: expected a checkpoint of plain tensors, got a TorchScript program")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path}: a damaged archive (its entries claim more bytes than it has)")
    try:  # through the reader that will read it, so that both see the same pickle
        program = torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:160]
        raise CheckpointError(f"{path}: no PyTorch checkpoint, or a damaged one ({reason})") from error
    return check_pickle(io.BytesIO(program))
