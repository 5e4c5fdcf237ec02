"""Checkpoints from the Hugging Face hub, through its own client: its cache, its endpoint and its offline switch hold."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]  # of the library it uses

from dptscope.errors import one_line
from dptscope_export.checkpoints.file_names import (
    CONFIG_NAME,
    PREPROCESSOR_NAME,
    WEIGHT_NAMES,
    WEIGHT_SUFFIXES,
    is_index,
    is_of_transformers,
    shards_in,
    weights_in,
)
from dptscope_export.errors import CheckpointError, first_few
from dptscope_export.sources.published import HubFile

_LFS_BLOB = re.compile(r"[0-9a-f]{64}")  # large files are kept under their SHA-256

_Result = TypeVar("_Result")


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Hold back the client's warnings of every retry; what it gives up on is an error of ours, in one line.

    Raises:
        CheckpointError: there is no folder for its cache.
    """
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    except RuntimeError as error:
        if "home directory" not in str(error):
            raise
        raise CheckpointError(f"no folder to download to ({error}): name one in HF_HOME") from error
    finally:
        logger.setLevel(level)


@_quiet_client()
def fetch_repository(repository: str, revision: str | None = None) -> Path:
    """The part of a repository that is a checkpoint: a folder with config and weights, or its only weights file.

    Args:
        repository: ``OWNER/NAME``.
        revision: branch, tag or commit; the main branch if None.

    Returns:
        the folder or file in the hub's cache.

    Raises:
        CheckpointError: it is not there, not reachable, damaged, or holds no checkpoint.
    """
    try:
        names = HfApi().list_repo_files(repository, revision=revision)
    except RepositoryNotFoundError as error:
        raise _missing(repository, revision, error) from error
    except RevisionNotFoundError as error:
        raise _missing(repository, revision, error) from error
    except HFValidationError as error:
        raise CheckpointError(f"{repository}: no such path, and no name of a repository ({one_line(error)})") from error
    except (TransportError, OfflineModeIsEnabled) as error:
        return _cached_repository(repository, revision, error)
    wanted = choose_files(names, repository)
    folder = Path(_calling_hub(repository, revision, lambda: _snapshot(repository, revision, wanted)))
    return _checkpoint_in(folder, wanted)


@_quiet_client()
def fetch_file(place: HubFile, revision: str | None, known_hash: str | None) -> Path:
    """One file of a repository.

    Args:
        place: which.
        revision: branch, tag or commit; the main branch if None.
        known_hash: ``sha256:digest`` that a file of the main branch must have, or None.

    Raises:
        CheckpointError: it is not there, not reachable, or damaged.
    """
    path = Path(
        _calling_hub(
            str(place),
            revision,
            lambda: hf_hub_download(place.repository, place.file, repo_type=place.kind, revision=revision),
        )
    )
    _check(path, known_hash.removeprefix("sha256:") if known_hash is not None and revision is None else None)
    return path


def choose_files(names: Sequence[str], repository: str) -> list[str]:
    """Choose the files of a repository that make its checkpoint.

    Raises:
        CheckpointError: none, or several that nobody can choose between.
    """
    weights = weights_in(names)
    if CONFIG_NAME in names and len(weights) == 1 and is_of_transformers(weights[0]):
        shards = shards_in(names, weights[0]) if is_index(weights[0]) else []
        return [CONFIG_NAME, *weights, *shards, *(name for name in names if name == PREPROCESSOR_NAME)]
    files = [name for name in names if name.endswith(WEIGHT_SUFFIXES)]
    if len(files) == 1:
        return files
    beside = "beside" if CONFIG_NAME in names else "without"
    found = f"{len(files)} weights files {beside} a {CONFIG_NAME}" if files else f"{len(names)} files without weights"
    raise CheckpointError(
        f"{repository}: expected a repository with {CONFIG_NAME} and {WEIGHT_NAMES[0]}, or with one weights file, "
        f"got {found}: {first_few(files or names, 6)}"
    )


def _snapshot(repository: str, revision: str | None, wanted: list[str]) -> str:
    return snapshot_download(repository, revision=revision, allow_patterns=wanted)


def _cached_repository(repository: str, revision: str | None, reason: Exception) -> Path:
    """Look in the cache, where the hub cannot be asked."""
    try:
        folder = Path(
            snapshot_download(repository, revision=revision, allow_patterns=[CONFIG_NAME], local_files_only=True)
        )
    except LocalEntryNotFoundError as error:
        raise CheckpointError(_unreachable(repository, reason)) from error
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return _checkpoint_in(folder, choose_files(names, f"{repository} (its cached copy)"))


def _checkpoint_in(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        _check(folder / name)
    return folder if CONFIG_NAME in names else folder / names[0]


def _check(path: Path, known: str | None = None) -> None:
    """Hold a file against its hash, and take it out of the cache if it differs.

    Raises:
        CheckpointError: it differs.
    """
    blob = path.resolve()
    expected = known or (blob.name if _LFS_BLOB.fullmatch(blob.name) else None)
    if expected is None:
        return
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path.name}: expected SHA-256 {expected}, got {found}; it was taken out of the cache, so try again"
        )


def _calling_hub(what: str, revision: str | None, call: Callable[[], _Result]) -> _Result:
    try:
        return call()
    except LocalEntryNotFoundError as error:
        raise CheckpointError(_unreachable(what, error.__cause__ or error)) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, RemoteEntryNotFoundError) as error:
        raise _missing(what, revision, error) from error
    except (TransportError, OSError) as error:
        raise CheckpointError(
            f"{what}: the download did not end well ({one_line(error)}); what is there is kept, so the same command goes on"
        ) from error


def _missing(what: str, revision: str | None, error: Exception) -> CheckpointError:
    if isinstance(error, GatedRepoError):
        return CheckpointError(
            f"{what}: its owner grants access one by one; ask there, then log in with 'hf auth login'"
        )
    if isinstance(error, RevisionNotFoundError):
        return CheckpointError(f"{what}: no such revision as {revision}")
    if isinstance(error, RemoteEntryNotFoundError):
        return CheckpointError(f"{what}: no such file on the Hugging Face hub")
    return CheckpointError(
        f"{what}: no such path here, and no such repository on the Hugging Face hub, or a private one (then: 'hf auth login')"
    )


def _unreachable(what: str, error: BaseException) -> str:
    if isinstance(error, OfflineModeIsEnabled):
        return f"{what}: not in the Hugging Face cache, and HF_HUB_OFFLINE forbids to fetch it"
    return f"{what}: not in the Hugging Face cache, and the hub cannot be reached ({one_line(error)})"
