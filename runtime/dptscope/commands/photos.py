"""What commands that take photos have in common: photos in, files beside each other out, and photos that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dptscope.arrays import UInt8Array
from dptscope.commands.failures import Failures, IncompleteError, complain
from dptscope.commands.progress import counted_photos
from dptscope.errors import DptscopeError
from dptscope.files.atomic import remove_stale_files, write_file
from dptscope.files.photos import find_photos, left_out, output_stems, read_image
from dptscope.files.remarks import remarks
from dptscope.process.quiet import native_libraries_silenced

_Answer = TypeVar("_Answer")
_Found = TypeVar("_Found")

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


def for_each_photo(
    images: Sequence[Path], folder: Path, write: Callable[[Path, str, UInt8Array], Iterator[Path]]
) -> Iterator[Path]:
    """Write what is found on each photo, and yield the paths. Photos that fail are listed at the end.

    Args:
        images: photos, and folders of photos.
        folder: where files are written.
        write: takes a photo's path, the stem of its files' names, and the photo, uint8 ``[height, width, 3]``.

    Raises:
        DptscopeError: no photos, two that would write the same files, or photos that failed.
    """
    photos = _all_photos(images)
    stems = dict(zip(photos, output_stems(photos), strict=True))
    remove_stale_files(folder)
    yield from on_each_photo(photos, lambda photo, photo_bgr: write(photo, stems[photo], photo_bgr))


def _all_photos(images: Sequence[Path]) -> list[Path]:
    return [photo for image in images for photo in (photos_of(image) if image.is_dir() else (image,))]


def photos_of(folder: Path) -> tuple[Path, ...]:
    """Find a folder's photos, and say so where a phone's are left out.

    Raises:
        ImageError: there are none.
    """
    found = find_photos(folder)
    for remark in left_out(folder, len(found)):
        complain(f"note: {remark}")
    return found


def on_each_photo(images: Sequence[Path], answer: Callable[[Path, UInt8Array], Iterator[_Found]]) -> Iterator[_Found]:
    """Yield what is found on each photo. Photos that fail are listed at the end.

    Args:
        images: photos, and folders of photos.
        answer: takes a photo's path and the photo, uint8 ``[height, width, 3]``.

    Raises:
        DptscopeError: no photos, or some that failed.
    """
    photos = _all_photos(images)
    failures = Failures(len(photos))
    with counted_photos(len(photos)) as count:
        for photo in photos:
            with failures.noted(photo):
                with count.shown(), native_libraries_silenced():
                    photo_bgr = read_image(photo)
                    said = list(remarks(photo, photo_bgr))
                for remark in said:
                    complain(f"note: {remark}")
                yield from count.while_waiting_for(answer(photo, photo_bgr))
            count.one_done()
    failures.report("photos were left out")


def write_formats(
    folder: Path, stem: str, answer: _Answer, writers: Writers[_Answer], formats: Sequence[str]
) -> Iterator[Path]:
    """Write what has been found on one photo in the formats asked for, and yield the paths. The folder is made now, when
    the first photo has been read and has run. A format that cannot hold what was found does not stop the others.

    Raises:
        IncompleteError: there was such a format; the others are written.
        DptscopeError: the folder cannot be written to.
    """
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DptscopeError(f"{folder}: expected a folder to write to ({error.strerror})") from error
    for name, (ending, encode) in writers.items():
        if name in formats:
            try:
                data = encode(answer)
            except DptscopeError as error:
                reasons.append(f"{folder / stem}{ending}: {error}")
            else:
                yield write_file(folder / f"{stem}{ending}", data)
    if reasons:
        raise IncompleteError("; ".join(reasons))
