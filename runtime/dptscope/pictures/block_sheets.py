"""All blocks of a photo on one sheet: their norms, what their tokens vary in, how similar they are to one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.norms import NormStatistics
from dptscope.pictures.colours import NORM_COLOURS, colour_map
from dptscope.pictures.norms import colours_picture, map_picture
from dptscope.pictures.scaling import Scaling, choose_scale
from dptscope.pictures.text import BOLD, REGULAR, elide, put_text, text_width, wrapped
from dptscope.tokens import PrincipalComponents

BACKGROUND = (23, 19, 16)
WHITE = (244, 239, 236)
GREY = (189, 174, 163)

TILE_WIDTH = 300  # pixels
GAP = 14
LABEL_HEIGHT = 30
SECOND_LINE = 22
TEXT = 15
TITLE = 20
TITLE_STEP = 28
LEAST_COLUMNS = 2  # that a sheet has room for, for its title


@dataclass(frozen=True)
class Tile:
    """One map on a sheet.

    Attributes:
        draw: makes its picture, uint8 ``[height, width, 3]``, blue first, for a height and width.
        facts: what stands beside its name.
        marked: at the right, in the colour of outliers.
        name: if it is not the block whose number is the tile's.
        below: a second line of facts, as many as fit.
    """

    draw: Callable[[tuple[int, int]], UInt8Array]
    facts: str
    marked: str = ""
    name: str = ""
    below: str = ""


def norm_sheet(
    norms: Sequence[Float32Array],
    statistics: Sequence[NormStatistics],
    title: str,
    special: Mapping[str, Sequence[float]] | None = None,
) -> UInt8Array:
    """Draw the norms of all blocks as a labelled grid in reading order, each with the robust scale of its own.

    Args:
        norms: one ``[grid_height, grid_width]`` a block; the grids may differ.
        statistics: of the same blocks.
        title: above the grid.
        special: see :func:`dptscope.norms.special_norms`: they stand as numbers above each block.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """

    def tile(norms_hw: Float32Array, block: NormStatistics) -> Tile:
        scale = choose_scale(Scaling.ROBUST, norms_hw, norms, signed=False)
        marked = f"{len(block.outliers)} out" if block.outliers else ""
        facts = f"{block.minimum:.4g} – {block.maximum:.4g}"
        below = "   ".join(f"{name} {values[block.block]:.4g}" for name, values in (special or {}).items())
        return Tile(lambda size_hw: map_picture(norms_hw, scale, size_hw), facts, marked, below=below)

    return sheet([tile(*block) for block in zip(norms, statistics, strict=True)], norms[0].shape, title)


def components_sheet(components: Sequence[PrincipalComponents], title: str) -> UInt8Array:
    """Draw the principal components of all blocks as red, green and blue, with the share of the variance that each explains.

    Args:
        components: one a block; see :func:`dptscope.tokens.components_of_blocks`.
        title: above the grid.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """

    def tile(found: PrincipalComponents) -> Tile:
        facts = " + ".join(f"{100 * share:.0f}" for share in found.explained_k) + " % of the variance"
        return Tile(lambda size_hw: colours_picture(found.colours(), size_hw), facts)

    return sheet([tile(found) for found in components], components[0].scores_hwk.shape, title)


def similarity_sheet(maps: Sequence[Float32Array], tokens: Sequence[tuple[int, int]], title: str) -> UInt8Array:
    """Draw the similarities of all blocks to one token, which is marked, each from its smallest to its largest.

    Args:
        maps: one float32 ``[grid_height, grid_width]`` from -1 to 1 a block; see :func:`dptscope.tokens.similarity`.
        tokens: row and column of the token in each block's grid.
        title: above the grid.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """

    def tile(cosine_hw: Float32Array, token: tuple[int, int]) -> Tile:
        scale = choose_scale(Scaling.PLAIN, cosine_hw, maps, signed=False)
        facts = f"{cosine_hw.min():.2f} … {cosine_hw.max():.2f}".replace("-", "−")
        return Tile(lambda size_hw: map_picture(cosine_hw, scale, size_hw, token=token), facts)

    return sheet([tile(*block) for block in zip(maps, tokens, strict=True)], maps[0].shape, title)


def sheet(tiles: Sequence[Tile], grid: tuple[int, ...], title: str, columns: int | None = None) -> UInt8Array:
    """Draw maps as a labelled grid in reading order, uint8 ``[height, width, 3]``, blue first.

    Args:
        tiles: the maps.
        grid: rows and columns of the first.
        title: line above them.
        columns: how many stand side by side; about as many as below each other if None.
    """
    if columns is None:
        columns = next((n for n in (6, 4) if len(tiles) % n == 0), math.ceil(math.sqrt(len(tiles))))
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    tile_h = max(1, round(TILE_WIDTH * grid[0] / grid[1]))
    width = GAP + max(columns, LEAST_COLUMNS) * (TILE_WIDTH + GAP)
    lines = wrapped(title, width - 2 * GAP, TITLE, BOLD)
    top = 2 * GAP + (len(lines) - 1) * TITLE_STEP + TITLE + GAP
    below = SECOND_LINE if any(tile.below for tile in tiles) else 0
    label = LABEL_HEIGHT + below
    height = top + rows * (tile_h + label + GAP)
    canvas = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    for number, line in enumerate(lines):
        put_text(canvas, line, GAP, 2 * GAP + TITLE // 2 + number * TITLE_STEP, TITLE, WHITE, BOLD)
    for index, tile in enumerate(tiles):
        left = GAP + (index % columns) * (TILE_WIDTH + GAP)
        upper = top + (index // columns) * (tile_h + label + GAP)
        _label(canvas, index, tile, left, upper + LABEL_HEIGHT - 10)
        if tile.below:
            put_text(canvas, elide(tile.below, TILE_WIDTH, TEXT, REGULAR), left, upper + label - 10, TEXT, GREY)
        canvas[upper + label : upper + label + tile_h, left : left + TILE_WIDTH] = tile.draw((tile_h, TILE_WIDTH))
    return canvas


def _label(canvas: UInt8Array, index: int, tile: Tile, left: int, baseline: int) -> None:
    name = tile.name or f"block {index}"
    put_text(canvas, name, left, baseline, TEXT, WHITE)
    put_text(canvas, tile.facts, left + text_width(name, TEXT) + 12, baseline, TEXT, GREY)
    if tile.marked:
        right = left + TILE_WIDTH - text_width(tile.marked, TEXT)
        put_text(canvas, tile.marked, right, baseline, TEXT, colour_map(NORM_COLOURS).outlier)
