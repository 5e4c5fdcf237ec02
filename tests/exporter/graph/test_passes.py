"""The table of passes: each can be left out, none changes the numbers, and each says truly whether it changed the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from safetensors.torch import save_file
from support import midas_oracle
from support.oracle import save_hugging_face
from support.seeded import TINY, seeded_checkpoint

import dptscope
from dptscope import ModelCard, contract
from dptscope.commands import app as cli
from dptscope.errors import DptscopeError
from dptscope_export import pipeline
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.graph.finish import Traced, finish
from dptscope_export.graph.naming import name_nodes
from dptscope_export.graph.passes import PASSES, GraphPass, choose_passes, left_out
from dptscope_export.graph.trace import trace_whole
from dptscope_export.pipeline import Exported, build, make_card

NAMES = [graph_pass.name for graph_pass in PASSES]
WIDE = 256  # channels in the fusion, as most published models have: winograd begins at half of that
SCALES = (1, 0.5, -1, 2)
DEPTH_LIMIT = 2e-5  # of its standard deviation
TOKEN_LIMIT = 1e-5  # of the largest

# The passes that find something to do in each family's graph.
EVERYWHERE = {"onnxsim", "defer-row-resize", "winograd"}
APPLIED = {
    "depth_anything": {*EVERYWHERE, "constant-reshapes", "scan-heads", "pad-rows"},
    "beit": {*EVERYWHERE, "constant-reshapes", "scan-heads"},
    "swinv2": {*EVERYWHERE, "fold-constants"},
}


@dataclass(frozen=True, eq=False)
class Case:
    """One family's small model, traced."""

    family: str
    traced: Traced
    card: Callable[[tuple[GraphPass, ...]], ModelCard]
    image: np.ndarray[Any, Any]

    exported: Exported | None = None

    def graph(self, passes: tuple[GraphPass, ...]) -> ir.Model:
        """The graph with these passes, under the card of all of them."""
        fresh = replace(self.traced, model=self.traced.model.clone())
        return finish(fresh, self.card(PASSES), passes, "small")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    return cache(lambda family: make_case(family, tmp_path_factory.mktemp(family) / "model"))


@pytest.fixture(scope="module", params=APPLIED)
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


def make_case(family: str, path: Path) -> Case:
    if family == "depth_anything":
        config = replace(TINY, encoder=replace(TINY.encoder, mlp_width=1024), fusion_channels=WIDE)
        save_file(seeded_checkpoint(config, 1), path, metadata={"variant": "depth-anything-v2"})
        path = path.rename(path.with_suffix(".safetensors"))
    elif family == "beit":
        save_hugging_face(midas_oracle.beit(seed=12, fusion=WIDE), path)
    else:
        save_hugging_face(midas_oracle.swinv2(seed=22, fusion=WIDE), path)
    checkpoint = read_checkpoint(path)
    plan = recognise(checkpoint, ExportOptions())
    exported, traced = None, None
    if family == "swinv2":  # one size, so that verifying it is quick
        exported, traced = export_readable(path)
    else:
        model = trace_whole(build(checkpoint, plan), plan, 20)
        inputs = (contract.image_input(), *plan.optional_inputs())
        traced = Traced(contract.MODEL_SUFFIX, model, inputs, plan.outputs())
    image = np.random.default_rng(6).normal(size=(1, 3, *plan.sizes.native)).astype(np.float32)
    return Case(family, traced, lambda passes: make_card(checkpoint, plan, 20, "default", passes), image, exported)


def export_readable(path: Path) -> tuple[Exported, Traced]:
    """A readable export, and on the way the whole graph as it was traced, which takes most of the time."""
    seen: list[Traced] = []

    def keep(traced: Traced, *arguments: Any) -> ir.Model:
        seen.append(replace(traced, model=traced.model.clone()))
        return finish(traced, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "finish", keep)
        return pipeline.export(path, path.with_suffix(".onnx"), form="readable"), seen[0]


def run(model: ir.Model, image: np.ndarray[Any, Any]) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feeds = {contract.IMAGE: image}
    feeds |= {contract.fusion_scale_name(k): np.float32([scale]) for k, scale in enumerate(SCALES, 1)}
    return dict(zip(names, session.run(names, feeds), strict=True))


@cache
def everything(case: Case) -> tuple[ir.Model, dict[str, Any]]:
    """The graph with all passes, and what it gives."""
    model = case.graph(PASSES)
    return model, run(model, case.image)


