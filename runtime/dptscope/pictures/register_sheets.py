"""A photo with and without added registers, on one sheet."""

from __future__ import annotations

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.card import DepthKind
from dptscope.meaning import grows_with_distance
from dptscope.norms import NormStatistics
from dptscope.pictures.block_sheets import Tile, sheet
from dptscope.pictures.depth import depth_picture
from dptscope.pictures.difference import difference_picture
from dptscope.pictures.norms import map_picture
from dptscope.pictures.scaling import Scaling, choose_scale


def register_sheet(
    depths: tuple[Float32Array, Float32Array],
    norms: tuple[Float32Array, Float32Array],
    statistics: tuple[NormStatistics, NormStatistics],
    kind: DepthKind,
    title: str,
) -> UInt8Array:
    """Draw depth and a block's norms, before and after, and what lies between the depths.

    Args:
        depths: float32 ``[height, width]``, both in the colours of the first one's range.
        norms: of the tokens that leave one block, float32 ``[grid_height, grid_width]``, each in a robust scale of its own.
        statistics: of these norms.
        kind: of the depths.
        title: line above.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    limits = float(depths[0].min()), float(depths[0].max())
    change_hw = depths[1] - depths[0]
    largest = max(float(np.abs(change_hw).max()), float(np.finfo(np.float32).tiny))
    nearer_hw = -change_hw if grows_with_distance(kind) else change_hw
    span = max(limits[1] - limits[0], float(np.finfo(np.float32).tiny))

    def depth_tile(depth_hw: Float32Array, name: str) -> Tile:
        facts = f"{depth_hw.min():.4g} – {depth_hw.max():.4g}"
        return Tile(lambda size_hw: depth_picture(depth_hw, kind, size_hw, limits=limits), facts, name=name)

    def norm_tile(norms_hw: Float32Array, found: NormStatistics, name: str) -> Tile:
        scale = choose_scale(Scaling.ROBUST, norms_hw, [norms_hw], signed=False)
        facts = f"{found.minimum:.4g} – {found.maximum:.4g}"
        return Tile(lambda size_hw: map_picture(norms_hw, scale, size_hw), facts, f"{len(found.outliers)} out", name)

    difference = Tile(
        lambda size_hw: difference_picture(nearer_hw, largest, size_hw),
        f"up to {largest:.3g}, {100 * largest / span:.2g} % of the range",
        name="change",
    )
    block = statistics[0].block
    tiles = [
        depth_tile(depths[0], "depth before"),
        depth_tile(depths[1], "after"),
        difference,
        norm_tile(norms[0], statistics[0], f"block {block} before"),
        norm_tile(norms[1], statistics[1], "after"),
    ]
    return sheet(tiles, depths[0].shape, title, columns=3)
