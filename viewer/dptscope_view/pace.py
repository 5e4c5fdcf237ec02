"""How long a run takes on this machine, learned while it is used."""

from __future__ import annotations

BUDGET_MS = 40.0
"""How long the model may take for a picture while a slider moves."""


class Pace:
    """How long things take here, learned while they run: milliseconds per pixel of the model's input."""

    def __init__(self, budget_ms: float = BUDGET_MS) -> None:
        self.budget_ms = budget_ms
        self._seen: dict[str, tuple[float, float]] = {}

    def learn(self, what: str, pixels: int, milliseconds: float) -> None:
        """Note one run; those before it count by half each time, so that a busy moment is soon forgotten; a run of few
        pixels says little of one of many."""
        before_pixels, before_ms = self._seen.get(what, (0.0, 0.0))
        self._seen[what] = before_pixels / 2 + max(pixels, 1), before_ms / 2 + milliseconds

    def expect(self, what: str, pixels: int) -> float | None:
        """Milliseconds that a run should take, or None while none has been seen."""
        if what not in self._seen:
            return None
        seen_pixels, seen_ms = self._seen[what]
        return pixels * seen_ms / seen_pixels

    def affordable(self, what: str, pixels: int) -> float:
        """Share 0 … 1 of the pixels that fits the budget; a ninth while nothing is known."""
        expected = self.expect(what, pixels)
        return 1 / 9 if expected is None else min(1.0, self.budget_ms / max(expected, 1e-6))