def signs(model: ir.Model) -> dict[str, int]:
    """What each pass leaves behind, or takes away, counted."""
    nodes = list(model.graph)
    blocks = [node for node in nodes if (node.name or "").startswith("encoder/block_")]
    return {
        "constant-reshapes": sum(node.op_type == "Reshape" and not node.inputs[1].is_initializer() for node in blocks),
        "fold-constants": sum("position_bias" in node.name for node in nodes),
        "onnxsim": len(nodes),
        "scan-heads": sum(node.op_type == "Scan" for node in nodes),
        "pad-rows": sum(1040 in value.shape for value in model.graph.initializers.values()),
        "defer-row-resize": sum("/columns/" in node.name for node in nodes),
        "winograd": sum("/winograd_" in name for name in model.graph.initializers),
    }


@pytest.mark.parametrize("name", NAMES)
def test_leave_one_out(case: Case, name: str) -> None:
    """The same numbers, and no trace of the pass; or the same file to the byte where it had nothing to do."""
    full, wanted = everything(case)
    passes = choose_passes([name])
    model = case.graph(passes)
    if name not in APPLIED[case.family]:
        assert ir.to_proto(model).SerializeToString() == ir.to_proto(full).SerializeToString()
        return
    with_it, without = signs(full)[name], signs(model)[name]
    assert with_it != without
    assert without == 0 or not next(p for p in PASSES if p.name == name).cpu_only
    check_numbers(run(model, case.image), wanted)


def test_the_portable_form(case: Case) -> None:
    """None of the passes for onnxruntime's CPU kernels, no graph within a node, and the same numbers."""
    passes = choose_passes(portable=True)
    model = case.graph(passes)
    assert [signs(model)[p.name] for p in PASSES if p.cpu_only] == [0] * len(left_out(passes))
    assert not [node for node in model.graph if any(a.type == ir.AttributeType.GRAPH for a in node.attributes.values())]
    check_numbers(run(model, case.image), everything(case)[1])


@pytest.mark.parametrize("case", ["swinv2"], indirect=True)
def test_a_readable_export_is_verified_and_works(case: Case, photo_bgr: Any) -> None:
    """With its companion, in the runtime, as any other; and it says what it is."""
    assert case.exported is not None
    model = dptscope.load(case.exported.model)
    assert (model.card.form, model.card.without) == ("readable", left_out(choose_passes(portable=True)))
    assert model.card.parity is not None
    assert model.has_companion
    calls = {node.name for node in ir.load(case.exported.model).graph if node.domain}
    assert {"encoder/stage_1/block_00", "reassemble/stage_4", "fusion/block_4", "head"} <= calls
    wanted = everything(case)[1]
    check_numbers(model.run(case.image, list(wanted), SCALES), wanted)
    scene = model.prepare(photo_bgr)
    image = np.ascontiguousarray(dptscope.prepare.prepare_image(model.card, photo_bgr))
    whole = model.run(image, [contract.DEPTH], SCALES)[contract.DEPTH][0]
    np.testing.assert_allclose(scene.raw_depth(SCALES), whole, atol=1e-5 * whole.std())


def check_numbers(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    depth = wanted[contract.DEPTH]
    assert depth.std() > 0.05, "a dull depth proves nothing"
    np.testing.assert_allclose(found[contract.DEPTH], depth, rtol=0, atol=DEPTH_LIMIT * depth.std())
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=TOKEN_LIMIT * np.abs(value).max(), err_msg=key)


def test_passes_say_whether_they_changed_anything(case: Case) -> None:
    model = case.traced.model.clone()
    name_nodes(model)
    applied = set()
    for graph_pass in PASSES:
        if graph_pass.one_size_only and case.card(PASSES).dynamic:
            continue
        result = graph_pass.apply(model)
        if result.modified:
            applied.add(graph_pass.name)
        result = graph_pass.apply(result.model)
        assert not result.modified, f"{graph_pass.name} again"
        model = result.model
    assert applied == APPLIED[case.family]


def test_the_card_says_what_was_left_out(case: Case) -> None:
    """And models that differ in it differ in their id, so that no companion of one is taken for that of another."""
    cards = [case.card(choose_passes(names)) for names in ((), ["winograd"], ["onnxsim", "winograd"])]
    assert [card.without for card in cards] == [(), ("winograd",), ("onnxsim", "winograd")]
    assert len({card.model_id for card in cards}) == 3


def test_the_table_is_complete() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for graph_pass in PASSES:
        assert graph_pass.does and graph_pass.because and graph_pass.gain, graph_pass.name
    assert left_out(choose_passes(portable=True)) == tuple(p.name for p in PASSES if p.cpu_only)


def test_an_unknown_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DptscopeError, match=r"expected a pass of constant-reshapes, .*, winograd, got strassen"):
        choose_passes(["winograd", "strassen"])
    assert cli.run(["export", str(tmp_path), "--without", "strassen"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
