"""What is traced once and used again: blocks that are alike, and the decoder. The graphs are the same as without that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from support.graphs import run
from support.seeded import write_tiny
from torch import Tensor, nn
from torch.export import Dim

from dptscope import contract
from dptscope.contract import TensorSpec
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import ExportOptions, recognise
from dptscope_export.graph import trace
from dptscope_export.graph.cut import cut
from dptscope_export.graph.naming import name_axes, name_nodes, name_values
from dptscope_export.pipeline import build, example_fusion_inputs

WIDTH = 8


class Block(nn.Module):
    """Notes down which blocks are really run."""

    def __init__(self, eps: float, ran: Callable[[nn.Module], None]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, eps=eps)
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.ran = ran

    def forward(self, tokens_bnc: Tensor, bias_c: Tensor) -> Tensor:
        self.ran(self)
        return tokens_bnc + self.fc(self.norm(tokens_bnc)) * bias_c


class Encoder(nn.Module):
    """Blocks 0, 1, 2 and 4 are alike; 3 has another epsilon, and 5 is called with another tensor."""

    def __init__(self, ran: Callable[[nn.Module], None]) -> None:
        super().__init__()
        for index in range(6):
            self.add_module(f"block_{index:02d}", Block(0.5 if index == 3 else 0.1, ran))

    def forward(self, tokens_bnc: Tensor, bias_c: Tensor) -> Tensor:
        other_c = bias_c + 1
        for index in range(6):
            tokens_bnc = self.get_submodule(f"block_{index:02d}")(tokens_bnc, other_c if index == 5 else bias_c)
        return tokens_bnc


def told(model: ir.Model) -> list[str]:
    """All that a graph computes, under the names that it is read by."""
    name_nodes(model)
    name_values(model)
    nodes = [f"{node} {sorted(map(str, node.attributes.values()))}" for node in model.graph]
    weights = {name: value.const_value.numpy().tolist() for name, value in sorted(model.graph.initializers.items())}  # type: ignore[union-attr]
    return [*nodes, *map(str, weights.items())]


def traced(encoder: Encoder) -> ir.Model:
    tokens, bias = TensorSpec("tokens", ("b", "n", WIDTH), ""), TensorSpec("bias", (WIDTH,), "")
    return trace.export_graph(
        encoder,
        examples=(torch.zeros(2, 5, WIDTH), torch.zeros(WIDTH)),
        dynamic_shapes=({0: Dim("b"), 1: Dim("n")}, None),
        inputs=(tokens, bias),
        outputs=(TensorSpec("out", ("b", "n", WIDTH), ""),),
        opset=20,
    )


def test_blocks_that_are_alike_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[nn.Module] = []
    encoder = Encoder(ran.append)
    model = traced(encoder)
    blocks = dict(encoder.named_children())
    assert ran == [blocks["block_00"], blocks["block_03"], blocks["block_05"]]
    assert not any("forward" in vars(module) for module in encoder.modules())
    generator = np.random.default_rng(0)
    feeds: dict[str, Any] = {
        "tokens": generator.normal(size=(3, 7, WIDTH)).astype(np.float32),
        "bias": generator.normal(size=WIDTH).astype(np.float32),
    }
    with torch.no_grad():
        wanted = encoder(*map(torch.from_numpy, feeds.values())).numpy()
    np.testing.assert_allclose(run(model, feeds), wanted, atol=1e-5)

    monkeypatch.setattr(trace, "traced_once", lambda _: nullcontext())
    ran.clear()
    encoder.another = True  # so that support.kept_traces takes it for another module
    followed = traced(encoder)
    assert len(ran) == 6
    assert told(model) == told(followed)


def test_the_companion_is_the_whole_graphs_decoder(tmp_path: Path) -> None:
    """As if it were traced by itself, where the sizes of the encoder that it knows are those of a map that it is given."""
    checkpoint = read_checkpoint(write_tiny(tmp_path / "tiny.safetensors"))
    plan = recognise(checkpoint, ExportOptions())
    model = build(checkpoint, plan)
    inputs = (*contract.fusion_inputs(plan.fusion_channels), *contract.fusion_scale_inputs())
    whole = trace.trace_whole(model, plan, 20)
    part = cut(whole, inputs, contract.depth_output())
    assert part is not None
    alone = trace.trace_fusion(model, example_fusion_inputs(model, plan.sizes), True, contract.depth_output(), 20)
    for graph in (part, alone):
        name_axes(graph, inputs, (contract.depth_output(),))
    assert told(part) == told(alone)
    tokens = contract.model_outputs(plan.blocks, True, plan.fusion_channels)[1]
    assert cut(whole, inputs, tokens) is None  # they are of the image
