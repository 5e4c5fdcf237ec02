"""Graphs for one size: everything that depends on nothing but the size and the weights, computed once and for all."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript import optimizer

# Values in one constant. The exporter's own folding stops at small tensors, which keeps graphs for any size small. This
# just holds the position bias of Swin V2-large, 24 heads of 576 × 576, but not that of BEiT-large at 512 pixels, which
# would add 1.6 GB to the file.
LARGEST = 8_000_000


class FoldConstants(ir.passes.InPlacePass):
    """Replace subgraphs of constants by their values.

    In Swin V2 these are the position MLP and the layout of its bias, the masks, and the indices of the windows.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        folded = optimizer.fold_constants(
            model, onnx_shape_inference=False, input_size_limit=LARGEST, output_size_limit=LARGEST
        )
        unused = RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, bool(folded.modified or unused.modified))
