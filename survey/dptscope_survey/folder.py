"""The folder of a survey: what it is of, which chunks are there, and which photos failed.

``survey.json`` says what the survey is of: model, options, photos. Chunk *n* of the photos is ``part-NNNNN`` and, where
they were asked for, ``fusion-NNNNN`` and ``depth-NNNNN``. Each file appears whole, the part last:
where it is, the chunk is done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dptscope.errors import DptscopeError, one_line
from dptscope.files.atomic import LOCK_NAME, locked, remove_stale_files, write_file, write_once
from dptscope.files.claim import claim
from dptscope.files.encode import encode_json
from dptscope_survey.columns import TABLES
from dptscope_survey.photos import name_of
from dptscope_survey.tables import Format, encode
from dptscope_survey.worker import Found

MANIFEST = "survey.json"
FAILED = "failed.jsonl"
PART = "part"

_MOST_CHUNKS = 64  # until they hold as many photos as one may
_MOST_PHOTOS = 64  # of a chunk: what is lost with a worker, and what one file holds
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """Every ``of``-th chunk from the ``number``-th on, for systems that start the same command many times.

    Attributes:
        number: from 1.
        of: how many parts there are.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Part:
        """``3/16``.

        Raises:
            DptscopeError: something else.
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise DptscopeError(f"--part: expected one such as 3/16, from 1/16 to 16/16, got {text}")
        return cls(int(number), int(of))

    def has(self, chunk: int) -> bool:
        """Whether a chunk belongs to it."""
        return chunk % self.of == self.number - 1

    def overlaps(self, other: Part) -> bool:
        """Whether there are numbers of chunks that belong to both."""
        return (self.number - other.number) % math.gcd(self.of, other.of) == 0

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Part()


@dataclass(frozen=True)
class Survey:
    """What a survey is of.

    Attributes:
        model: what tells the model.
        options: all that changes the numbers or the files.
        photos: in order.
        model_path: where the model is; no part of what tells a survey from another.
        folder: what relative paths of photos start from; as above.
        about: what stands in the metadata of every file; as above.
    """

    model: Mapping[str, Any]
    options: Mapping[str, Any]
    photos: Sequence[Path]
    model_path: Path
    folder: Path
    about: Mapping[str, Any]

    @property
    def format(self) -> Format:
        """Of the tables' files."""
        how: Format = self.options["format"]
        return how

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables, that of the blocks last."""
        return tuple(table for table in TABLES if table == PART or self.options[table])

    @property
    def chunks(self) -> list[Sequence[Path]]:
        """The photos in chunks, whose size follows from their number alone: it is the same on every machine."""
        size = min(_MOST_PHOTOS, math.ceil(len(self.photos) / _MOST_CHUNKS))
        return [self.photos[start : start + size] for start in range(0, len(self.photos), size)]

    def photos_of(self, part: Part) -> list[Path]:
        """The photos that a part works on."""
        return [photo for number, photos in enumerate(self.chunks) if part.has(number) for photo in photos]

    def to_json(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "survey": _VERSION,
            "model": dict(self.model),
            "options": dict(self.options),
            "about": dict(self.about),
            "model_path": name_of(self.model_path),
            "folder": name_of(self.folder),
            "photos": [name_of(photo) for photo in self.photos],
        }


class SurveyFolder:
    """The folder of a survey that this process works on. Use :func:`opened`."""

    def __init__(self, path: Path, survey: Survey) -> None:
        self.path = path
        self.survey = survey

    def is_done(self, chunk: int) -> bool:
        """Whether a chunk's rows are there."""
        return self._file(PART, chunk).is_file()

    def write(self, chunk: int, found: Found) -> None:
        """Write down what a chunk gave.

        Raises:
            DptscopeError: the folder cannot be written to.
        """
        self._note_failures(self.survey.chunks[chunk], found.failed)
        for table in self.survey.tables:
            data = encode(found.rows.get(table, []), TABLES[table], self.survey.format, self.survey.about)
            write_file(self._file(table, chunk), data)

    def failed(self) -> dict[str, str]:
        """Why nothing is known of a photo, by its name."""
        return failures(self.path)

    def _file(self, table: str, chunk: int) -> Path:
        return self.path / f"{table}-{chunk:05d}.{self.survey.format}"

    def _note_failures(self, photos: Sequence[Path], failed: Sequence[tuple[str, str]]) -> None:
        """What was noted of these photos before no longer counts. Another part may note its own at the same moment."""
        with _writing(self.path), locked(self.path / f".{FAILED}{LOCK_NAME}"):
            before = self.failed()
            asked = {name_of(photo) for photo in photos}
            after = {name: reason for name, reason in before.items() if name not in asked} | dict(failed)
            if after != before:
                lines = (json.dumps({"photo": name, "reason": reason}) + "\n" for name, reason in after.items())
                write_file(self.path / FAILED, "".join(lines).encode())


@contextmanager
def opened(path: Path, survey: Survey, part: Part) -> Iterator[SurveyFolder]:
    """Begin a survey in a folder, or go on with one.

    Args:
        path: the folder; made if it is not there.
        survey: what is asked.
        part: of it, which this process works on alone.

    Raises:
        DptscopeError: another survey was begun there, a part that shares chunks with this one is running, or the folder
            cannot be written to.
    """
    with ExitStack() as stack:
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            remove_stale_files(path)
            runs = stack.enter_context(claim(path, _claim_name(part), lambda name: _parse_claim(name).overlaps(part)))
            if runs is not None:
                raise DptscopeError(
                    f"{path}: expected a survey that is not running, got part {_parse_claim(runs)}, which is"
                )
            if not write_once(path / MANIFEST, encode_json(survey.to_json())):
                other = difference(read_manifest(path), survey.to_json())
                if other:
                    raise DptscopeError(
                        f"{path}: expected the survey that was begun there, got another {other}; take another folder"
                    )
        yield SurveyFolder(path, survey)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be written to ({error.strerror})") from error


_CLAIM = "part-"


def _claim_name(part: Part) -> str:
    return f"{_CLAIM}{part.number}-of-{part.of}"


def _parse_claim(name: str) -> Part:
    number, of = name.removeprefix(_CLAIM).split("-of-")
    return Part(int(number), int(of))


def read_manifest(path: Path) -> dict[str, Any]:
    """What the survey in a folder is of.

    Raises:
        DptscopeError: there is none.
    """
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text())
        if manifest["survey"] != _VERSION:
            raise DptscopeError(f"{file}: expected a survey of version {_VERSION}, got {str(manifest['survey'])[:40]}")
        return dict(manifest)
    except OSError as error:
        raise DptscopeError(f"{file}: expected the folder of a survey ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DptscopeError(f"{file}: expected what dptscope survey writes ({one_line(error)})") from error


def failures(path: Path) -> dict[str, str]:
    """Why nothing is known of a photo of the survey in a folder, by the photo's name."""
    file = path / FAILED
    if not file.is_file():
        return {}
    return {line["photo"]: line["reason"] for line in map(json.loads, file.read_text().splitlines())}


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what two manifests differ first, for people; nothing where they agree."""
    for group in ("model", "options"):
        for name in now[group]:
            was, is_now = before[group].get(name), now[group][name]
            if was != is_now:
                return f"{name} ({_shown(is_now)} in place of {_shown(was)})"
    was, is_now = before["photos"], now["photos"]
    if len(was) != len(is_now):
        return f"list of photos ({len(is_now)} in place of {len(was)})"
    place = next((n for n, (one, two) in enumerate(zip(was, is_now, strict=True)) if one != two), None)
    return "" if place is None else f"list of photos ({is_now[place]} in place of {was[place]})"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
