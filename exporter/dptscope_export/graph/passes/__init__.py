"""What is done to a traced graph, in order. ``dptscope export --without NAME`` leaves one out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx_ir as ir

from dptscope.errors import DptscopeError
from dptscope_export.graph.passes.constant_reshapes import ConstantReshapes
from dptscope_export.graph.passes.defer_row_resize import DeferRowResize
from dptscope_export.graph.passes.fold_constants import FoldConstants
from dptscope_export.graph.passes.pad_matmul_rows import PadMatmulRows
from dptscope_export.graph.passes.scan_attention_heads import ScanAttentionHeads
from dptscope_export.graph.passes.simplify import Simplify
from dptscope_export.graph.passes.winograd import Winograd


@dataclass(frozen=True)
class GraphPass:
    """One optimisation.

    Attributes:
        name: for the command line and the model card.
        apply: the pass itself.
        does: what it does to the graph.
        because: the fact or the paper behind it.
        gain: what it gives alone, measured with ``python -m benchmarks.passes``.
        cpu_only: whether it is made for onnxruntime's kernels for CPUs; such a pass is no part of the portable form.
        one_size_only: whether it waits for a graph that takes one size.
    """

    name: str
    apply: ir.passes.PassBase
    does: str
    because: str
    gain: str
    cpu_only: bool = False
    one_size_only: bool = False


# The order matters. What makes sizes constants comes first, since it leaves arithmetic without a use, which is gone before
# the others look. The passes for onnxruntime's CPU kernels come last: they match plain attention, linear layers and
# convolutions, and nothing should rewrite what they make. Of the two that want the head's first convolution,
# defer-row-resize comes first: what it makes of it is none that winograd takes.
#
# Gains are the full file's CPU time over that of the file without the pass, on two shared cores of an AMD EPYC: ViT-S at
# 518², BEiT-base at 384², Swin V2-tiny at 256²; a move is a slider's. What is not named lies within its own spread.
PASSES: tuple[GraphPass, ...] = (
    GraphPass(
        "constant-reshapes",
        ConstantReshapes(),
        does="Reshape targets are constants, not computed.",
        because="ONNX: 0 keeps a size of the input, and one -1 stands for what is left.",
        gain="For the reader; ViT-S 0.96 ± 0.03.",
    ),
    GraphPass(
        "fold-constants",
        FoldConstants(),
        does="What depends on nothing but the size and the weights becomes a constant: position MLPs, masks, indices.",
        because="The exporter itself folds small tensors alone, which keeps graphs for any size small.",
        gain="Swin V2: 524 in place of 635 MiB; time within its spread (1.01 ± 0.02).",
        one_size_only=True,
    ),
    GraphPass(
        "onnxsim",
        Simplify(),
        does="Removes what is computed twice, all of it sizes, and merges equal constants.",
        because="https://github.com/onnxsim/onnxsim, on the structure alone.",
        gain="For the reader. ViT-S: 5 of 23 Unsqueeze and 1 of 7 Concat (524 to 518 nodes), 315 to 268 constants; "
        "BEiT-base 6 nodes and 21 constants; Swin V2 4 nodes. Time within its spread.",
    ),
    GraphPass(
        "scan-heads",
        ScanAttentionHeads(),
        does="Attention takes one head at a time, in a Scan.",
        because="One head's weights stay in the cache between the two products; all heads' do not.",
        gain="ViT-S 0.96, at 1036² 31 % less memory; BEiT-base 0.98.",
        cpu_only=True,
    ),
    GraphPass(
        "pad-rows",
        PadMatmulRows(),
        does="Rows of 1024, 2048, … floats that a matrix product reads get 16 zeros at their end.",
        because="4 KiB aliasing: such rows fall on the same lines of the first-level cache.",
        gain="BEiT-base 0.98.",
        cpu_only=True,
    ),
    GraphPass(
        "defer-row-resize",
        DeferRowResize(),
        does="The head's doubling of the rows waits until its first convolution is done.",
        because="Both are linear, so the order is free, and the convolution then runs on half the rows.",
        gain="Against winograd on the same convolution: BEiT-base 0.95, a move 0.97 and 436 in place of 540 MiB; Swin V2 "
        "0.98, a move 0.93 and 287 in place of 371 MiB.",
        cpu_only=True,
    ),
    GraphPass(
        "winograd",
        Winograd(),
        does="Wide 3 × 3 convolutions by minimal filtering, in ordinary operators.",
        because="Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.",
        gain="BEiT-base 0.90, Swin V2 0.82; a move 0.77. Costs memory: BEiT-base 1044 in place of 808 MiB.",
        cpu_only=True,
    ),
)


def choose_passes(without: Collection[str] = (), portable: bool = False) -> tuple[GraphPass, ...]:
    """The passes of a form, but for those that are left out by name.

    Raises:
        DptscopeError: there is no pass of such a name.
    """
    names = [graph_pass.name for graph_pass in PASSES]
    unknown = [name for name in without if name not in names]
    if unknown:
        raise DptscopeError(f"expected a pass of {', '.join(names)}, got {unknown[0]}")
    return tuple(p for p in PASSES if p.name not in without and not (portable and p.cpu_only))


def left_out(passes: Collection[GraphPass]) -> tuple[str, ...]:
    """Names of the passes that are not among ``passes``."""
    return tuple(graph_pass.name for graph_pass in PASSES if graph_pass not in passes)


def run_passes(model: ir.Model, passes: Collection[GraphPass], one_size: bool) -> ir.passes.PassResult:
    """Run passes in their order. Not ``ir.passes.Sequential``, which would hide the one line of an :class:`ExportError`."""
    modified = False
    for graph_pass in passes:
        if graph_pass.one_size_only and not one_size:
            continue
        result = graph_pass.apply(model)
        model, modified = result.model, modified or result.modified
    return ir.passes.PassResult(model, modified)
