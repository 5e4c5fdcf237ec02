"""Checkpoint to verified files, stage by stage."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch

import dptscope
from dptscope import ModelCard, contract
from dptscope.card import Form, ModelSpec
from dptscope.contract import DEFAULT_OPSET, companion_path, preview_path
from dptscope.errors import DptscopeError
from dptscope_export.checkpoints.file_names import own_stem
from dptscope_export.checkpoints.key_map import load_strictly
from dptscope_export.checkpoints.read import Checkpoint, read_checkpoint
from dptscope_export.cost import cost
from dptscope_export.families import ExportOptions, ExportPlan, recognise
from dptscope_export.graph.cut import cut
from dptscope_export.graph.finish import Traced, finish, rounded
from dptscope_export.graph.metadata import PARITY_KEY, WEIGHTS_KEY
from dptscope_export.graph.passes import GraphPass, choose_passes, left_out
from dptscope_export.graph.trace import FusionInputs, example_fusion_inputs, trace_fusion, trace_whole
from dptscope_export.inside import check_inside
from dptscope_export.limits import check_memory_and_disk
from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import Preview, choose_level
from dptscope_export.models.registers import hidden_width
from dptscope_export.publish import append_metadata, publish, save, save_again, staging_folder
from dptscope_export.verify import ROUNDED, verify
from dptscope_export.verify_registers import verify_registers

OLDEST_OPSET = 18
NEWEST_OPSET = 23
TESTED_TORCH = "2.13"  # what the tests run with; held to requirements/all.txt by tests/test_supply.py

STAGES = ("read", "recognise", "load", "trace", "trace fusion", "trace preview", "verify", "publish")

Report = Callable[[str, str], None]


def silent(_stage: str, _detail: str) -> None:
    """Report nothing."""


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
    options: ExportOptions | None = None,
    opset: int = DEFAULT_OPSET,
    report: Report = silent,
    name: str | None = None,
    form: Form = "default",
    without: Collection[str] = (),
    key: str | None = None,
    half: bool = False,
    registers: bool = False,
) -> Exported:
    """Export a checkpoint to ``NAME.onnx``, ``NAME.fusion.onnx`` and ``NAME.preview.onnx``.

    Args:
        checkpoint_path: a checkpoint file or a Hugging Face folder.
        output: path of the model to write; by default the checkpoint's name in the current folder.
        options: what the checkpoint cannot tell, and which sizes the export is for.
        opset: ONNX operator set, 18 to 23.
        report: called as ``report(stage, detail)`` when a stage of :data:`STAGES` begins or has something to say.
        name: what messages and metadata call the checkpoint; its file's or folder's name if None.
        form: ``default``, for onnxruntime on a CPU; ``portable``, in operators that every engine has; ``readable``, the
            portable ones in one function a block, see :mod:`dptscope_export.graph.functions.extract`.
        without: names of graph passes to leave out, of :data:`dptscope_export.graph.passes.PASSES`.
        key: name of the model in the file, where a training script put several there.
        half: store the weights in float16, see :mod:`dptscope_export.graph.half`.
        registers: let the model run with registers at test time, see :mod:`dptscope_export.models.registers`.

    Raises:
        DptscopeError: with one line that says what was expected and what was got; nothing has been written then.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise DptscopeError(f"expected an opset from {OLDEST_OPSET} to {NEWEST_OPSET}, got {opset}")
    passes = choose_passes(without, portable=form != "default")
    target = _target(checkpoint_path, output)
    with staging_folder(target) as staged:
        report("read", name or checkpoint_path.name)
        checkpoint = read_checkpoint(checkpoint_path, name, key)
        report("recognise", "")
        plan = recognise(checkpoint, options or ExportOptions())
        plan = replace(plan, mlp_width=_mlp_width(plan)) if registers else plan
        card = make_card(checkpoint, plan, opset, form, passes, half)
        assert card.parameters is not None
        check_memory_and_disk(card.parameters, target)
        report("load", f"{plan.variant} {plan.architecture} ({plan.evidence})")
        model = build(checkpoint, plan)
        check_inside(model, plan, checkpoint.name)
        notes = (*checkpoint.notes, *plan.notes, *_release_notes(torch.__version__))
        del checkpoint

        staged_model = staged / target.name
        staged_files = (staged_model, companion_path(staged_model), preview_path(staged_model))
        examples = example_fusion_inputs(model, plan.sizes)
        preview = make_preview(model, plan, examples)
        digests: dict[str, str] = {}
        for traced in trace_graphs(model, preview, plan, examples, opset, report):
            graph = finish(traced, card, passes, target.stem)
            digests[traced.suffix] = graph.metadata_props[WEIGHTS_KEY]
            save(graph, staged / f"{target.stem}{traced.suffix}")
            del traced, graph  # before the next is made: large models need the room
        gc.collect()  # the traced programs hold cycles

        tell = partial(report, "verify")
        parity = verify(model, preview, staged_model, plan, tell)
        if registers:
            tell("registers")
            verify_registers(model, staged_model, plan)
        if half:
            for path in staged_files:
                graph = rounded(path)
                digests[path.name.removeprefix(target.stem)] = graph.metadata_props[WEIGHTS_KEY]
                save_again(graph, path)
                del graph
            parity = verify(model, preview, staged_model, plan, lambda at: tell(f"float16 {at}"), ROUNDED)
        report("publish", target.name)
        card = replace(card, parity=parity, weights_sha256=digests[contract.MODEL_SUFFIX])
        for path in staged_files:
            append_metadata(path, {PARITY_KEY: card.to_metadata()[PARITY_KEY]})
        files = publish(staged, target)
    return Exported(
        target,
        companion_path(target),
        preview_path(target),
        tuple(files),
        card,
        notes,
    )


