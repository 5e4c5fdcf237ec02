"""Where checkpoints come from: a path, a name of :mod:`dptscope_export.sources.published`, or a Hugging Face repository."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from dptscope.errors import DptscopeError
from dptscope_export.checkpoints.file_names import (
    CONFIG_NAME,
    WEIGHT_NAMES,
    WEIGHT_SUFFIXES,
    is_index,
    is_of_transformers,
)
from dptscope_export.errors import first_few
from dptscope_export.sources.published import BY_NAME, REPOSITORIES, HubFile, HubFolder, Published

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE_ENDINGS = (*WEIGHT_SUFFIXES, ".onnx", ".json")
_CACHED = re.compile(
    r".*/models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/[^/]+(?P<file>/.*)?"
)  # in the hub's cache


@dataclass(frozen=True)
class Source:
    """A checkpoint on this machine.

    Attributes:
        path: the file or folder.
        name: what messages and metadata call it; None: as the path does.
        stem: name of the exported model without its ending; None: as the path says.
        notes: lines that the user should read.
    """

    path: Path
    name: str | None = None
    stem: str | None = None
    notes: tuple[str, ...] = ()


def find_sources(text: str, revision: str | None = None) -> list[Source]:
    """Find what ``dptscope export TEXT`` means: one checkpoint, as :func:`find_source` has it, or those of a folder that is
    none itself: weights files in it, and folders in it with a config.

    Raises:
        DptscopeError: there is none.
    """
    folder = Path(text)
    if not folder.is_dir() or is_checkpoint(folder):
        return [find_source(text, revision)]
    if revision is not None:
        raise DptscopeError(f"--revision is for repositories of the Hugging Face hub, got {text}")
    names = sorted(path.name for path in folder.iterdir())
    paths = [folder / name for name in names]
    found = [
        path
        for path in paths
        if (path.is_file() and path.suffix in WEIGHT_SUFFIXES) or (path.is_dir() and is_checkpoint(path))
    ]
    if not found:
        raise DptscopeError(
            f"{text}: expected a folder with {CONFIG_NAME} and {WEIGHT_NAMES[0]}, or with checkpoints in it "
            f"({', '.join(WEIGHT_SUFFIXES)}), got {first_few(names, 6) or 'an empty folder'}"
        )
    return [_here(path) for path in found]


def is_checkpoint(folder: Path) -> bool:
    """Tell whether a folder is a checkpoint itself: it has a config, or an index of several files."""
    return any((folder / name).is_file() for name in (CONFIG_NAME, *filter(is_index, WEIGHT_NAMES)))


def _here(path: Path) -> Source:
    """A path on this machine. One in the hub's cache tells the repository that it came from."""
    cached = _CACHED.fullmatch(Path(os.path.abspath(path)).as_posix())  # noqa: PTH100  (resolve() follows links)
    if cached is None:
        return Source(path)
    repository, file = f"{cached['owner']}/{cached['name']}", (cached["file"] or "").lstrip("/")
    published = _published_in(repository)
    whole = not file or (is_of_transformers(file) and (path.parent / CONFIG_NAME).is_file())
    fits = published is not None and (whole or file == getattr(published.place, "file", None))
    return Source(
        path,
        repository if whole else None,
        None if file else cached["name"],
        (licence_note(published),) if published is not None and fits else (),
    )


def find_source(text: str, revision: str | None = None) -> Source:
    """Find one checkpoint; download it if it is not on this machine.

    Args:
        text: a path, which always wins if it exists; a published name; or ``OWNER/REPOSITORY``.
        revision: branch, tag or commit of the repository.

    Raises:
        DptscopeError: neither, or it cannot be had; nothing half-written is left under a final name.
    """
    path = Path(text)
    published = BY_NAME.get(text) or _published_in(text)
    named = text in BY_NAME or (_REPOSITORY.fullmatch(text) is not None and not text.endswith(_FILE_ENDINGS))
    if path.exists() or not named:
        if revision is not None:
            raise DptscopeError(f"--revision is for repositories of the Hugging Face hub, got {text}")
        if not path.exists():
            raise DptscopeError(f"{text}: no such file or folder{_hint(path)}")
        return _here(path)
    notes = () if published is None else (licence_note(published),)
    if text in BY_NAME:
        return _published_file(BY_NAME[text], revision, notes)
    stem = text.split("/")[1]
    if published is not None and isinstance(published.place, HubFile) and published.place.repository == text:
        return replace(_published_file(published, revision, notes), name=text, stem=stem)
    from dptscope_export.sources.hub import fetch_repository

    return Source(fetch_repository(text, revision), text, stem, notes)


def _published_in(repository: str) -> Published | None:
    """The published model of a repository, in whichever layout it is there."""
    name = REPOSITORIES.get(repository)
    return None if name is None else BY_NAME[name]


def licence_note(published: Published) -> str:
    """One line about the licence of a published model's weights."""
    if published.commercial == "not stated":
        return "the publisher states no licence for these weights; ask before any use beyond looking"
    allowed = "commercial use allowed" if published.commercial == "yes" else "no commercial use"
    return f"the weights' licence is {published.licence}: {allowed}"


def _published_file(published: Published, revision: str | None, notes: tuple[str, ...]) -> Source:
    place = published.place
    if isinstance(place, HubFolder):
        from dptscope_export.sources.hub import fetch_repository

        return Source(fetch_repository(place.repository, revision), place.repository, published.name, notes)
    if isinstance(place, HubFile):
        from dptscope_export.sources.hub import fetch_file

        path = fetch_file(place, revision, published.hash)
    else:
        from dptscope_export.sources.release import fetch_release

        if revision is not None:
            raise DptscopeError(f"--revision is for repositories of the Hugging Face hub, got {published.name}")
        path = fetch_release(published, place)
        if published.hash is None:
            notes = (*notes, f"no hash of {place.file} is known, so only its size was checked")
    return Source(path, Path(place.file).name, published.name, notes)


def _hint(path: Path) -> str:
    if path.stem in BY_NAME and path.suffix in _FILE_ENDINGS:
        return f"; the published file is called {path.stem} here: dptscope export {path.stem}"
    return ", and no name that 'dptscope models' lists"
