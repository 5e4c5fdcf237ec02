"""The whole graph's file alone, for tests that look into it and at nothing beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from dptscope import contract
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.graph.finish import Traced, finish
from dptscope_export.graph.passes import choose_passes
from dptscope_export.graph.trace import trace_whole
from dptscope_export.models.registers import hidden_width
from dptscope_export.pipeline import build, make_card
from dptscope_export.publish import save
from dptscope_export.verify_registers import verify_registers


def whole(checkpoint: Path, path: Path, options: ExportOptions | None = None, registers: bool = False) -> Path:
    """Export without companion and preview, and without holding the file against PyTorch, but for registers."""
    read, passes = read_checkpoint(checkpoint), choose_passes()
    plan = recognise(read, options or ExportOptions())
    model: Any = build(read, plan)
    plan = replace(plan, mlp_width=hidden_width(model) if registers else None)
    card = make_card(read, plan, contract.DEFAULT_OPSET, "default", passes)
    traced = trace_whole(model, plan, card.opset)
    inputs = (contract.image_input(), *plan.optional_inputs())
    save(finish(Traced(".onnx", traced, inputs, plan.outputs()), card, passes, "p"), path)
    if registers:
        verify_registers(model, path, plan)
    return path
