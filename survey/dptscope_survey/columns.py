"""The tables of a survey: their columns, what is in them, and how a photo fills them.

One table of columns serves the Parquet files, the lines of JSON, the report and the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dptscope.norms import NormStatistics
from dptscope.scene import Scene
from dptscope_survey.fusion import fusion_values

Kind = Literal["text", "whole", "number", "wholes", "numbers"]
Row = dict[str, Any]

QUANTILES = (0.01, 0.05, 0.25, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as in the files.
        kind: of its values; a plural is a list a row.
        meaning: for people.
    """

    name: str
    kind: Kind
    meaning: str


def quantile_name(share: float) -> str:
    """``q05`` of 0.05."""
    return f"q{round(100 * share):02d}"


_PHOTO = (
    Column("photo", "text", "its path as given; bytes that are no text as `\\xNN`"),
    Column("photo_height", "whole", "pixels of the photo"),
    Column("photo_width", "whole", "as above"),
    Column("input_height", "whole", "pixels at which the model saw it"),
    Column("input_width", "whole", "as above"),
)
_QUANTILES = tuple(
    Column(quantile_name(share), "number", f"below it lie {100 * share:g} % of them") for share in QUANTILES
)

BLOCKS = (
    *_PHOTO,
    Column("block", "whole", "index of the transformer block"),
    Column("grid_height", "whole", "rows of patches"),
    Column("grid_width", "whole", "columns of patches"),
    Column("min", "number", "of the L2 norms of the block's patch tokens"),
    Column("median", "number", "as above"),
    Column("max", "number", "as above"),
    Column("mean", "number", "as above"),
    *_QUANTILES,
    Column("threshold", "number", "the norm above which a token is an outlier"),
    Column("outliers", "whole", "how many are, by the rule of `dptscope norms`"),
    Column("outlier_rows", "wholes", "where they are in the grid, longest first"),
    Column("outlier_columns", "wholes", "as above"),
    Column("outlier_y", "numbers", "their centres as shares of the picture's height, 0 is its upper edge"),
    Column("outlier_x", "numbers", "as shares of its width, 0 is its left edge"),
    Column("outlier_norms", "numbers", "how long they are"),
    Column("cls_norm", "number", "L2 norm of the class token; null where the encoder has none"),
    Column("register_norms", "numbers", "L2 norms of the registers that the encoder was trained with"),
)
"""A row a photo and block: ``part-*``."""

FUSION = (
    *_PHOTO,
    Column("fusion_block", "whole", "1 (finest) to 4 (coarsest)"),
    Column("factor", "number", "on it alone: 0 switches it off, 0.5 halves it"),
    Column("correlation", "number", "of the depth with the unscaled one"),
    Column(
        "change", "number", "mean absolute, after alignment of scale and shift, in standard deviations of the depth"
    ),
    Column("edges_kept", "number", "share of the depth's steepest 5 % of pixels that stay steep"),
)
"""A row a photo, fusion block and factor: ``fusion-*``."""

DEPTH = (
    *_PHOTO,
    Column("min", "number", "of the depth at the model's input size"),
    Column("median", "number", "as above"),
    Column("max", "number", "as above"),
    Column("mean", "number", "as above"),
    Column("std", "number", "its standard deviation"),
    *_QUANTILES,
)
"""A row a photo: ``depth-*``."""

TABLES: dict[str, tuple[Column, ...]] = {"fusion": FUSION, "depth": DEPTH, "part": BLOCKS}
"""By the beginning of their files' names; that of the blocks, which is always there, is written last."""


def rows_of(tables: Sequence[str], photo: str, scene: Scene) -> dict[str, list[Row]]:
    """The rows of a photo by table."""
    photo_values = _photo_values(photo, scene)
    return {table: [photo_values | row for row in _VALUES[table](scene)] for table in tables}


def _block_rows(scene: Scene) -> list[Row]:
    special = list(scene.special_norms().values())  # the class token's, then the registers'
    return [
        _block_values(found, norms_hw)
        | {
            "cls_norm": special[0][found.block] if special else None,
            "register_norms": [norms_b[found.block] for norms_b in special[1:]],
        }
        for found, norms_hw in zip(scene.statistics(), scene.block_norms, strict=True)
    ]


def _photo_values(photo: str, scene: Scene) -> Row:
    (photo_height, photo_width), (input_height, input_width) = scene.photo_size, scene.input_size
    return {
        "photo": photo,
        "photo_height": photo_height,
        "photo_width": photo_width,
        "input_height": input_height,
        "input_width": input_width,
    }


def _block_values(found: NormStatistics, norms_hw: Any) -> Row:
    rows, columns = found.grid
    return {
        "block": found.block,
        "grid_height": rows,
        "grid_width": columns,
        "min": found.minimum,
        "median": found.median,
        "max": found.maximum,
        "mean": found.mean,
        **_quantiles(norms_hw),
        "threshold": found.threshold,
        "outliers": len(found.outliers),
        "outlier_rows": [row for row, _, _ in found.outliers],
        "outlier_columns": [column for _, column, _ in found.outliers],
        "outlier_y": [(row + 0.5) / rows for row, _, _ in found.outliers],
        "outlier_x": [(column + 0.5) / columns for _, column, _ in found.outliers],
        "outlier_norms": [norm for _, _, norm in found.outliers],
    }


def _depth_rows(scene: Scene) -> list[Row]:
    depth_hw = scene.raw_depth().astype(np.float64)
    return [
        {
            "min": float(depth_hw.min()),
            "median": float(np.median(depth_hw)),
            "max": float(depth_hw.max()),
            "mean": float(depth_hw.mean()),
            "std": float(depth_hw.std()),
            **_quantiles(depth_hw),
        }
    ]


def _quantiles(values: Any) -> Row:
    """What ``numpy.quantile`` gives, from one sort."""
    ordered = np.sort(values, axis=None)
    found = np.interp(np.array(QUANTILES) * (ordered.size - 1), np.arange(ordered.size), ordered)
    return {quantile_name(share): float(value) for share, value in zip(QUANTILES, found, strict=True)}


_VALUES: dict[str, Callable[[Scene], list[Row]]] = {"fusion": fusion_values, "depth": _depth_rows, "part": _block_rows}
