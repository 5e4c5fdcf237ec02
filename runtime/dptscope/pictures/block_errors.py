"""Errors over the blocks of a model, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dptscope.arrays import UInt8Array
from dptscope.opencv import cv2
from dptscope.pictures.block_sheets import BACKGROUND, GREY, WHITE
from dptscope.pictures.colours import Colour
from dptscope.pictures.text import BOLD, elide, put_text, text_width

WIDTH, HEIGHT = 720, 360  # pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 74, 44
_TEXT, _TITLE = 14, 17
_FAINT: Colour = (58, 50, 45)
_BOUND: Colour = (120, 110, 240)
_COLOURS: tuple[Colour, ...] = ((70, 200, 250), (220, 180, 90), (150, 210, 120))


def block_errors_picture(series: Mapping[str, Sequence[float]], bound: float, title: str) -> UInt8Array:
    """Draw a line a series over the blocks, and the bound across.

    Args:
        series: up to three; errors of every block by what they are, zero or more. Zeros lie on the lowest line.
        bound: an error.
        title: line above.

    Returns:
        uint8 ``[360, 720, 3]``, blue first.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), BACKGROUND, dtype=np.uint8)
    put_text(canvas, elide(title, WIDTH - 40, _TITLE, BOLD), 20, 28, _TITLE, WHITE, BOLD)
    values = [*(error for errors in series.values() for error in errors), bound]
    low, high = decades(values)
    inner_w, inner_h = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def row(error: float) -> int:
        share = (math.log10(max(error, 10.0**low)) - low) / (high - low)
        return round(HEIGHT - _BOTTOM - share * inner_h)

    step = max(1, (high - low) // 6)
    for decade in range(low, high + 1, step):
        y = row(10.0**decade)
        cv2.line(canvas, (_LEFT, y), (WIDTH - _RIGHT, y), _FAINT, 1)
        label = "0" if decade == low and 0 in values else f"1e{decade}"
        put_text(canvas, label, _LEFT - 10 - text_width(label, _TEXT), y + 5, _TEXT, GREY)
    if bound > 0:
        cv2.line(canvas, (_LEFT, row(bound)), (WIDTH - _RIGHT, row(bound)), _BOUND, 1, cv2.LINE_AA)
    count = len(next(iter(series.values())))
    columns = [round(_LEFT + (block + 0.5) * inner_w / count) for block in range(count)]
    for block in range(0, count, math.ceil(count / 12)):
        label = str(block)
        put_text(canvas, label, columns[block] - text_width(label, _TEXT) // 2, HEIGHT - 20, _TEXT, GREY)
    left = 20
    for (name, errors), colour in zip(series.items(), _COLOURS, strict=False):
        points = np.array([*zip(columns, map(row, errors), strict=True)], np.int32)
        cv2.polylines(canvas, [points], False, colour, 2, cv2.LINE_AA)
        for x, y in points.tolist():
            cv2.circle(canvas, (x, y), 3, colour, -1, cv2.LINE_AA)
        put_text(canvas, name, left, 52, _TEXT, colour)
        left += text_width(name, _TEXT) + 24
    put_text(canvas, f"bound {bound:g}", left, 52, _TEXT, _BOUND)
    return canvas


def decades(errors: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that hold all errors, never the same twice; the lowest is for zeros alone where there are any."""
    positive = [math.log10(error) for error in errors if error > 0] or [0.0]
    low, high = math.floor(min(positive)), math.ceil(max(positive))
    return low - (0 in errors), high if high > low else low + 1
