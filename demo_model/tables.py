"""The figures in ``README.md`` and ``RECORD.md``, written from ``figures.json`` between comments that name each table."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from demo_model.evaluate import PARTS
from demo_model.files import write_atomically
from dptscope.commands.demo import CHECKPOINT

FOLDER = Path(__file__).parent
TEXTS = ("README.md", "RECORD.md")
Figures = dict[str, Any]
_SETS = {"photos": "first eight photos", "further_photos": "eight further photos", "later_photos": "eight later photos"}


def write_tables() -> None:
    """Write all tables anew, and the hash of the shipped weights."""
    figures = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    for name in TEXTS:
        path = FOLDER / name
        text = with_tables(path.read_text(encoding="utf-8"), figures)
        write_atomically(path, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))


def with_tables(text: str, figures: Figures) -> str:
    """The text with every part between ``<!-- NAME -->`` and ``<!-- end -->`` made anew."""
    return re.sub(
        r"(<!-- (\w+) -->\n).*?(\n<!-- end -->)",
        lambda found: found[1] + _PARTS[found[2]](figures) + found[3],
        text,
        flags=re.DOTALL,
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


def _short(figures: Figures) -> str:
    """The README's: AbsRel and δ1 of the model and the baselines, and the pairs."""
    whole = {
        f"{figures['held_out']['count']} held-out scenes: AbsRel (lower is better), δ1": figures["held_out"],
        "one photo with measured depth: AbsRel, δ1": figures["motorcycle"],
    }
    rows = []
    for title, part in whole.items():
        cells = [f"{part[who]['abs_rel']:.3f}, {part[who]['delta1']:.3f}" for who in ("model", "ramp", "constant")]
        rows.append([title, f"**{cells[0]}**", *cells[1:]])
    for part in PARTS:
        model, lower = (100 * figures["pairs"][part][who]["all pairs"] for who in ("model", "lower is nearer"))
        count = sum(of for _, of in figures["told_apart"][part])
        title = f"{count} hand-placed pairs of points on the {_SETS[part]}, in the right order"
        rows.append([title, f"**{model:.0f} %**", f"{lower:.0f} % (lower is nearer)", ""])
    return _table(["", "model", "ramp, fitted to each picture", "constant"], rows)


def _scores(figures: Figures) -> str:
    rows = []
    parts = {f"{figures['held_out']['count']} held-out scenes": "held_out", "motorcycle photo": "motorcycle"}
    for title, part in parts.items():
        for who in ("model", "ramp", "constant"):
            values = [f"{figures[part][who][name]:.3f}" for name in ("abs_rel", "delta1", "r2")]
            first = who == "model"
            rows.append([f"**{title}**: {who}" if first else who, *(f"**{v}**" if first else v for v in values)])
    return _table(["", "AbsRel", "δ1", "R²"], rows)


def _pairs(figures: Figures, part: str) -> str:
    shares = figures["pairs"][part]
    rows = [
        [photo.partition(".")[0].removesuffix("_left"), f"{share:.3f}", f"{shares['lower is nearer'][photo]:.3f}"]
        for photo, share in shares["model"].items()
    ]
    rows[-1] = [f"**{rows[-1][0]}**", f"**{rows[-1][1]}**", rows[-1][2]]
    return _table([_SETS[part], "model", "lower is nearer"], rows)


def _told_apart(figures: Figures) -> str:
    """How the model does where "lower is nearer" is wrong, and where it is right."""
    rows = []
    for part in PARTS:
        (wrong, of_wrong), (right, of_right) = figures["told_apart"][part]
        rows.append([_SETS[part], f"{wrong} of {of_wrong}", f"{right} of {of_right}"])
    return _table(["right pairs of the model, where", "lower is farther", "lower is nearer"], rows)


def _other_sizes(figures: Figures) -> str:
    rows = [
        [f"{size} pixels", *(f"{values[part]:.2f}" for part in PARTS), f"{values['motorcycle']:.3f}"]
        for size, values in figures["other_sizes"].items()
    ]
    return _table(["shorter side", *(f"pairs, {_SETS[part]}" for part in PARTS), "AbsRel of the motorcycle"], rows)


_PARTS = {
    "short": _short,
    "scores": _scores,
    "photos": lambda figures: _pairs(figures, "photos"),
    "further_photos": lambda figures: _pairs(figures, "further_photos"),
    "later_photos": lambda figures: _pairs(figures, "later_photos"),
    "told_apart": _told_apart,
    "other_sizes": _other_sizes,
    "hash": lambda figures: f"`{hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()}`.",
}
PART_NAMES = tuple(_PARTS)
"""What the texts have to hold, each once."""
