"""The photos that differ most and least from the others, with the norms of their blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.errors import DptscopeError
from dptscope.files.encode import encode_png
from dptscope.files.photos import read_image
from dptscope.model import DepthModel, load
from dptscope.opencv import cv2
from dptscope.pictures.norms import map_picture
from dptscope.pictures.scaling import Scaling, choose_scale
from dptscope.process.quiet import native_libraries_silenced
from dptscope_survey.report.numbers import KINDS, Numbers

MOST = 10
"""Photos at either end."""

_HEIGHT = 72  # pixels of a photo and its maps
_WIDTH = 1030  # of a row of them
_GAP = 4
_MOST_MAPS = 12
_IN_WORDS = {"median": "median norm", "max": "longest token", "outliers": "number of outliers"}


@dataclass(frozen=True)
class Shown:
    """A photo in the report.

    Attributes:
        photo: its name.
        distance: from the median photo, in robust standard deviations, over all blocks and kinds.
        reason: in what it differs most.
        picture: it and its maps as PNG; None where the photo or the model is no longer there.
    """

    photo: str
    distance: float
    reason: str
    picture: bytes | None


def drawn_blocks(blocks: int) -> list[int]:
    """The blocks whose maps are drawn."""
    return sorted({round(block) for block in np.linspace(0, blocks - 1, min(blocks, _MOST_MAPS))})


def ends(numbers: Numbers) -> tuple[list[int], list[int]]:
    """Places of the most and of the least unusual photos, none in both."""
    order = [int(place) for place in np.argsort(-numbers.distances_kpb().mean(axis=(0, 2)), kind="stable")]
    count = min(MOST, len(order) // 2)
    return order[:count], order[len(order) - count :][::-1]


class Illustrator:
    """Draws photos of a survey once more.

    Attributes:
        problem: why there will be no pictures; nothing where there will be.
    """

    def __init__(self, manifest: dict[str, Any]) -> None:
        self._folder, self._options = Path(manifest["folder"]), manifest["options"]
        self._model: DepthModel | None = None
        self.problem = ""
        try:
            self._model = load(manifest["model_path"])  # on the CPU, wherever the survey was made
            if self._model.card.model_id != manifest["model"]["model_id"]:
                self._model, self.problem = None, f"{manifest['model_path']}: another model is there now"
        except DptscopeError as error:
            self.problem = str(error)

    def shown(self, numbers: Numbers, places: Sequence[int]) -> Iterator[Shown]:
        """Draw some photos."""
        distances_kpb = numbers.distances_kpb()
        chosen = drawn_blocks(distances_kpb.shape[2])
        for place in places:
            yield Shown(
                photo=numbers.photos[place],
                distance=float(distances_kpb[:, place].mean()),
                reason=_reason(numbers, distances_kpb[:, place], place),
                picture=self._picture(numbers.photos[place], chosen),
            )

    def _picture(self, photo: str, blocks: Sequence[int]) -> bytes | None:
        if self._model is None:
            return None
        try:
            with native_libraries_silenced():
                photo_bgr = read_image(self._folder / photo)
            scene = self._model.prepare(photo_bgr, size=self._options["size"], square=self._options["square"])
        except DptscopeError:  # it is no longer there, or there is less memory; the page shows its numbers alone
            return None
        height, width = scene.input_size
        size_hw = (_HEIGHT, max(1, round(_HEIGHT * width / height)))
        maps = (scene.block_norms[block] for block in blocks)
        tiles = [cv2.resize(photo_bgr, size_hw[::-1], interpolation=cv2.INTER_AREA)]
        tiles += [
            map_picture(norms_hw, choose_scale(Scaling.ROBUST, norms_hw, [], signed=False), size_hw)
            for norms_hw in maps
        ]
        return encode_png(_rows([np.asarray(tile, np.uint8) for tile in tiles]))


def _rows(tiles: Sequence[UInt8Array]) -> UInt8Array:
    """Tiles of one size side by side, in as many rows as they need."""
    height, width, _ = tiles[0].shape
    across = min(len(tiles), max(1, (_WIDTH + _GAP) // (width + _GAP)))
    down = math.ceil(len(tiles) / across)
    picture = np.full((down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // across * (height + _GAP), place % across * (width + _GAP)
        picture[top : top + height, left : left + width] = tile
    return picture


def _reason(numbers: Numbers, distances_kb: Any, place: int) -> str:
    kind, block = np.unravel_index(distances_kb.argmax(), distances_kb.shape)
    name = KINDS[kind]
    values_p = numbers.norms_pb[name][:, block]
    return f"block {block}: {_IN_WORDS[name]} {values_p[place]:.4g}; in the median photo {np.median(values_p):.4g}"
