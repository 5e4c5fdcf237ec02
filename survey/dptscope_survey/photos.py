"""Which photos a survey is of: folders, lists, patterns."""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dptscope.commands.photos import photos_of
from dptscope.errors import DptscopeError, ImageError
from dptscope.files.photos import SUFFIXES, find_photos

LIST_SUFFIX = ".txt"


def all_photos(places: Sequence[Path]) -> list[Path]:
    """Find the photos of all places, each once, in the order of the places.

    Args:
        places: folders, without those inside them; lists of paths (``.txt``, a path a line, relative to the current folder);
            patterns (``**`` stands for any folders); photos.

    Raises:
        DptscopeError: a place without photos.
    """
    return list(dict.fromkeys(photo for place in places for photo in _photos_at(place)))


def _photos_at(place: Path) -> Iterator[Path]:
    if place.is_dir():
        try:
            yield from photos_of(place)
        except ImageError as error:
            inside = f"; for those in folders inside it: '{place}/**/*.jpg'"
            raise ImageError(f"{error}{inside if any(entry.is_dir() for entry in place.iterdir()) else ''}") from error
    elif place.suffix.lower() == LIST_SUFFIX:
        yield from _listed(place)
    elif place.is_file() or not glob.has_magic(str(place)):
        yield from find_photos(place)
    else:
        found = sorted(glob.glob(str(place), recursive=True))  # noqa: PTH207 (a path or not, relative or not)
        photos = [Path(name) for name in found if Path(name).suffix.lower() in SUFFIXES]
        if not photos:
            raise ImageError(f"{place}: expected a pattern of photos ({', '.join(SUFFIXES)}), found none")
        yield from photos


def _listed(path: Path) -> list[Path]:
    """The photos of a list; names are bytes, as the system has them."""
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be read ({error.strerror})") from error
    photos = [Path(os.fsdecode(line)) for line in lines if line.strip()]
    if not any(photo.is_file() for photo in photos):
        raise ImageError(
            f"{path}: expected a list of photos, a path a line, relative to the current folder; none of {len(photos)} is "
            "there"
        )
    return photos


def name_of(photo: Path) -> str:
    """A path as text: as it was given, and where a byte of it is none, as ``\\xNN``."""
    return os.fsencode(photo).decode("utf-8", "backslashreplace")


def counted(photos: int) -> str:
    """``1 photo``, ``10,000 photos``."""
    return f"{photos:,} photo{'' if photos == 1 else 's'}"
