"""The last steps on a graph: scales that need not be given, and the model card in the metadata."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dptscope import ModelCard, contract

IR_VERSION = 10  # what onnxruntime since 1.18 reads; inputs with a default need 4


def make_scales_optional(model: ir.Model) -> None:
    """Give every ``fusion_scale_k`` input a default of one: an initializer of the same name."""
    scales = {spec.name for spec in contract.fusion_scale_inputs()}
    for value in model.graph.inputs:
        if value.name in scales:
            value.const_value = ir.tensor(np.ones(1, dtype=np.float32), name=value.name)
            model.graph.initializers[value.name or ""] = value


def stamp(model: ir.Model, card: ModelCard, graph_name: str) -> None:
    """Write the card, the producer and the documentation into the model."""
    model.ir_version = IR_VERSION
    model.producer_name = "dptscope"
    model.producer_version = card.exporter_version
    model.graph.name = graph_name
    model.doc_string = (
        f"{card.variant} {card.architecture}, {card.depth_kind} depth; contract {card.contract} of dptscope"
    )
    model.metadata_props.clear()
    model.metadata_props.update(card.to_metadata())
    meanings = {spec.name: spec.meaning for spec in _specs(card)}
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.doc_string = meanings.get(value.name or "")


def _specs(card: ModelCard) -> tuple[contract.TensorSpec, ...]:
    return (
        contract.image_input(),
        *contract.fusion_scale_inputs(),
        *contract.model_outputs(card.blocks, card.has_cls, card.fusion_channels),
    )
