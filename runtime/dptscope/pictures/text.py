"""Text: OpenCV's own outline font where there is one (OpenCV 5), its stroke font before."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

from dptscope.arrays import UInt8Array
from dptscope.opencv import cv2
from dptscope.pictures.colours import Colour

_HAS_OUTLINE_FONT = hasattr(cv2, "FontFace")
REGULAR = 400
BOLD = 600

_STROKE_FONT = cv2.FONT_HERSHEY_SIMPLEX
_STROKE_HEIGHT = 30.0  # pixels of a capital with ascent and descent at scale 1
_SPELLED = {"×": "x", "–": "-", "…": "...", "·": "-", "‖": "|", "±": "+-", "−": "-", "µ": "u", "≤": "<="}


class _Faces(threading.local):
    """Each thread's own: where two threads draw with one face at a time, letters come out wrong (OpenCV 5.0)."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}


_faces = _Faces()


@lru_cache(maxsize=4096)
def _face_name(text: str) -> str:
    return "uni" if any(ord(letter) > 0x2E7F for letter in text) else "sans"


def _face_for(text: str) -> Any:
    name = _face_name(text)
    if name not in _faces.made:
        _faces.made[name] = cv2.FontFace(name)
    return _faces.made[name]


def _stroke_text(text: str) -> str:
    return "".join(_SPELLED.get(letter, letter if letter.isascii() else "?") for letter in text)


@lru_cache(maxsize=4096)
def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Pixels that a line of text is wide."""
    if not text:
        return 0
    if _HAS_OUTLINE_FONT:
        x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _face_for(text), size, weight)
        return int(x + width)
    (width, _), _ = cv2.getTextSize(_stroke_text(text), _STROKE_FONT, size / _STROKE_HEIGHT, 1)
    return int(width)


def put_text(
    image: UInt8Array, text: str, x: int, baseline: int, size: int, colour: Colour, weight: int = REGULAR
) -> None:
    """Draw a line of text into ``[height, width, 3]``, its left end at ``x``, standing on ``baseline``."""
    if not text:
        return
    if _HAS_OUTLINE_FONT:
        cv2.putText(image, text, (x, baseline), colour, _face_for(text), size, weight)
    else:
        scale = size / _STROKE_HEIGHT
        cv2.putText(image, _stroke_text(text), (x, baseline), _STROKE_FONT, scale, colour, 1, cv2.LINE_AA)


def wrapped(text: str, width: int, size: int, weight: int = REGULAR) -> list[str]:
    """The text in as few lines as fit, broken between words; a word that is longer has a line of its own.

    Args:
        text: words, and wider gaps where a line is broken first.
        width: pixels that there are.
        size: of the type.
        weight: of the type.
    """
    lines = [""]
    for part in text.split("   "):
        fits = text_width(part, size, weight) <= width
        for gap, piece in [("   ", part)] if fits else [(" ", word) for word in part.split(" ")]:
            longer = f"{lines[-1]}{gap}{piece}" if lines[-1] else piece
            if text_width(longer, size, weight) <= width or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(piece)
    return lines


@lru_cache(maxsize=1024)
def elide(text: str, width: int, size: int, weight: int, ends: bool = False) -> str:
    """The text if it fits, else with an ellipsis: after the last whole word that fits, or in the middle of file names.

    Args:
        text: one line.
        width: pixels that there are.
        size: of the type.
        weight: of the type.
        ends: keep both ends, as far as they go.
    """
    if text_width(text, size, weight) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = _shortened(text, kept, ends)
        if text_width(shorter, size, weight) <= width:
            return shorter
    return ""


def _shortened(text: str, kept: int, ends: bool) -> str:
    if ends:
        return text[: (kept + 1) // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
    for between in (" · ", " "):  # parts of a list, then words
        if between in text[: kept + len(between)]:
            return text[: text.rindex(between, 0, kept + len(between))] + " …"
    return text[:kept] + "…"
