"""Holding an exported graph's registers at test time against those of the torch model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dptscope import contract
from dptscope.session import Session, SessionOptions
from dptscope_export.errors import VerificationError
from dptscope_export.families.base import ExportPlan
from dptscope_export.models.dpt import DPT
from dptscope_export.models.registers import AddedRegisters, Wanted
from dptscope_export.models.vit_dpt import TokensDPT
from dptscope_export.verify import EXACT, SEED, lively_image, spread_of

REGISTERS, PROBES = 2, 3


def verify_registers(model: DPT, path: Path, plan: ExportPlan) -> None:
    """Run both with two registers that take over a neuron of each block, at the smallest size of the plan.

    Args:
        model: the torch model.
        path: the exported ``NAME.onnx``.
        plan: what the export is for, with registers.

    Raises:
        VerificationError: anything differs by more than float32 allows for.
    """
    assert isinstance(model, TokensDPT) and plan.mlp_width is not None
    height, width = min((plan.sizes.native, *plan.sizes.trial), key=lambda size: size[0] * size[1])
    image = lively_image(2, height, width, torch.Generator().manual_seed(SEED))
    blocks = torch.arange(len(plan.blocks))
    wanted = Wanted(
        register_tokens=torch.zeros(REGISTERS, plan.blocks[0].channels),
        register_neurons=torch.stack([blocks, (7 * blocks + 3) % plan.mlp_width], dim=1),
        register_values=torch.linspace(-0.5, 0.5, len(plan.blocks)),
        probe_positions=torch.arange(PROBES),
    )
    with torch.no_grad(), AddedRegisters(model, plan.special_tokens).installed() as hooks:
        hooks.want(wanted)
        depth = model(image)
        at_probes, appended = hooks.outputs()
    expected = {
        contract.DEPTH: (depth, EXACT.depth, spread_of(depth.numpy(), plan.max_depth or 0.0)),
        contract.MLP_AT_PROBES: (at_probes, EXACT.fusion, float(at_probes.std())),
        contract.BLOCK_APPENDED_TOKENS: (appended, EXACT.fusion, float(appended.std())),
    }
    feeds = {name: value.numpy() for name, value in vars(wanted).items()}
    session = Session(path, SessionOptions(keep_memory=False))
    got = session.run(list(expected), {contract.IMAGE: image.numpy(), **feeds})
    for array, (name, (tensor, limit, unit)) in zip(got, expected.items(), strict=True):
        difference = float(np.abs(array - tensor.numpy()).max()) if array.shape == tensor.shape else np.inf
        if not difference <= limit * max(unit, float(np.finfo(np.float32).tiny)):
            raise VerificationError(
                f"{name} with registers: expected onnxruntime within {limit:.2g} of PyTorch's {tuple(tensor.shape)}, got "
                f"{array.shape} and {difference / unit if unit else np.inf:.2g}; nothing was written"
            )
