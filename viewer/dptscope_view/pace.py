"""How long a run takes on this machine, learned while it is used."""

from __future__ import annotations

BUDGET_MS = 40.0
"""How long the model may take for a picture while a slider moves."""


class Pace:
    """How long things take here, learned while they run: milliseconds per pixel of the model's input."""

    def __init__(self, budget_ms: float = BUDGET_MS) -> None:
        self.budget_ms = budget_ms
        self._rate: dict[str, float] = {}

    def learn(self, what: str, pixels: int, milliseconds: float) -> None:
        """Note one run; half the weight is on the latest, so that a busy moment is soon forgotten."""
        new = milliseconds / max(pixels, 1)
        self._rate[what] = (self._rate[what] + new) / 2 if what in self._rate else new

    def expect(self, what: str, pixels: int) -> float | None:
        """Milliseconds that a run should take, or None while none has been seen."""
        return self._rate[what] * pixels if what in self._rate else None

    def affordable(self, what: str, pixels: int) -> float:
        """Share 0 … 1 of the pixels that fits the budget; a ninth while nothing is known."""
        expected = self.expect(what, pixels)
        return 1 / 9 if expected is None else min(1.0, self.budget_ms / max(expected, 1e-6))
