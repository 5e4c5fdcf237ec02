"""Checkpoint to verified files, stage by stage."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir
import torch

import dptscope
from dptscope import ModelCard, contract
from dptscope.contract import TensorSpec, companion_path, preview_path
from dptscope.errors import DptscopeError
from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.cost import cost
from dptscope_export.families import Recognition, Wishes, recognise
from dptscope_export.graph.functions.extract import make_readable
from dptscope_export.graph.metadata import make_scales_optional, stamp
from dptscope_export.graph.naming import name_axes, name_nodes, name_values
from dptscope_export.graph.passes.defer_row_resize import interpolate_rows_late
from dptscope_export.graph.passes.fold_constants import fold
from dptscope_export.graph.passes.pad_matmul_rows import lengthen_rows
from dptscope_export.graph.passes.scan_attention_heads import attend_head_by_head
from dptscope_export.graph.passes.simplify import say_reshapes, simplify
from dptscope_export.graph.passes.winograd import convolve_by_windows
from dptscope_export.graph.trace import FusionInputs, example_fusion_inputs, trace_fusion, trace_whole
from dptscope_export.inside import check_inside
from dptscope_export.limits import check_room
from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import Preview, choose_level
from dptscope_export.publish import append_metadata, publish, save, staging_folder
from dptscope_export.verify import verify, verify_preview

DEFAULT_OPSET = 20  # the first with Gelu as one node
OLDEST_OPSET = 18
NEWEST_OPSET = 23
TESTED_TORCH = "2.13"  # what the tests run with; held to requirements/all.txt by tests/test_supply.py

STAGES = ("read", "recognise", "load", "trace", "trace fusion", "trace preview", "verify", "publish")
_PARITY_KEY = f"{contract.METADATA_PREFIX}parity"

Report = Callable[[str, str], None]


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        model: path of ``NAME.onnx``.
        companion: path of ``NAME.fusion.onnx``.
        preview: path of ``NAME.preview.onnx``.
        files: all files, with the weights beside the graph where there are any.
        card: the model's card, with the measured parity.
        notes: what the user should read.
    """

    model: Path
    companion: Path
    preview: Path
    files: tuple[Path, ...]
    card: ModelCard
    notes: tuple[str, ...]


def export(
    checkpoint_path: Path,
    output: Path | None = None,
    wishes: Wishes | None = None,
    opset: int = DEFAULT_OPSET,
    report: Report = lambda _stage, _detail: None,
    name: str | None = None,
    readable: bool = False,
) -> Exported:
    """Export a checkpoint to ``NAME.onnx``, ``NAME.fusion.onnx`` and ``NAME.preview.onnx``.

    Args:
        checkpoint_path: a checkpoint file or a Hugging Face folder.
        output: path of the model to write; by default the checkpoint's name in the current folder.
        wishes: what the checkpoint cannot tell, and which sizes the export is for.
        opset: ONNX operator set, 18 to 23.
        report: called as ``report(stage, detail)`` when a stage of :data:`STAGES` begins or has something to say.
        name: what messages and metadata call the checkpoint; its file's or folder's name if None.
        readable: one node per block, as model-local functions; see :mod:`dptscope_export.graph.functions.extract`.

    Raises:
        DptscopeError: with one line that says what was expected and what was got; nothing has been written then.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise DptscopeError(f"expected an opset from {OLDEST_OPSET} to {NEWEST_OPSET}, got {opset}")
    target = _target(checkpoint_path, output)
    with staging_folder(target) as staged:
        report("read", name or checkpoint_path.name)
        checkpoint = read_checkpoint(checkpoint_path, name)
        report("recognise", "")
        plan = recognise(checkpoint, wishes or Wishes())
        card = _card(checkpoint, plan, opset)
        assert card.parameters is not None
        check_room(card.parameters, target)
        report("load", f"{plan.variant} {plan.architecture} ({plan.evidence})")
        model = build(checkpoint, plan)
        check_inside(model, plan, checkpoint.name)
        del checkpoint

        staged_model = staged / target.name
        staged_companion, staged_preview = companion_path(staged_model), preview_path(staged_model)
        outputs = contract.model_outputs(plan.blocks, plan.has_cls, plan.fusion_channels)
        report("trace", "")
        whole = trace_whole(model, plan.sizes, outputs, opset)
        whole = _finish(whole, card, (contract.image_input(), *contract.fusion_scale_inputs()), outputs, target.stem)
        _save(whole, staged_model, readable)
        del whole
        report("trace fusion", "")
        examples = example_fusion_inputs(model, plan.sizes)
        preview = _preview(model, plan, examples)
        fusion_specs = (*contract.fusion_inputs(plan.fusion_channels), *contract.fusion_scale_inputs())
        for decoder, path, depth in (
            (model, staged_companion, contract.depth_output()),
            (preview, staged_preview, contract.preview_output()),
        ):
            if decoder is preview:
                report("trace preview", "")
            graph = trace_fusion(decoder, examples, plan.sizes.dynamic, depth, opset)
            _save(_finish(graph, card, fusion_specs, (depth,), path.stem), path, readable)
            del graph
        gc.collect()  # the traced programs hold cycles, and large models need the room

        parity = verify(model, staged_model, staged_companion, plan, lambda detail: report("verify", detail))
        report("verify", "preview")
        verify_preview(preview, model, staged_preview, plan)
        report("publish", target.name)
        card = replace(card, parity=parity)
        for path in (staged_model, staged_companion, staged_preview):
            append_metadata(path, {_PARITY_KEY: card.to_metadata()[_PARITY_KEY]})
        files = publish(staged, target)
    return Exported(
        target,
        companion_path(target),
        preview_path(target),
        tuple(files),
        card,
        (*plan.notes, *_release_notes(torch.__version__)),
    )


def _release_notes(release: str) -> tuple[str, ...]:
    """What the user should know about this PyTorch. None is refused: a graph that differs does not pass the verification."""
    major, minor = (int(part) for part in release.split(".")[:2])
    if (major, minor) <= tuple(int(part) for part in TESTED_TORCH.split(".")):
        return ()
    return (f"PyTorch {release} is newer than the one that this dptscope is tested with ({TESTED_TORCH})",)


def _preview(model: DPT, plan: Recognition, examples: FusionInputs) -> Preview:
    """The model's preview, at the level that its native size affords."""
    (height, width), (traced_height, traced_width) = plan.sizes.native, plan.sizes.traced
    larger = height * width / (traced_height * traced_width)
    pixels = tuple(map_bchw.shape[2] * map_bchw.shape[3] * larger for map_bchw in examples)
    return Preview(model, choose_level(plan.fusion_channels, pixels)).eval()


