"""What ``dptscope info`` shows."""

from __future__ import annotations

import dataclasses
from typing import Any

from dptscope.model import DepthModel


def describe(model: DepthModel) -> dict[str, Any]:
    """The model card as plain values, and the file's inputs and outputs with their axes."""
    return {
        "file": model.path.name,
        "companion": model.has_companion,
        **dataclasses.asdict(model.card),
        "inputs": model.inputs(),
        "outputs": model.outputs(),
    }


def show(described: dict[str, Any]) -> None:
    """Print a description as tables on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(described):
        table.add_row(name, value)
    console.print(table)
    for what in ("inputs", "outputs"):
        tensors = Table(title=what, title_justify="left", box=None, pad_edge=False)
        tensors.add_column("name", style="bold")
        tensors.add_column("axes")
        tensors.add_column("")
        for tensor in described[what]:
            tensors.add_row(
                tensor["name"],
                " × ".join(str(axis) for axis in tensor["axes"]),
                "optional" if tensor.get("optional") else "",
            )
        console.print()
        console.print(tensors)


def _lines(described: dict[str, Any]) -> list[tuple[str, str]]:
    height, width = described["native_size"]
    preparation = described["preparation"]
    metric = described["depth_kind"] == "metric"
    blocks = described["blocks"]
    parity = described["parity"]
    lines = [
        ("file", described["file"] + ("" if described["companion"] else "  (its fusion companion is not there)")),
        ("model", f"{described['variant']}, {described['architecture']} ({described['family']})"),
        ("told by", described["evidence"]),
        (
            "depth",
            f"metres, up to {described['max_depth']:g}" if metric else "relative inverse depth, larger is nearer",
        ),
        (
            "sizes",
            f"any multiple of {described['size_multiple']}, native {height} × {width}"
            if described["dynamic"]
            else f"{height} × {width} only",
        ),
        (
            "photo",
            f"{preparation['resize_rule']}, {preparation['interpolation']}, multiples of {preparation['multiple']}",
        ),
        ("mean, std", f"{list(preparation['mean'])}, {list(preparation['std'])} ({preparation['colour_order']})"),
        ("blocks", f"{len(blocks)}; those that feed the fusion: {', '.join(str(tap) for tap in described['taps'])}"),
        ("source", f"{described['source_file']}, SHA-256 {described['source_sha256'][:16]}…"),
        (
            "written by",
            f"dptscope {described['exporter_version']}, contract {described['contract']}, opset {described['opset']}",
        ),
    ]
    if parity is not None:
        lines.append(
            (
                "parity",
                f"depth within {parity['depth_range']:.1e} of its range ({parity['depth']:.1e} of its std), "
                f"norms {parity['norms']:.1e}, companion {parity['companion']:.1e}, at {len(parity['sizes'])} sizes",
            )
        )
    return lines
