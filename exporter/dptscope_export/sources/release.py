"""Files of releases, through pooch: a cache, a known hash, and nothing under the final name that is not whole."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from dptscope.errors import one_line
from dptscope_export.errors import CheckpointError
from dptscope_export.sources.published import Published, ReleaseFile

CACHE_VARIABLE = "DPTSCOPE_CACHE"  # folder of the downloaded files, by default dptscope's in the user's cache folder
MIRROR_VARIABLE = "DPTSCOPE_RELEASES"  # address that stands for that of every release
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"  # one switch for both places

_ATTEMPTS = 3
_CHUNK = 1 << 18
_TIMEOUT = (10, 30)  # seconds to connect, and between two pieces


def fetch_release(published: Published, place: ReleaseFile) -> Path:
    """The file, from the cache or freshly downloaded.

    An interrupted download goes on where it stopped, if the server still has the same file.

    Raises:
        CheckpointError: not there, not reachable, cut short, or not the known file.
    """
    try:
        folder = Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("dptscope"))
    except RuntimeError as error:  # a user without a home
        raise CheckpointError(f"no folder to download to ({error}): name one in {CACHE_VARIABLE}") from error
    target = folder / place.file
    if not target.is_file() and os.environ.get(OFFLINE_VARIABLE, "").upper() in ("1", "ON", "YES", "TRUE"):
        raise CheckpointError(f"{published.name}: not in {folder}, and {OFFLINE_VARIABLE} forbids to fetch it")
    base = os.environ.get(MIRROR_VARIABLE) or place.folder
    pooch.get_logger().setLevel(logging.WARNING)  # it tells of every download on standard error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{place.file}.lock"):
            store = pooch.create(path=folder, base_url=base.rstrip("/") + "/", registry={place.file: published.hash})
            path = Path(store.fetch(place.file, downloader=Resuming(folder / f"{place.file}.part", published)))
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "?"
        raise CheckpointError(f"{published.name}: expected {place.file} at {base}, got HTTP status {status}") from error
    except requests.RequestException as error:
        reason = one_line(error)
        raise CheckpointError(
            f"{published.name}: the download did not end well ({reason}); what is there is kept, so the same command goes on"
        ) from error
    except ValueError as error:  # pooch's word for another hash
        raise CheckpointError(
            f"{published.name}: expected {place.file} with {published.hash}, got another file; it was not kept"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot write there ({error.strerror})") from error
    return path


class Resuming:
    """A downloader for pooch that keeps what it has in ``NAME.part`` and asks only for the rest.

    The rest is asked for under the condition that the file is still the one that was begun (its ETag), so that two
    versions of a file are never put together.
    """

    def __init__(self, part: Path, published: Published) -> None:
        self.part = part
        self.tag = part.with_suffix(".etag")
        self.published = published

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(self.published.name, total=None)
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._fetch_rest(url, progress, task)
                    break
                except requests.HTTPError:
                    raise
                except requests.RequestException:
                    if attempt == _ATTEMPTS:
                        raise
        if self.part.stat().st_size < self.published.tensor_bytes:
            size = self.part.stat().st_size
            self._forget()
            raise requests.RequestException(
                f"expected at least the {self.published.tensor_bytes} bytes of its tensors, got a file of {size}"
            )
        self.part.replace(output_file)
        self.tag.unlink(missing_ok=True)

    def _fetch_rest(self, url: str, progress: Progress, task: Any) -> None:
        begun = self.part.stat().st_size if self.part.is_file() and self.tag.is_file() else 0
        headers = {"Accept-Encoding": "identity"}  # sizes are those of the file
        if begun:
            headers |= {"Range": f"bytes={begun}-", "If-Range": self.tag.read_text(encoding="utf-8")}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self._forget()
                raise requests.RequestException("the server does not have the rest of what was begun")
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                begun = 0
                self._forget()
            tag = response.headers.get("ETag", "")
            if tag and not tag.startswith("W/"):  # a weak one does not promise the same bytes
                self.tag.write_text(tag, encoding="utf-8")
            length = response.headers.get("Content-Length")
            total = begun + int(length) if length is not None else None
            progress.update(task, completed=begun, total=total)
            with self.part.open("ab") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    progress.update(task, advance=len(chunk))
        if total is not None and self.part.stat().st_size != total:
            raise requests.ConnectionError(f"expected {total} bytes, got {self.part.stat().st_size}")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