def build(checkpoint: Checkpoint, plan: Recognition) -> DPT:
    """The torch model with the checkpoint's weights, ready to run on the CPU.

    Raises:
        CheckpointError: the tensors are not the model's.
    """
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)
    return model.eval().requires_grad_(False)


def _save(graph: ir.Model, path: Path, readable: bool) -> None:
    if readable:
        make_readable(graph)
    save(graph, path)


def _target(checkpoint_path: Path, output: Path | None) -> Path:
    if output is None:
        resolved = checkpoint_path.resolve()
        stem = resolved.name if resolved.is_dir() else resolved.stem
        output = Path(stem + contract.MODEL_SUFFIX)
    beside = (contract.COMPANION_SUFFIX, contract.PREVIEW_SUFFIX)
    if not output.name.endswith(contract.MODEL_SUFFIX) or output.name.endswith(beside):
        raise DptscopeError(
            f"expected an output that ends in {contract.MODEL_SUFFIX} (not {' or '.join(beside)}), got {output}"
        )
    return output


def _finish(
    model: ir.Model, card: ModelCard, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], name: str
) -> ir.Model:
    name_nodes(model)
    say_reshapes(model)
    if not card.dynamic:
        fold(model)
    model = simplify(model)
    attend_head_by_head(model)
    lengthen_rows(model)
    interpolate_rows_late(model)  # what it makes of the head's convolution stays out of the next
    convolve_by_windows(model)
    name_axes(model, inputs, outputs)
    name_values(model)
    make_scales_optional(model)
    stamp(model, card, name)
    del model.metadata_props[_PARITY_KEY]  # not measured yet
    return model


def _card(checkpoint: Checkpoint, plan: Recognition, opset: int) -> ModelCard:
    sizes = plan.sizes
    parameters, flops = cost(plan)
    identity = f"{checkpoint.sha256} {plan.variant} {plan.max_depth} {sizes} {opset} {dptscope.__version__}"
    return ModelCard(
        model_id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        family=plan.family,
        variant=plan.variant,
        architecture=plan.architecture,
        depth_kind=plan.depth_kind,
        max_depth=plan.max_depth,
        patch_size=plan.patch_size,
        size_multiple=sizes.multiple,
        native_size=sizes.native,
        dynamic=sizes.dynamic,
        preparation=plan.preparation,
        blocks=plan.blocks,
        taps=plan.taps,
        has_cls=plan.has_cls,
        fusion_channels=plan.fusion_channels,
        source_file=checkpoint.name,
        source_sha256=checkpoint.sha256,
        evidence=plan.evidence,
        exporter_version=dptscope.__version__,
        opset=opset,
        parameters=parameters,
        flops=flops,
    )