def _release_notes(release: str) -> tuple[str, ...]:
    """Note a PyTorch newer than the tested one. None is refused: a graph that differs does not pass the verification."""
    major, minor = (int(part) for part in release.split(".")[:2])
    if (major, minor) <= tuple(int(part) for part in TESTED_TORCH.split(".")):
        return ()
    return (f"PyTorch {release} is newer than the one that this dptscope is tested with ({TESTED_TORCH})",)


def trace_graphs(
    model: DPT, preview: Preview, plan: ExportPlan, examples: FusionInputs, opset: int, report: Report = silent
) -> Iterator[Traced]:
    """Trace the whole graph, the companion and the preview, each when it is asked for."""
    scales = contract.fusion_scale_inputs()
    inputs = (*contract.fusion_inputs(plan.fusion_channels), *scales)
    depth, dynamic = contract.depth_output(), plan.sizes.dynamic
    report("trace", "")
    whole = trace_whole(model, plan, opset)
    companion = cut(whole, inputs, depth)
    yield Traced(contract.MODEL_SUFFIX, whole, (contract.image_input(), *plan.optional_inputs()), plan.outputs())
    del whole
    report("trace fusion", "")
    companion = companion or trace_fusion(model, examples, dynamic, depth, opset)
    yield Traced(contract.COMPANION_SUFFIX, companion, inputs, (depth,))
    del companion
    report("trace preview", "")
    depth = contract.preview_output()
    yield Traced(contract.PREVIEW_SUFFIX, trace_fusion(preview, examples, dynamic, depth, opset), inputs, (depth,))


def make_preview(model: DPT, plan: ExportPlan, examples: FusionInputs) -> Preview:
    """The model's preview, at the level that its native size affords."""
    (height, width), (traced_height, traced_width) = plan.sizes.native, plan.sizes.traced
    larger = height * width / (traced_height * traced_width)
    pixels = tuple(map_bchw.shape[2] * map_bchw.shape[3] * larger for map_bchw in examples)
    return Preview(model, choose_level(plan.fusion_channels, pixels)).eval()


def build(checkpoint: Checkpoint, plan: ExportPlan) -> DPT:
    """The torch model with the checkpoint's weights, ready to run on the CPU.

    Raises:
        CheckpointError: the tensors are not the model's.
    """
    with torch.device("meta"):
        model = plan.build()
    load_strictly(model, checkpoint, plan.key_map)
    return model.eval().requires_grad_(False)


def _mlp_width(plan: ExportPlan) -> int:
    """Neurons of a block's MLP.

    Raises:
        DptscopeError: it is a model that no token can be appended to.
    """
    with torch.device("meta"):
        width = hidden_width(plan.build())
    if width is None:
        raise DptscopeError(
            "--registers: expected a model in which every token attends to every other, and one without a place can be "
            f"appended, got {plan.variant}; leave the option out"
        )
    return width


def _target(checkpoint_path: Path, output: Path | None) -> Path:
    if output is None:
        output = Path(own_stem(checkpoint_path) + contract.MODEL_SUFFIX)
    beside = (contract.COMPANION_SUFFIX, contract.PREVIEW_SUFFIX)
    if not output.name.endswith(contract.MODEL_SUFFIX) or output.name.endswith(beside):
        raise DptscopeError(
            f"expected an output that ends in {contract.MODEL_SUFFIX} (not {' or '.join(beside)}), got {output}"
        )
    return output


def make_card(
    checkpoint: Checkpoint,
    plan: ExportPlan,
    opset: int,
    form: Form,
    passes: Collection[GraphPass],
    half: bool = False,
) -> ModelCard:
    """The card of a model whose parity is not measured yet. Its id covers all that makes one graph differ from another."""
    sizes, without = plan.sizes, left_out(passes)
    counted = cost(plan)
    made = f"{sizes} {opset} {form} {without} {dptscope.__version__}{' float16' if half else ''}"
    made += "" if plan.mlp_width is None else " registers"
    identity = f"{checkpoint.sha256} {plan.variant} {plan.max_depth} {made}{checkpoint.key and f' {checkpoint.key}'}"
    return ModelCard(
        model_id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        **{field.name: getattr(plan, field.name) for field in fields(ModelSpec)},
        size_multiple=sizes.multiple,
        native_size=sizes.native,
        dynamic=sizes.dynamic,
        source_file=checkpoint.name,
        source_sha256=checkpoint.sha256,
        exporter_version=dptscope.__version__,
        opset=opset,
        parameters=counted.parameters,
        flops=counted.flops,
        form=form,
        without=without,
        storage="float16" if half else "float32",
        heads=counted.heads,
        attention_matrices=counted.attention_matrices("scan-heads" in {made.name for made in passes}),
    )
