"""Rectangles of pixels, and the few ways in which the layouts divide them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from dptscope_view.ui.theme import Measures


@dataclass(frozen=True)
class Rect:
    """Pixels ``x … x + width - 1`` by ``y … y + height - 1``; a side may be 0, never less."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column beyond."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row beyond."""
        return self.y + self.height

    def contains(self, x: float, y: float) -> bool:
        """Tell whether a pixel lies inside."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def inset(self, dx: int, dy: int | None = None) -> Rect:
        """Smaller by ``dx`` at the left and right and by ``dy`` (``dx`` if None) above and below."""
        dy = dx if dy is None else dy
        dx, dy = min(dx, self.width // 2), min(dy, self.height // 2)
        return Rect(self.x + dx, self.y + dy, self.width - 2 * dx, self.height - 2 * dy)

    def cut_top(self, height: int, gap: int = 0) -> tuple[Rect, Rect]:
        """The topmost rows, and what is left below a gap."""
        height = _within(height, self.height)
        rest = _within(height + gap, self.height)
        return Rect(self.x, self.y, self.width, height), Rect(self.x, self.y + rest, self.width, self.height - rest)

    def cut_bottom(self, height: int, gap: int = 0) -> tuple[Rect, Rect]:
        """The lowest rows, and what is left above a gap."""
        height = _within(height, self.height)
        rest = self.height - _within(height + gap, self.height)
        return Rect(self.x, self.bottom - height, self.width, height), Rect(self.x, self.y, self.width, rest)

    def cut_left(self, width: int, gap: int = 0) -> tuple[Rect, Rect]:
        """The leftmost columns, and what is left beyond a gap."""
        width = _within(width, self.width)
        rest = _within(width + gap, self.width)
        return Rect(self.x, self.y, width, self.height), Rect(self.x + rest, self.y, self.width - rest, self.height)

    def cut_right(self, width: int, gap: int = 0) -> tuple[Rect, Rect]:
        """The rightmost columns, and what is left before a gap."""
        width = _within(width, self.width)
        rest = self.width - _within(width + gap, self.width)
        return Rect(self.right - width, self.y, width, self.height), Rect(self.x, self.y, rest, self.height)

    def columns(self, weights: Sequence[float], gap: int = 0) -> list[Rect]:
        """Side by side, as wide as the weights say, with gaps between; together exactly as wide as this."""
        free = max(self.width - gap * (len(weights) - 1), 0)
        whole = sum(weights)
        edges = [0, *(round(free * part / whole) for part in accumulate(weights))]
        return [
            Rect(self.x + edges[i] + gap * i, self.y, edges[i + 1] - edges[i], self.height) for i in range(len(weights))
        ]

    def fit(self, aspect: float) -> Rect:
        """The largest rectangle of an aspect (width / height) inside, centred; at least one pixel a side."""
        width = min(self.width, round(self.height * aspect))
        height = min(self.height, round(width / aspect))
        width, height = max(width, 1), max(height, 1)
        return Rect(self.x + (self.width - width) // 2, self.y + (self.height - height) // 2, width, height)


def _within(length: int, whole: int) -> int:
    return max(0, min(length, whole))


def tile_columns(count: int, area: Rect, aspect: float, caption: int, gap: int) -> int:
    """Choose how many columns show ``count`` tiles largest.

    Args:
        count: number of tiles.
        area: where they go.
        aspect: width / height of a tile's picture.
        caption: pixels of text under each picture.
        gap: pixels between tiles.
    """

    def worth(columns: int) -> float:
        rows = -(-count // columns)
        by_width = (area.width - gap * (columns - 1)) / columns
        by_height = ((area.height - gap * (rows - 1)) / rows - caption) * aspect
        # A grid as wide as its area lines up with what is around; that is worth a slightly smaller tile.
        return by_width * 1.12 if by_width <= by_height else by_height

    return max(range(1, count + 1), key=worth)


def wrap_controls(area: Rect, widths: Sequence[int], measures: Measures) -> tuple[list[Rect], Rect]:
    """Place controls side by side, on further rows where they do not fit.

    Args:
        area: where they go.
        widths: of each, in pixels.
        measures: their height, and the gap between them.

    Returns:
        their places, and what is left below.
    """
    places, x, y = [], area.x, area.y
    for width in widths:
        width = min(width, area.width)
        if x > area.x and x + width > area.right:
            x, y = area.x, y + measures.row + measures.gap // 2
        places.append(Rect(x, y, width, measures.row))
        x += width + measures.gap
    _, below = area.cut_top(y + measures.row - area.y, measures.gap)
    return places, below
