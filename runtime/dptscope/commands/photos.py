"""What ``dptscope depth`` and ``dptscope norms`` have in common: photos in, files beside each other out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError
from dptscope.files.atomic import remove_stale_files, write_file
from dptscope.files.photos import output_stems, read_image
from dptscope.process.quiet import native_libraries_silenced

_Answer = TypeVar("_Answer")

Writers = Mapping[str, tuple[str, Callable[[_Answer], bytes]]]
"""By the name of a format: how its file's name ends, and what is in it."""


def parse_formats(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Split ``png,npy``.

    Raises:
        DptscopeError: a format that is not known.
    """
    formats = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        raise DptscopeError(f"expected --format of {', '.join(known)}, got {', '.join(unknown) or 'nothing'}")
    return formats


def read_photos(images: Sequence[Path], folder: Path) -> Iterator[tuple[Path, str, UInt8Array]]:
    """Each photo with the stem of its files' names."""
    stems = output_stems(images)
    remove_stale_files(folder)
    for image, stem in zip(images, stems, strict=True):
        with native_libraries_silenced():
            photo_bgr = read_image(image)
        yield image, stem, photo_bgr


def write_formats(
    folder: Path, stem: str, answer: _Answer, writers: Writers[_Answer], formats: Sequence[str]
) -> Iterator[Path]:
    """Write what has been found on one photo in the formats asked for, and yield the paths. The folder is made now, when
    the first photo has been read and has run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DptscopeError(f"{folder}: expected a folder to write to ({error.strerror})") from error
    for name, (ending, encode) in writers.items():
        if name in formats:
            yield write_file(folder / f"{stem}{ending}", encode(answer))
