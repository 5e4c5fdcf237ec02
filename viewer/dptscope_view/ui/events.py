"""What the mouse does, apart from any window back end."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Pointer(enum.Enum):
    """Kinds of mouse events."""

    MOVE = "move"
    PRESS = "press"  # left button down
    RELEASE = "release"  # left button up
    MENU = "menu"  # right button down
    WHEEL = "wheel"


@dataclass(frozen=True)
class Mouse:
    """One event.

    Attributes:
        kind: what happened.
        x: column in pixels of the canvas.
        y: row in pixels of the canvas.
        steps: notches of the wheel, at least one; positive is away from the hand.
        turned: how far it was turned, in notches and parts of them.
    """

    kind: Pointer
    x: int
    y: int
    steps: int = 0
    turned: float = 0.0
