"""How much attention tokens receive, block by block, and in all blocks together: the strip below the heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dptscope.arrays import Float32Array
from dptscope.attention.maps import Received
from dptscope.norms import special_names
from dptscope.pictures.colours import Colour
from dptscope_view.anchor import Place, cell_at
from dptscope_view.views.strip import OUTLIERS, Strip


@dataclass(frozen=True)
class ReceivedOverDepth:
    """Of all tokens of a grid.

    Attributes:
        first: index of the first block.
        blocks: of each block from there on, float32 ``[blocks, grid_height, grid_width]``.
        special: of the tokens beside the grid by their names, one a block.
        lines: ``min``, ``median`` and ``max`` over the grid, one a block.
        sums: over all blocks by these names.
    """

    first: int
    blocks: Float32Array
    special: Mapping[str, tuple[float, ...]]
    lines: Mapping[str, tuple[float, ...]]
    sums: Mapping[str, float]

    @classmethod
    def of(cls, received: Mapping[int, Received]) -> ReceivedOverDepth:
        """Put the blocks together."""
        blocks_byx = np.stack([each.grid for each in received.values()])
        special_bs = np.stack([each.special for each in received.values()])
        special = {name: tuple(special_bs[:, k].tolist()) for k, name in enumerate(special_names(special_bs.shape[1]))}
        ways: dict[str, Callable[[Float32Array], Any]] = {"median": np.median, "max": np.max, "min": np.min}
        lines = {name: tuple(float(way(each_yx)) for each_yx in blocks_byx) for name, way in ways.items()}
        median, high, low = ({name: float(way(blocks_byx.sum(axis=0)))} for name, way in ways.items())
        beside = {name: sum(of_blocks) for name, of_blocks in special.items()}
        return cls(min(received), blocks_byx, special, lines, {**median, **beside, **high, **low})

    def token(self, place: Place | None) -> tuple[float, ...]:
        """Of the token at a place, one a block; empty for none."""
        if place is None:
            return ()
        row, column = cell_at(place, self.blocks.shape[1:])
        return tuple(self.blocks[:, row, column].tolist())

    def to_json(self, place: Place | None) -> dict[str, Any]:
        """Plain values for a JSON file, with those of the token at a place."""
        token = {"token": self.token(place)} if place is not None else {}
        return {"blocks": list(range(self.first, self.first + len(self.blocks))), **token, **self.lines, **self.special}

    def strip(self, chosen: int, place: Place | None, outliers: Sequence[tuple[int, int]], colour: Colour) -> Strip:
        """Draw it over depth, beside the token at a place and the mean of outliers, told by row and column."""
        token = self.token(place)
        own = {"this token": sum(token)} if token else {}
        rows, columns = zip(*outliers, strict=True) if outliers else ((), ())
        mean = {OUTLIERS: tuple(self.blocks[:, rows, columns].mean(axis=1).tolist())} if outliers else {}
        own |= {"median": self.sums["median"]} | {name: sum(of_blocks) for name, of_blocks in mean.items()}
        last = self.first + len(self.blocks) - 1
        return Strip(
            self.lines["min"], self.lines["median"], self.lines["max"], (), chosen - self.first, colour, token,
            {**mean, **self.special}, f"attention received, sum of blocks {self.first}–{last}:", self.first,
            {**own, **self.sums},
        )  # fmt: skip
