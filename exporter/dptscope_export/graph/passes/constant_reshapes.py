"""Reshapes that say their sizes instead of computing them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from dptscope_export.graph.constants import add_constant


class ConstantReshapes(ir.passes.InPlacePass):
    """Replace computed targets of Reshape by constants where 0 ("as in the input") and one -1 can say them."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            if node.op_type != "Reshape" or node.inputs[1] is None or node.inputs[1].const_value is not None:
                continue
            target = _target(node.inputs[0], node.outputs[0])
            if target is None:
                continue
            constant = add_constant(model.graph, f"{node.name}/shape", np.array(target, dtype=np.int64))
            node.replace_input_with(1, constant)
            node.attributes.pop("allowzero", None)  # the exporter sets it, and 0 would mean an empty axis then
            modified = True
        if modified:
            RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, modified)


def _target(source: ir.Value | None, result: ir.Value) -> list[int] | None:
    if source is None or source.shape is None or result.shape is None:
        return None
    target: list[int] = []
    for axis, dim in enumerate(result.shape):
        if isinstance(dim, int):
            target.append(dim)
        elif axis < len(source.shape) and str(source.shape[axis]) == str(dim):
            target.append(0)
        else:
            target.append(-1)
    return target if target.count(-1) <= 1 and 0 not in result.shape else None
