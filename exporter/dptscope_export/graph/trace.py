"""Torch to an ONNX graph with PyTorch's current exporter (``torch.export`` based)."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import INT64
from onnxscript import opset18 as op
from torch import Tensor
from torch.export import Dim

from dptscope import contract
from dptscope_export.families.base import ExportPlan, Sizes
from dptscope_export.graph.repeat import repeat, traced_once
from dptscope_export.graph.wrappers import FusionGraph, WholeGraph, WholeGraphWithRegisters
from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import Preview
from dptscope_export.models.registers import AddedRegisters
from dptscope_export.models.vit_dpt import TokensDPT

TRACED_BATCH = 2  # one would be taken for a constant
REGISTER_AXES = ("appended", "neurons", "neurons", "probes")

FusionInputs = tuple[Tensor, Tensor, Tensor, Tensor]


def trace_whole(model: DPT, plan: ExportPlan, opset: int) -> ir.Model:
    """Trace image and scales, and what lets registers in where the plan wants that, to the plan's outputs."""
    sizes = plan.sizes
    height, width = sizes.traced
    image = torch.zeros(TRACED_BATCH, 3, height, width)
    axes: dict[int, Any] = {0: Dim("batch")}
    if sizes.dynamic:
        axes |= {2: sizes.multiple * Dim("rows"), 3: sizes.multiple * Dim("columns")}
    scales = _example_scales()
    registers = () if plan.mlp_width is None else example_registers(plan.blocks[0].channels)
    with ExitStack() as hooked:
        module = WholeGraph(model)
        if registers:
            assert isinstance(model, TokensDPT)
            hooks = hooked.enter_context(AddedRegisters(model, plan.special_tokens).installed())
            module = WholeGraphWithRegisters(model, hooks)
        return export_graph(
            module,
            examples=(image, *scales, *registers),
            dynamic_shapes=(
                axes,
                *(None for _ in scales),
                *({0: Dim(axis)} for axis in REGISTER_AXES[: len(registers)]),
            ),
            inputs=(contract.image_input(), *plan.optional_inputs()),
            outputs=plan.outputs(),
            opset=opset,
        )


def example_registers(channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values of the contract's inputs: several registers, neurons and probes, as many of each as of no other."""
    neurons = torch.tensor([[0, 1], [1, 0], [2, 3], [1, 5], [0, 2]])
    return torch.zeros(3, channels), neurons, torch.zeros(len(neurons)), torch.tensor([0, 1, 2, 3])


def example_fusion_inputs(model: DPT, sizes: Sizes) -> FusionInputs:
    """What the encoder gives at the size that is traced."""
    with torch.no_grad():
        return model.features(torch.zeros(TRACED_BATCH, 3, *sizes.traced)).fusion_inputs


def trace_fusion(
    decoder: DPT | Preview, examples: FusionInputs, dynamic: bool, output: contract.TensorSpec, opset: int
) -> ir.Model:
    """Trace fusion inputs and scales to depth, with the model itself (the companion) or with its preview."""
    # The sizes of the four maps depend on each other; the exporter finds out how.
    axes = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC} if dynamic else {0: Dim.DYNAMIC}
    scales = _example_scales()
    return export_graph(
        FusionGraph(decoder),
        examples=(*examples, *scales),
        dynamic_shapes=(*(axes for _ in examples), *(None for _ in scales)),
        inputs=(*contract.fusion_inputs(examples[0].shape[1]), *contract.fusion_scale_inputs()),
        outputs=(output,),
        opset=opset,
    )


def _example_scales() -> tuple[Tensor, ...]:
    """Four tensors of length one: a length that only broadcasts leaves no trace of itself in the graph, so that the axis
    can be freed afterwards. Four objects and four values: equal ones would be merged."""
    return tuple(torch.full((1,), 1.0 + k / 8) for k in contract.FUSION_BLOCKS)


def export_graph(
    module: torch.nn.Module,
    *,
    examples: tuple[Tensor, ...],
    dynamic_shapes: tuple[Any, ...],
    inputs: Sequence[contract.TensorSpec],
    outputs: Sequence[contract.TensorSpec],
    opset: int,
) -> ir.Model:
    """What PyTorch's exporter makes of a module, with its optimisations, and without the contract's axes."""
    module.eval()
    any_size = len(dynamic_shapes[0]) > 1  # and not the batch alone
    with _quiet_exporter(), _no_collection(), _no_cache() if any_size else nullcontext(), torch.no_grad():
        with traced_once(module):
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=dynamic_shapes,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                optimize=False,
                verbose=False,
                custom_translation_table=OPERATORS,
            )
        assert program is not None
        repeat(program.model, module)
        program.optimize()
    return program.model


def _resize(x_bchw: Any, size: INT64 | None, scale_factor: float | None, align_corners: bool) -> Any:
    """ONNX for :func:`dptscope_export.models.interpolate.one_step`, as PyTorch's exporter has it for ``F.interpolate``."""
    scales: Any = None
    sizes: Any = None
    if size is None:
        assert scale_factor is not None
        scales = op.Constant(value_floats=[1.0, 1.0, scale_factor, scale_factor])
    else:
        batch_and_channels: Any = op.Shape(x_bchw, start=0, end=2)
        sizes = op.Concat(batch_and_channels, op.Cast(size, to=INT64.dtype), axis=0)
    placed = "align_corners" if align_corners else "pytorch_half_pixel"
    return op.Resize(
        x_bchw, None, scales, sizes, mode="linear", coordinate_transformation_mode=placed, nearest_mode="floor"
    )


OPERATORS: dict[Callable[..., Any], Callable[..., Any]] = {torch.ops.dptscope.interpolate.default: _resize}
"""What PyTorch's exporter has to be told of the models' own operators."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Tracing makes millions of small objects and keeps most of them; looking through them for cycles again and again takes a
    tenth to a fifth of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _no_cache() -> Iterator[None]:
    """PyTorch keeps what an operator gives for a size, for the next call. Where sizes are symbols, the next call is hardly
    ever the same, and keeping takes longer than finding: a sixth of the tracing. Where they are numbers, it saves as much."""
    from torch._dynamo import config  # takes a second to import, which exports alone have to spend

    with config.patch(fake_tensor_cache_enabled=False):
        yield


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hold back what the exporter says to everyone about torchvision, deprecations of its own code and axis names."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)
            warnings.simplefilter("ignore", category=FutureWarning)
            warnings.simplefilter("ignore", category=DeprecationWarning)
            yield
    finally:
        exporter.setLevel(level)
