"""What ``dptscope models`` prints."""

from __future__ import annotations

import dataclasses
from typing import Any

from dptscope_export.sources.published import PUBLISHED, Published, ReleaseFile

NOTE = (
    "Parameters, size of the file, licence of the weights as the publisher states it (and of what is exported from them).\n"
    "Where none is stated, ask. Both names of a model do: dptscope export NAME, dptscope export OWNER/REPOSITORY.\n"
    "Place and, where it is known, hash of each file: dptscope models --json"
)


def describe(published: Published) -> dict[str, Any]:
    """One row as plain values, for programs."""
    place = published.place
    return {
        **{name: value for name, value in dataclasses.asdict(published).items() if name != "place"},
        "from": str(place),
        "host": "release" if isinstance(place, ReleaseFile) else "Hugging Face",
    }


def show() -> None:
    """Print the list on standard output, two lines a model."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    family = ""
    name, model = (max(len(getattr(published, column)) for published in PUBLISHED) for column in ("name", "model"))
    for published in PUBLISHED:
        if published.family != family:
            family = published.family
            console.print(f"[bold]{family}[/bold]")
        size = (published.bytes or published.tensor_bytes) / 1e6
        console.print(
            f"  {published.name:{name}} {published.model:{model}} {published.parameters / 1e6:6.1f} M {size:5.0f} MB  "
            f"{published.licence}{_COMMERCIAL[published.commercial]}"
        )
        console.print(f"    [dim]or {published.hub}[/dim]")
    console.print(f"\n{NOTE}")


_COMMERCIAL = {"yes": "", "no": ": no commercial use", "not stated": ""}
