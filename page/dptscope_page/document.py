"""The HTML document: what was built, and behind it what it is opened with.

A file inside the page is gzip in base64, in ``script`` elements that no browser runs; a file of a served page is an address.
A table in JSON names both, so that the page reads them the same way.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import dptscope
from dptscope import contract
from dptscope.errors import DptscopeError
from dptscope.pictures.colours import COLOUR_MAPS, colourise

LARGEST_INSIDE = 480 << 20
"""Bytes of a model's files; a browser has to hold all of a page as text before it sees the first file. Chromium opened a page
with a BEiT-base, 455 MiB, in half a minute."""

_PIECE = 24 << 20  # bytes an element: a text of any length is more than a browser takes
_MARK = b"<!--dptscope-->"
_RUNTIMES = {"runtime": "onnxruntime.wasm", "gpu": "onnxruntime-webgpu.wasm"}


@dataclass(frozen=True)
class Content:
    """One file that a page is opened with.

    Attributes:
        role: ``runtime``, ``gpu`` (the runtime for graphics cards), ``model`` (with its companion and preview) or ``photo``.
        name: its name.
        path: where it is.
        packed: it is gzip already.
    """

    role: str
    name: str
    path: Path
    packed: bool = False

    def packed_bytes(self) -> bytes:
        """The file as gzip, the same for the same file."""
        data = self.path.read_bytes()
        return data if self.packed else gzip.compress(data, 1, mtime=0)  # weights hardly shrink, whatever the level

    def size(self) -> int:
        """Bytes of the file itself."""
        if not self.packed:
            return self.path.stat().st_size
        with self.path.open("rb") as file:
            file.seek(-4, 2)
            return int.from_bytes(file.read(), "little")  # where gzip notes it


def asset(name: str) -> Path:
    """A file of the built page."""
    return Path(str(files("dptscope_page"))) / "assets" / name


def contents(model: Path | None, photos: Sequence[Path] = (), gpu: bool = False) -> list[Content]:
    """The runtime, that for graphics cards, a model with what lies beside it, and photos."""
    found = [
        Content(role, name, asset(f"{name}.gz"), packed=True)
        for role, name in _RUNTIMES.items()
        if gpu or role == "runtime"
    ]
    if model is not None:
        weights = model.with_name(model.name + contract.WEIGHTS_SUFFIX)
        beside = [weights, contract.companion_path(model), contract.preview_path(model)]
        found += [Content("model", path.name, path) for path in (model, *beside) if path.is_file()]
    return found + [Content("photo", path.name, path) for path in photos]


def whole_page(inside: Sequence[Content]) -> bytes:
    """The page with everything inside: one file that needs no server and no network.

    Raises:
        DptscopeError: files too large for that.
    """
    total = sum(content.size() for content in inside if content.role == "model")
    if total > LARGEST_INSIDE:
        raise DptscopeError(
            f"expected a model of at most {LARGEST_INSIDE / 2**20:.0f} MiB inside a page, got {total / 2**20:.0f}; take "
            "--serve, or --without-model and choose the model in the page"
        )
    rows, elements = [], []
    for index, content in enumerate(inside):
        pieces = list(_elements(f"file-{index}", content.packed_bytes()))
        elements += pieces
        rows.append(_row(content, gzip=True) | {"inside": f"file-{index}", "pieces": len(pieces)})
    return _document(rows, b"\n".join(elements))


def served_page(addresses: Sequence[tuple[Content, str]]) -> bytes:
    """The page of a server that has the files at these addresses."""
    return _document([_row(content, gzip=content.packed) | {"address": address} for content, address in addresses], b"")


def _row(content: Content, gzip: bool) -> dict[str, Any]:
    return {"role": content.role, "name": content.name, "size": content.size(), "gzip": gzip}


def _elements(name: str, data: bytes) -> Iterator[bytes]:
    for number, start in enumerate(range(0, len(data), _PIECE)):
        text = base64.b64encode(data[start : start + _PIECE])
        yield f'<script type="text/plain" id="{name}-{number}">'.encode() + text + b"</script>"


def _document(rows: list[dict[str, Any]], elements: bytes) -> bytes:
    table = {"version": dptscope.__version__, "files": rows, "colours": _colours()}
    text = json.dumps(table, ensure_ascii=False).replace("<", "\\u003c")
    start, end = asset("page.html").read_bytes().split(_MARK)
    if any(row["role"] == "gpu" for row in rows):
        start += asset("gpu.html").read_bytes()
    return start + f'<script type="application/json" id="dptscope-table">{text}</script>\n'.encode() + elements + end


def _colours() -> dict[str, dict[str, str]]:
    """The window's own colour maps: 256 colours in hexadecimal digits, and that of outliers."""
    levels = np.arange(256, dtype=np.uint8)[:, None]
    return {
        colours.name: {
            "table": colourise(levels, colours.name)[:, 0, ::-1].tobytes().hex(),
            "outlier": bytes(colours.outlier[::-1]).hex(),
        }
        for colours in COLOUR_MAPS
    }
