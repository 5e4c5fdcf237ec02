"""The last steps on a graph: scales that need not be given, and the model card in the metadata."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx_ir as ir
from onnx.helper import OP_SET_ID_VERSION_MAP

from dptscope import ModelCard, contract
from dptscope.meaning import in_words

PARITY_KEY = f"{contract.METADATA_PREFIX}parity"
FIDELITY_KEY = f"{contract.METADATA_PREFIX}fidelity"
WEIGHTS_KEY = f"{contract.METADATA_PREFIX}weights_sha256"


def make_scales_optional(model: ir.Model) -> None:
    """Give every ``fusion_scale_k`` input a default of one: an initializer of the same name."""
    scales = {spec.name for spec in contract.fusion_scale_inputs()}
    for value in model.graph.inputs:
        if value.name in scales:
            value.const_value = ir.tensor(np.ones(1, dtype=np.float32), name=value.name)
            model.graph.initializers[value.name or ""] = value


def make_registers_optional(model: ir.Model, channels: int) -> None:
    """Give every input of registers at test time an empty default."""
    specs = {spec.name: spec for spec in contract.added_register_inputs(channels)}
    for value in model.graph.inputs:
        if spec := specs.get(value.name or ""):
            shape = [axis if isinstance(axis, int) else 0 for axis in spec.axes]
            empty = np.zeros(shape, np.int64 if spec.element == "int64" else np.float32)
            value.const_value = ir.tensor(empty, name=value.name)
            model.graph.initializers[spec.name] = value


def stamp(model: ir.Model, card: ModelCard, graph_name: str) -> None:
    """Write the card, the producer and the documentation into the model."""
    # The lowest for the operators: a runtime that knows the opset may refuse a later form of the file.
    model.ir_version = OP_SET_ID_VERSION_MAP["ai.onnx", model.opset_imports[""]]
    model.producer_name = "dptscope"
    model.producer_version = card.exporter_version
    model.graph.name = graph_name
    model.doc_string = model.graph.doc_string = describe(card)
    model.metadata_props.clear()
    model.metadata_props.update(card.to_metadata())
    meanings = {spec.name: spec.meaning for spec in _specs(card)}
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.doc_string = meanings.get(value.name or "")


def describe(card: ModelCard) -> str:
    """What a model is and how it is fed, for someone who opens the file with nothing else at hand."""
    height, width = card.native_size
    sizes = (
        f"any multiple of {card.size_multiple}, {height} × {width} by nature" if card.dynamic else f"{height} × {width}"
    )
    return (
        f"{card.variant} {card.architecture}: one photo to its depth ({in_words(card)}). "
        f"Feed image alone (RGB, (value / 255 - mean) / std with mean {list(card.preparation.mean)} and std "
        f"{list(card.preparation.std)}; sizes: {sizes}) for the plain depth. fusion_scale_1 … 4 are optional and 1 by "
        "default. block_NN_tokens are the patch tokens that leave each transformer block. The companion NAME.fusion.onnx "
        "takes fusion_input_1 … 4 and other scales without running the encoder again. "
        f"Written by dptscope {card.exporter_version} from {card.source_file}, contract {card.contract}."
    )


def _specs(card: ModelCard) -> tuple[contract.TensorSpec, ...]:
    return (
        contract.image_input(),
        *contract.fusion_scale_inputs(),
        *card.outputs(),
        contract.embedded_output(card.blocks),
        *contract.added_register_inputs(card.blocks[0].channels),
        *contract.added_register_outputs(card.blocks, 1),
    )


def weights_digest(graph: ir.Graph) -> str:
    """SHA-256 over the graph's initializers in the order of their names: each name, a zero byte, and its numbers in
    little-endian bytes. A file with another digest has other weights than those whose parity was measured."""
    digest = hashlib.sha256()
    for name, value in sorted(graph.initializers.items()):
        assert value.const_value is not None
        digest.update(name.encode() + b"\0")
        digest.update(value.const_value.tobytes())
    return digest.hexdigest()
