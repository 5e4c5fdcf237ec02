"""What a token attends to and who attends to it, head by head on one sheet; and who attends to each outlier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dptscope.arrays import Float32Array, UInt8Array
from dptscope.attention.maps import Attention
from dptscope.norms import special_names
from dptscope.pictures.block_sheets import Tile, sheet
from dptscope.pictures.norms import map_picture
from dptscope.pictures.scaling import weights_scale

MOST_OUTLIERS = 24
"""On one sheet; the longest tokens."""


def attention_sheet(found: Attention, token: tuple[int, int] | None, title: str) -> UInt8Array:
    """Draw both directions of one token's attention, the mean over the heads first, then every head.

    Args:
        found: of the token.
        token: its row and column, which is marked; None for the class token.
        title: above.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """

    def half(maps_hyx: Float32Array, special_ht: Float32Array, what: str) -> UInt8Array:
        means = maps_hyx.mean(axis=0), special_ht.mean(axis=0)
        tiles = [_tile("mean", *means, token)]
        tiles += [
            _tile(f"head {head}", *each, token) for head, each in enumerate(zip(maps_hyx, special_ht, strict=True))
        ]
        return sheet(tiles, maps_hyx.shape[1:], f"{title}{what}")

    return np.concatenate(
        [
            half(found.row, found.row_special, "what it attends to"),
            half(found.column, found.column_special, "who attends to it"),
        ]
    )


def outlier_sheet(
    maps: Sequence[Float32Array], outliers: Sequence[tuple[int, int, float]], received: Sequence[float], title: str
) -> UInt8Array:
    """Draw who attends to each outlier, and say how much it receives.

    Args:
        maps: one ``[grid_height, grid_width]`` an outlier.
        outliers: row, column and norm of each, the longest first.
        received: how much each outlier receives.
        title: above.

    Returns:
        uint8 ``[height, width, 3]``, blue first.
    """
    tiles = [
        Tile(_drawing(map_hw, (row, column)), f"norm {norm:.4g}", f"{much:.3g}", f"{row}, {column}")
        for map_hw, (row, column, norm), much in zip(maps[:MOST_OUTLIERS], outliers, received, strict=False)
    ]
    return sheet(tiles, maps[0].shape, title)


def _tile(name: str, map_hw: Float32Array, special_t: Float32Array, token: tuple[int, int] | None) -> Tile:
    special = zip(special_names(len(special_t)), special_t, strict=True)
    below = "   ".join(f"{which} {weight:.2g}" for which, weight in special)
    return Tile(_drawing(map_hw, token), f"up to {map_hw.max():.2g}", name=name, below=below)


def _drawing(map_hw: Float32Array, token: tuple[int, int] | None) -> Callable[[tuple[int, int]], UInt8Array]:
    scale = weights_scale(map_hw)
    return lambda size_hw: map_picture(map_hw, scale, size_hw, token=token)
