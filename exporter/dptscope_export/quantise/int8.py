"""A graph's layers in int8, by onnxruntime's own quantiser.

Weights are rounded channel by channel, to signed numbers about zero. What linear layers read is rounded anew in every run, by
its own range; what convolutions read and give has a fixed range, measured beforehand. All of it in operators of the ONNX
standard (QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, MatMulInteger).
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dptscope_export.quantise.exact_maps import sum_maps_in_integers
from dptscope_export.quantise.recipe import Recipe

_BY_CHANNEL: dict[str, Any] = {"per_channel": True, "reduce_range": False}


def quantised(path: Path, recipe: Recipe, suffix: str, scratch: Path) -> ir.Model:
    """A graph with layers in int8; all else, and what the graph takes and gives, as it was.

    Args:
        path: the graph's file.
        recipe: which layers.
        suffix: which of the model's graphs it is.
        scratch: a folder for the quantiser's temporary files.
    """
    from onnxruntime.quantization import (  # noqa: TID251  not the runtime, but a tool that comes with it
        CalibrationMethod,
        QDQQuantizer,
        QuantType,
        TensorsData,
        quantize_dynamic,
    )

    import dptscope.ort  # noqa: F401  what it sets before onnxruntime is loaded holds here, too

    model = onnx.load(path)
    names = {node.name for node in model.graph.node}
    convolutions, linear = (sorted(names & set(wanted)) for wanted in (recipe.convolutions, recipe.linear))
    types = {value.name for value in model.graph.value_info}
    with _quiet(), _temporary_files_in(scratch):
        # To the quantiser an empty list would mean every node.
        if convolutions:
            ranges = recipe.ranges[suffix]
            measured = {
                tensor: ranges[tensor]
                for node in model.graph.node
                if node.name in convolutions
                for tensor in (node.input[0], node.output[0])
            }
            rectified = _rectified(model.graph, convolutions)
            measured |= {relu.output[0]: (0.0, max(0.0, ranges[relu.input[0]][1])) for relu in rectified}
            model = QDQQuantizer(
                model,
                weight_qType=QuantType.QInt8,
                activation_qType=QuantType.QUInt8,
                tensors_range=TensorsData(
                    CalibrationMethod.MinMax,
                    {tensor: tuple(np.array(end, np.float32) for end in ends) for tensor, ends in measured.items()},
                ),
                nodes_to_quantize=[*convolutions, *(relu.name for relu in rectified)],
                nodes_to_exclude=[],
                op_types_to_quantize=["Conv", "Relu"],
                extra_options={},
                **_BY_CHANNEL,
            ).quantize_model()
        if linear:
            made = scratch / "quantised.onnx"
            quantize_dynamic(
                model,
                made,
                op_types_to_quantize=["MatMul"],
                weight_type=QuantType.QInt8,
                nodes_to_quantize=list(linear),
                use_external_data_format=True,
                **_BY_CHANNEL,
            )
            model = onnx.load(made)
            made.unlink()
            made.with_name(f"{made.name}.data").unlink()
    # What shape inference has found beyond what the export wrote is not needed by anyone.
    kept = [value for value in model.graph.value_info if value.name in types]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    graph = ir.from_proto(model)
    graph.graph.sort()  # the quantiser puts its nodes at the end
    _gather_rounded_rows(graph)
    sum_maps_in_integers(graph)
    return graph


def _gather_rounded_rows(model: ir.Model) -> None:
    """Let registers at test time, which take a few rows out of a weight, take rounded ones and widen these alone.

    The quantiser leaves the whole weight in float32 beside the rounded one, or has all of it widened in every run.
    """
    weights = model.graph.initializers
    for node in [node for node in model.graph if node.op_type == "Gather"]:
        data, rows = node.inputs[0], node.outputs[0]
        name = data.name if data is not None else None
        if f"{name}_quantized" not in weights:
            continue
        users = list(rows.uses())
        steps = [weights[f"{name}_scale"], weights[f"{name}_zero_point"]]
        widen = ir.node("DequantizeLinear", [rows, *steps], {"axis": 1}, name=f"{node.name}/DequantizeLinear")
        wide = widen.outputs[0]
        wide.name, wide.type, wide.shape = widen.name, rows.type, rows.shape
        for user, index in users:
            user.replace_input_with(index, wide)
        node.replace_input_with(0, weights[f"{name}_quantized"])
        rows.type = ir.TensorType(ir.DataType.INT8)
        model.graph.insert_after(node, widen)
    RemoveUnusedNodesPass()(model)


def _rectified(graph: onnx.GraphProto, convolutions: Collection[str]) -> list[onnx.NodeProto]:
    """The ReLUs that are all that becomes of a convolution. The quantiser takes them away: a range from zero on cuts off by
    itself what is below, its steps are smaller, and the convolution's result is rounded once and not twice."""
    readers = Counter(tensor for node in graph.node for tensor in node.input)
    readers.update(value.name for value in graph.output)
    given = {node.output[0] for node in graph.node if node.name in convolutions and readers[node.output[0]] == 1}
    return [node for node in graph.node if node.op_type == "Relu" and node.input[0] in given]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice, which goes to the root logger; errors are let through."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """The quantiser hands whole graphs to onnx's shape inference by file. Here they go however the process ends."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
