"""What a report shows, as arrays: photos × blocks, and maps of where outliers sit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.contract import FUSION_BLOCKS
from dptscope.errors import DptscopeError
from dptscope.norms import MAD_TO_SIGMA
from dptscope_survey.columns import TABLES
from dptscope_survey.folder import PART
from dptscope_survey.tables import read

Array = NDArray[np.float64]

_MAP_SIDE = 24
"""Rows and columns of a map of places: grids of any shape are laid onto it by area."""


@dataclass(frozen=True)
class Numbers:
    """A survey's blocks.

    Attributes:
        photos: names, in order.
        norms_pb: of each photo and block, float64 ``[photos, blocks]``, by name of the column: ``min``, ``median``, ``max``,
            ``mean``, ``outliers``, ``share`` (outliers ÷ patches), ``cls_norm`` where the encoder has a class token, and
            ``register 0`` and so on for each register that it was trained with.
        halves_2bhw: how often a place of the picture is an outlier's, in every other photo and in the others: share of the
            photos, ``[2, blocks, 24, 24]``.
    """

    photos: list[str]
    norms_pb: dict[str, Array]
    halves_2bhw: Array

    @property
    def places_bhw(self) -> Array:
        """The same in all photos, ``[blocks, 24, 24]``."""
        return np.asarray(np.average(self.halves_2bhw, axis=0, weights=_halves(len(self.photos))))

    def gathered(self) -> Array:
        """Share of a block's outliers that sit in the tenth of the picture where they are most frequent, ``[blocks]``; 0.1 if
        they sat anywhere, NaN where there are too few to say. The tenth is found in one half of the photos, the share in the
        other, for a few outliers always have a tenth that holds them."""
        found_b = np.full(self.halves_2bhw.shape[1], np.nan)
        for block, (one_hw, other_hw) in enumerate(self.halves_2bhw.swapaxes(0, 1)):
            if one_hw.any() and other_hw.any():
                tenth = np.argsort(-one_hw, axis=None, kind="stable")[: round(one_hw.size / 10)]
                found_b[block] = other_hw.ravel()[tenth].sum() / other_hw.sum()
        return found_b

    def distances_kpb(self) -> Array:
        """How far each photo lies from the median photo in median norm, longest token and number of outliers, in robust
        standard deviations of the survey; ``[3, photos, blocks]``."""
        kinds = [np.log(np.maximum(self.norms_pb[name], 1e-12)) for name in KINDS[:2]]
        kinds.append(np.log1p(self.norms_pb[KINDS[2]]))
        return np.stack([_robust_distance(values_pb) for values_pb in kinds])


KINDS = ("median", "max", "outliers")
"""What a photo is unusual in."""


def _halves(photos: int) -> tuple[int, int]:
    return (photos + 1) // 2, photos // 2


def _robust_distance(values_pb: Array) -> Array:
    """Distance from the median; where most values are the same, in standard deviations."""
    from_median_pb = np.abs(values_pb - np.median(values_pb, axis=0))
    sigma_b = MAD_TO_SIGMA * np.median(from_median_pb, axis=0)
    sigma_b = np.where(sigma_b > 0, sigma_b, values_pb.std(axis=0))
    return np.asarray(from_median_pb / np.where(sigma_b > 0, sigma_b, 1))


def table_files(folder: Path, table: str) -> list[Path]:
    """The files of a table, in order."""
    return sorted(file for file in folder.glob(f"{table}-*") if file.suffix in (".parquet", ".jsonl"))


def read_numbers(folder: Path) -> Numbers:
    """Read the blocks of a survey, a file at a time.

    Raises:
        DptscopeError: there are none.
    """
    names = ("min", "median", "max", "mean", "outliers", "cls_norm")
    places = ("grid_height", "grid_width", "outlier_rows", "outlier_columns")
    photos: list[str] = []
    parts: dict[str, list[Array]] = {name: [] for name in (*names, "share")}
    counts: dict[tuple[int, int], Array] = {}
    for file in table_files(folder, PART):
        found = read([file], ["photo", "block", *names, "register_norms", *places])
        if found["photo"]:
            blocks = max(found["block"]) + 1
            _count_places(counts, found, blocks, first=len(photos))
            photos += found["photo"][::blocks]
            for name in names:
                parts[name].append(np.array(found[name], np.float64).reshape(-1, blocks))
            for number, norms in enumerate(zip(*found["register_norms"], strict=True)):
                parts.setdefault(f"register {number}", []).append(np.array(norms, np.float64).reshape(-1, blocks))
            patches_pb = np.array(found["grid_height"], np.float64) * np.array(found["grid_width"], np.float64)
            parts["share"].append(parts["outliers"][-1] / patches_pb.reshape(-1, blocks))
    if not photos:
        raise DptscopeError(f"{folder}: expected the tables of a survey, got none with a photo in it")
    norms_pb = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    if np.isnan(norms_pb["cls_norm"]).all():  # there is no class token
        del norms_pb["cls_norm"]
    return Numbers(photos, norms_pb, _places(counts, len(photos)))


def _count_places(counts: dict[tuple[int, int], Array], found: dict[str, list[Any]], blocks: int, first: int) -> None:
    """Count the outliers of every other photo, and of the others, at each place of a grid: ``[2, blocks, rows, columns]``."""
    columns = ("block", "grid_height", "grid_width", "outlier_rows", "outlier_columns")
    for place, (block, height, width, at_rows, at_columns) in enumerate(
        zip(*(found[name] for name in columns), strict=True)
    ):
        counts_2bhw = counts.setdefault((height, width), np.zeros((2, blocks, height, width)))
        counts_2bhw[(first + place // blocks) % 2, block, at_rows, at_columns] += 1


def _places(counts: dict[tuple[int, int], Array], photos: int) -> Array:
    """Lay grids of all shapes onto one map a block. An outlier covers as much of it as its patch does of the picture."""
    blocks = next(iter(counts.values())).shape[1]
    halves_2bhw = np.zeros((2, blocks, _MAP_SIDE, _MAP_SIDE))
    for (height, width), counts_2bhw in counts.items():
        halves_2bhw += overlaps(height) @ counts_2bhw @ overlaps(width).T
    return np.asarray(halves_2bhw / np.maximum(_halves(photos), 1)[:, None, None, None])


def overlaps(cells: int) -> Array:
    """Share of each cell of the map that each cell of a grid covers, along one axis: ``[24, cells]``, rows add up to 1."""
    edges, map_edges = np.arange(cells + 1) / cells, np.arange(_MAP_SIDE + 1) / _MAP_SIDE
    low = np.maximum(edges[None, :-1], map_edges[:-1, None])
    high = np.minimum(edges[None, 1:], map_edges[1:, None])
    return np.asarray(np.maximum(high - low, 0) * _MAP_SIDE)


@dataclass(frozen=True)
class FusionNumbers:
    """What the fusion blocks do.

    Attributes:
        factors: that they were scaled by.
        measured_pkf: by name of the column, ``[photos, 4, factors]``; NaN where a depth was flat.
    """

    factors: Sequence[float]
    measured_pkf: dict[str, Array]


def read_fusion(folder: Path) -> FusionNumbers | None:
    """Read what the fusion blocks do; None where it was not asked."""
    files = table_files(folder, "fusion")
    names = ("correlation", "change", "edges_kept")
    found = read(files, ["factor", *names])
    if not found["factor"]:
        return None
    factors = list(dict.fromkeys(found["factor"]))
    shape = (-1, len(FUSION_BLOCKS), len(factors))
    return FusionNumbers(factors, {name: np.array(found[name], np.float64).reshape(shape) for name in names})


def read_depths(folder: Path) -> dict[str, Array] | None:
    """Statistics of the depth by name of the column, ``[photos]``; None where they were not asked for."""
    names = [column.name for column in TABLES["depth"] if column.kind == "number"]
    found = read(table_files(folder, "depth"), names)
    return {name: np.array(values) for name, values in found.items()} if found[names[0]] else None
