"""Colours and measures: one dark theme, and lengths that follow the window."""

from __future__ import annotations

from dataclasses import dataclass

from dptscope.pictures.colours import Colour


def _bgr(rgb: int) -> Colour:
    return rgb & 255, rgb >> 8 & 255, rgb >> 16 & 255


GROUND = _bgr(0x101317)
PANEL = _bgr(0x181C22)
RAISED = _bgr(0x262C36)
HOVER = _bgr(0x323A47)
EDGE = _bgr(0x626E7E)  # grooves and axes
TEXT = _bgr(0xECEFF4)
MUTED = _bgr(0xA3AEBD)
FAINT = _bgr(0x8593A5)
ACCENT = _bgr(0x5CC8FF)
ON_ACCENT = _bgr(0x07202E)
WARN = _bgr(0xFFC45C)
BAD = _bgr(0xFF8A7A)

SMALLEST_WINDOW = (640, 480)
"""Width and height that every layout holds at."""


@dataclass(frozen=True)
class Measures:
    """Lengths in pixels for one window size.

    Attributes:
        font: body text.
        small: captions.
        large: headings.
        pad: between a panel's edge and what is in it.
        gap: between neighbours.
        row: height of a control.
        radius: of rounded corners.
        line: thickness of a stroke.
        compact: the window is so small that captions give way to pictures.
    """

    font: int
    small: int
    large: int
    pad: int
    gap: int
    row: int
    radius: int
    line: int
    compact: bool

    @classmethod
    def of_window(cls, width: int, height: int) -> Measures:
        """Text grows a little slower than the window, and never falls below what can be read."""
        unit = min(width / 1280, height / 800) ** 0.85
        font = max(12, round(15 * unit))
        return cls(
            font=font,
            small=max(11, round(13 * unit)),
            large=max(14, round(19 * unit)),
            pad=max(5, round(12 * unit)),
            gap=max(5, round(10 * unit)),
            row=max(21, round(28 * unit)),
            radius=max(3, round(6 * unit)),
            line=max(1, round(1.4 * unit)),
            compact=unit < 0.7,
        )
