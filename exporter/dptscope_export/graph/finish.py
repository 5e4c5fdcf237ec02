"""From a traced graph to one that can be saved."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from dptscope import ModelCard, contract
from dptscope.contract import TensorSpec
from dptscope_export.graph.functions.extract import make_readable
from dptscope_export.graph.half import cast_weights, round_weights
from dptscope_export.graph.metadata import (
    PARITY_KEY,
    WEIGHTS_KEY,
    make_registers_optional,
    make_scales_optional,
    stamp,
    weights_digest,
)
from dptscope_export.graph.naming import name_axes, name_nodes, name_values
from dptscope_export.graph.passes import GraphPass, run_passes


@dataclass(frozen=True)
class Traced:
    """A graph as torch's exporter leaves it, and what the contract says of it.

    Attributes:
        suffix: what follows the model's name in that of the file.
        model: the graph.
        inputs: the contract's, in its order.
        outputs: as above.
    """

    suffix: str
    model: ir.Model
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def finish(traced: Traced, card: ModelCard, passes: Collection[GraphPass], name: str) -> ir.Model:
    """Run the passes, name everything, write the card into the graph, and give it its form.

    Args:
        traced: the graph; it is used up.
        card: of the model, whose parity is not measured yet.
        passes: what :func:`dptscope_export.graph.passes.choose_passes` gave.
        name: of the model.
    """
    name_nodes(traced.model)
    model = run_passes(traced.model, passes, one_size=not card.dynamic).model
    name_axes(model, traced.inputs, traced.outputs)
    name_values(model)
    make_scales_optional(model)
    make_registers_optional(model, card.blocks[0].channels)
    stamp(model, card, f"{name}{traced.suffix.removesuffix(contract.MODEL_SUFFIX)}")
    del model.metadata_props[PARITY_KEY]
    if card.storage == "float16":
        cast_weights(model)
    if card.form == "readable":
        make_readable(model)
    model.metadata_props[WEIGHTS_KEY] = weights_digest(model.graph)
    return model


def rounded(path: Path) -> ir.Model:
    """The graph of a file that was finished for float16, now with its weights in it, and all of it in memory."""
    model = ir.load(path)
    round_weights(model)
    model = ir.external_data.load_to_model(model)
    model.metadata_props[WEIGHTS_KEY] = weights_digest(model.graph)
    return model
