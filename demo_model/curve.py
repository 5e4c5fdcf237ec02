"""Draws a run: ``python -m demo_model.curve STATE/log.jsonl curve.png``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import typer

Array = np.ndarray
WIDTH, HEIGHT, MARGIN = 900, 320, 50
INK, GRID = (40, 40, 40), (215, 215, 215)
BLUE, RED = (180, 90, 30), (40, 60, 200)  # OpenCV's order


def read_log(path: Path) -> tuple[Array, Array]:
    """(N, 2) of step and training loss ``aligned``, and (M, 2) of step and held-out δ1. Where a run went back to its last
    saved state, the later lines count."""
    losses, figures = {}, {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if entry.get("event") == "held-out":
            figures[entry["step"]] = entry["delta1"]
        elif "aligned" in entry:
            losses[entry["step"]] = entry["aligned"]
    return np.array(sorted(losses.items())), np.array(sorted(figures.items()))


def panel(points_n2: Array, title: str, colour: tuple[int, int, int]) -> Array:
    """One curve with its axes, BGR."""
    picture = np.full((HEIGHT, WIDTH // 2, 3), 255, np.uint8)
    if not len(points_n2):
        return picture
    low, high = float(points_n2[:, 1].min()), float(points_n2[:, 1].max())
    span, last = max(high - low, 1e-6), max(float(points_n2[:, 0].max()), 1.0)
    right, bottom = WIDTH // 2 - 15, HEIGHT - MARGIN
    for share in np.linspace(0, 1, 5):
        y, x = int(bottom - share * (bottom - MARGIN)), int(MARGIN + share * (right - MARGIN))
        cv2.line(picture, (MARGIN, y), (right, y), GRID, 1)
        cv2.putText(
            picture, f"{low + share * span:.2f}", (8, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA
        )
        cv2.putText(
            picture, f"{share * last:.0f}", (x - 14, bottom + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA
        )
    x_n = MARGIN + points_n2[:, 0] / last * (right - MARGIN)
    y_n = bottom - (points_n2[:, 1] - low) / span * (bottom - MARGIN)
    path = np.stack([x_n, y_n], axis=1).round().astype(np.int32)
    cv2.polylines(picture, [path], False, colour, 2, cv2.LINE_AA)
    cv2.putText(picture, title, (MARGIN, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    cv2.putText(picture, "step", (right - 30, HEIGHT - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
    return picture


def main(log: Path, out: Path) -> None:
    """Write the training loss and the held-out figure of a run as PNG."""
    losses, figures = read_log(log)
    panels = [panel(losses, "training: aligned loss", BLUE), panel(figures, "held-out scenes: delta1", RED)]
    if not cv2.imwrite(str(out), np.hstack(panels)):
        raise typer.BadParameter(f"cannot write {out}")


if __name__ == "__main__":
    typer.run(main)
