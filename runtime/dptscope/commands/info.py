"""What ``dptscope info`` shows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from dptscope.commands.options import JsonOption, ModelArgument

if TYPE_CHECKING:
    from pathlib import Path

    from dptscope.card import ModelCard
    from dptscope.model import DepthModel

_NUMBER = re.compile(r"\d+")
_TEXTS = ("name", "meaning")
_STORAGE = {
    "float16": "float16 in the file, float32 once it is loaded; what is told below was measured with the float16 ones",
    "int8": "int8 in the layers that are computed so, float32 elsewhere",
}


def info(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show what an exported model says about itself."""
    from dptscope.model import load

    described = describe(load(model))
    if as_json:
        import json

        typer.echo(json.dumps(described, indent=2))
    else:
        show(described)


def describe(model: DepthModel) -> dict[str, Any]:
    """The model card as plain values, the grid of each block, and the file's inputs and outputs.

    Inputs and outputs have ``name``, ``axes`` (numbers where fixed), ``meaning`` and, where they may be left out,
    ``default``. ``grids`` are the rows and columns of each block's tokens at the native size. ``changed`` names the files
    whose weights are not what the export measured, and is null where it cannot be told; the parity of others is not theirs.
    """
    from dptscope.meaning import in_words

    card = model.card
    changed = model.graphs.changed_files()
    height, width = card.native_size
    return {
        "file": model.path.name,
        "companion": model.has_companion,
        **dataclasses.asdict(card),
        "depth_meaning": in_words(card),
        "parity": _parity(card, model.path, changed or []),
        "fidelity": None
        if card.fidelity is None or model.path in (changed or [])
        else dataclasses.asdict(card.fidelity),
        "changed": None if changed is None else [path.name for path in changed],
        "grids": [(height // block.stride, width // block.stride) for block in card.blocks],
        "inputs": [_with_meaning(tensor, card) for tensor in model.inputs()],
        "outputs": [_with_meaning(tensor, card) for tensor in model.outputs()],
    }


def _parity(card: ModelCard, path: Path, changed: list[Path]) -> dict[str, Any] | None:
    """What of the export's measurements holds for these files."""
    from dptscope.contract import companion_path

    if card.parity is None or path in changed:
        return None
    parity = dataclasses.asdict(card.parity)
    return parity | {"companion": None} if companion_path(path) in changed else parity


def _with_meaning(tensor: dict[str, Any], card: ModelCard) -> dict[str, Any]:
    from dptscope import contract

    specs = (
        contract.image_input(),
        *contract.fusion_scale_inputs(),
        *card.outputs(),
        contract.embedded_output(card.blocks),
        *contract.added_register_inputs(card.blocks[0].channels),
        *contract.added_register_outputs(card.blocks, 1),
    )
    meaning = next((spec.meaning for spec in specs if spec.name == tensor["name"]), "")
    default: float | list[float] = 1.0 if tensor["axes"] == [contract.SCALES_AXIS] else []
    return {**tensor, "meaning": meaning} | ({"default": default} if tensor.get("optional") else {})


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
        for tensor in _folded(described[what]):
            default = f"optional, {_default(tensor['default'])} by default: " if "default" in tensor else ""
            axes = " × ".join(str(axis) for axis in tensor["axes"])
            tensors.add_row(tensor["name"], axes, default + tensor["meaning"])
        console.print()
        console.print(tensors)


def _default(value: float | list[float]) -> str:
    return "empty" if isinstance(value, list) else f"{value:g}"


def _folded(tensors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that differ only in one running number as one: ``block_00_tokens … block_11_tokens``."""
    rows: list[dict[str, Any]] = []
    for _, group in groupby(tensors, lambda tensor: (tensor["axes"], *(_NUMBER.split(tensor[key]) for key in _TEXTS))):
        same = list(group)
        first, last = same[0], same[-1]
        numbers = [_NUMBER.findall(tensor["meaning"]) for tensor in (first, last)]
        if len(same) < 3 or len(numbers[0]) != 1:
            rows += same
            continue
        meaning = _NUMBER.sub(f"{numbers[0][0]} … {numbers[1][0]}", first["meaning"])
        rows.append({**first, "name": f"{first['name']} … {last['name']}", "meaning": meaning})
    return rows


def _taps(taps: Sequence[int | None]) -> str:
    blocks = [str(tap) for tap in taps if tap is not None]
    others = len(taps) - len(blocks)
    return (f"{others} maps from before the transformer, " if others else "") + f"blocks {', '.join(blocks)}"


def _blocks(described: dict[str, Any]) -> str:
    """``12 of 384 channels on 37 × 37``, stage by stage."""
    kinds = [
        (block["stage"], block["channels"], grid)
        for block, grid in zip(described["blocks"], described["grids"], strict=True)
    ]
    return "; ".join(
        f"{len(list(same))} of {channels} channels on {rows} × {columns}"
        for (_stage, channels, (rows, columns)), same in groupby(kinds)
    )


def _beside(described: dict[str, Any]) -> str:
    """The tokens before the grid."""
    registers = described["registers"]
    own = f" and {registers} register{'s' if registers > 1 else ''} of its own" if registers else ""
    return f", with a class token{own}" if described["has_cls"] else ""


def _lines(described: dict[str, Any]) -> list[tuple[str, str]]:
    height, width = described["native_size"]
    preparation = described["preparation"]
    lines = [
        ("file", described["file"] + ("" if described["companion"] else "  (its fusion companion is not there)")),
        ("model", f"{described['variant']}, {described['architecture']} ({described['family']})"),
        ("told by", described["evidence"]),
        ("depth", described["depth_meaning"]),
        (
            "sizes",
            f"any multiple of {described['size_multiple']}, native {height} × {width}"
            if described["dynamic"]
            else f"{height} × {width} only",
        ),
        (
            "photo",
            (
                f"{preparation['resize_rule']}, {preparation['interpolation']}, multiples of {preparation['multiple']}"
                if described["dynamic"]
                else f"squeezed into {height} × {width}, {preparation['interpolation']}"
            ),
        ),
        ("mean, std", f"{list(preparation['mean'])}, {list(preparation['std'])} ({preparation['colour_order']})"),
        ("blocks", _blocks(described) + _beside(described)),
        ("fusion reads", _taps(described["taps"])),
        (
            "parameters",
            "not noted" if described["parameters"] is None else f"{described['parameters'] / 1e6:.1f} million",
        ),
        (
            "arithmetic",
            "not noted"
            if described["flops"] is None
            else f"{described['flops'] / 1e9:.1f} GFLOP an image of {height} × {width} (matrix products, convolutions)",
        ),
        ("source", f"{described['source_file']}, SHA-256 {described['source_sha256']}"),
        (
            "written by",
            f"dptscope {described['exporter_version']}, contract {described['contract']}, opset {described['opset']}",
        ),
    ]
    if described["form"] != "default" or described["without"]:
        without = f", without {', '.join(described['without'])}" if described["without"] else ""
        lines.append(("form", described["form"] + without))
    if described["storage"] != "float32":
        lines.append(("weights", _STORAGE[described["storage"]]))
    return [*lines, *_parity_lines(described)]


def _parity_lines(described: dict[str, Any]) -> list[tuple[str, str]]:
    parity, changed = described["parity"], described["changed"]
    lines = []
    if changed:
        lines.append(
            ("changed", f"the weights of {', '.join(changed)} are not those that the export wrote and measured")
        )
    if described["fidelity"] is not None:
        return [*lines, *fidelity_lines(described["fidelity"])]
    if parity is None:
        return [*lines, ("parity", "not known")]
    companion = "not known" if parity["companion"] is None else f"{parity['companion']:.1e}"
    unbound = "" if changed is not None else " (of the weights at the export; the file does not note which they were)"
    text = (
        f"depth within {parity['depth_range']:.1e} of its range ({parity['depth']:.1e} of its std), "
        f"norms {parity['norms']:.1e}, companion {companion}, at {len(parity['sizes'])} sizes{unbound}"
    )
    return [*lines, ("parity", text)]


def fidelity_lines(fidelity: dict[str, Any]) -> list[tuple[str, str]]:
    """A :class:`dptscope.fidelity.Fidelity` as plain values, in words: what each figure is of, and the figure."""

    def spread(name: str) -> str:
        return f"{fidelity[name]['mean']:.4f}, worst {fidelity[name]['worst']:.4f}"

    calibrated = f", calibrated on {fidelity['calibrated']} others" if fidelity["calibrated"] else ""
    worst = max(fidelity["norms"])
    lines = [
        ("fidelity", f"to the file {fidelity['reference']}, on {fidelity['photos']} photos{calibrated}"),
        (
            "its depth",
            f"δ1 {spread('delta1')} ({fidelity['worst_photo']}); δ at 1.05 {spread('delta105')}; "
            f"correlation {spread('correlation')}",
        ),
        (
            "its norms",
            f"at worst {worst:.1e} of the mean norm, in block {fidelity['norms'].index(worst)}; block by block "
            + ", ".join(f"{error:.0e}" for error in fidelity["norms"]),
        ),
    ]
    sliders = [f"{what} {spread(key)}" for what, key in (("depth", "moved"), ("preview", "preview")) if fidelity[key]]
    if sliders:
        lines.append(("with scales", f"correlation of {', of the '.join(sliders)}"))
    others = [
        f"{what} {spread(key)}"
        for what, key in (("sky where it was,", "sky"), ("correlation of the confidence", "confidence"))
        if fidelity[key]
    ]
    if others:
        lines.append(("its other maps", "; ".join(others)))
    if fidelity["left"]:
        lines.append(("left float32", ", ".join(name.removesuffix("/MatMul") for name in fidelity["left"])))
    return lines
