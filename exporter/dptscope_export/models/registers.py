"""Registers at test time (Jiang et al. 2025, "Vision Transformers Don't Need Trained Registers", arXiv 2506.08010): tokens
that are appended to a photo's own, and take over what a few neurons of the MLPs would make of some patches.

Written from the paper's description. For a neuron that is named, every appended token gets the activation of largest
magnitude that any patch of the photo has, and every patch gets a value of the caller's choice, zero in the paper. The class
token keeps its own. The paper's released code takes one such activation for all the neurons of a block, of any token, and
looks for it in the first photo of a batch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dptscope_export.models.beit import BeitEncoder, RelativeBias
from dptscope_export.models.depth_anything_3_any_view import AnyViewEncoder
from dptscope_export.models.dinov2 import MLP, DinoV2Encoder, SwiGLU
from dptscope_export.models.dpt import DPT
from dptscope_export.models.rotary import RotaryPositions, Rotation, Rotations
from dptscope_export.models.tips import TipsEncoder
from dptscope_export.models.vit import ViTEncoder
from dptscope_export.models.vit_dpt import TokensDPT

ENCODERS = (DinoV2Encoder, TipsEncoder, ViTEncoder, BeitEncoder, AnyViewEncoder)
"""Those in which a token without a place can be appended: not in windows."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of one run. Each may be empty: then the run is that of the model as it is.

    Attributes:
        register_tokens: tokens that are appended, ``[registers, channels]``.
        register_neurons: block and index of each neuron, int64 ``[neurons, 2]``.
        register_values: what the patches have in place of that neuron's activation, ``[neurons]``.
        probe_positions: patches in reading order whose hidden activations are wanted, int64 ``[probes]``.
    """

    register_tokens: Tensor
    register_neurons: Tensor
    register_values: Tensor
    probe_positions: Tensor


class TakeOver(nn.Module):
    """What a block's MLP writes differently: an addend to the output of its last layer.

    The hidden activations themselves are neither copied nor changed: that would cost a fifth of the run.
    """

    def forward(self, hidden_btm: Tensor, weight_mc: Tensor, block: int, run: _Run) -> Tensor:
        own_btn = hidden_btm.index_select(2, run.indices_n)
        of_patches_btn = own_btn * run.is_patch_t1
        highest_b1n = of_patches_btn.amax(1, keepdim=True)
        lowest_b1n = of_patches_btn.amin(1, keepdim=True)
        peak_b1n = torch.where(highest_b1n >= -lowest_b1n, highest_b1n, lowest_b1n)
        for_patches_btn = (run.wanted.register_values - own_btn) * run.is_patch_t1
        for_registers_btn = (peak_b1n - own_btn) * run.is_register_t1
        # Neurons of other blocks have an index here, too; what they write is nothing.
        weight_nc = weight_mc.index_select(0, run.indices_n) * run.is_of_block_n1[block]
        return (for_patches_btn + for_registers_btn) @ weight_nc


@dataclass
class _Run:
    """What the blocks of one run share, and what they give.

    Attributes:
        wanted: of the run.
        indices_n: of the neurons, each within its block.
        is_of_block_n1: for each block, 1 where a neuron is of it, else 0.
        is_patch_t1, is_register_t1: 1 for a patch or an appended token, else 0.
        places_p: of the probes, among all tokens.
        probes: hidden activations ``[batch, probes, hidden]`` of each block.
        appended: tokens ``[batch, registers, channels]`` that leave each block.
    """

    wanted: Wanted
    indices_n: Tensor
    is_of_block_n1: tuple[Tensor, ...]
    is_patch_t1: Tensor
    is_register_t1: Tensor
    places_p: Tensor
    probes: list[Tensor] = field(default_factory=list)
    appended: list[Tensor] = field(default_factory=list)


class Append(nn.Module):
    """Appends the registers before the first block, and makes what all blocks share."""

    def forward(self, tokens_bnc: Tensor, wanted: Wanted, special: int, blocks: int) -> tuple[Tensor, _Run]:
        registers_brc = wanted.register_tokens.expand(tokens_bnc.shape[0], -1, -1)
        place_t1 = torch.arange(tokens_bnc.shape[1] + wanted.register_tokens.shape[0])[:, None]
        is_register_t1 = place_t1 >= tokens_bnc.shape[1]
        is_patch_t1 = (place_t1 >= special) & ~is_register_t1
        blocks_n, indices_n = wanted.register_neurons.unbind(1)
        run = _Run(
            wanted=wanted,
            indices_n=indices_n,
            is_of_block_n1=tuple((blocks_n == block)[:, None].float() for block in range(blocks)),
            is_patch_t1=is_patch_t1.float(),
            is_register_t1=is_register_t1.float(),
            places_p=wanted.probe_positions + special,
        )
        return torch.cat([tokens_bnc, registers_brc], dim=1), run


class AddedRegisters:
    """Hooks that let a model run with registers, as it is otherwise.

    Args:
        model: whose tokens all attend to all others.
        special: tokens before the patches.
    """

    def __init__(self, model: TokensDPT, special: int) -> None:
        self._encoder = model.encoder
        self._special = special
        self._wanted: Wanted | None = None
        self._run: _Run | None = None
        self._append = Append()
        self._names = [name for name, _ in model.encoder.named_children() if name.startswith("block_")]

    def want(self, wanted: Wanted) -> None:
        """Say what the next run is to be."""
        self._wanted = wanted

    def outputs(self) -> tuple[Tensor, Tensor]:
        """Of the last run: hidden activations ``[batch, blocks, probes, hidden]`` and appended tokens that leave each block
        ``[batch, blocks, registers, channels]``."""
        assert self._run is not None
        return torch.stack(self._run.probes, dim=1), torch.stack(self._run.appended, dim=1)

    @contextmanager
    def installed(self) -> Iterator[AddedRegisters]:
        """Hook into the encoder, and let go of it in the end."""
        blocks = [self._encoder.get_submodule(name) for name in self._names]
        self._encoder.add_module("added_registers", self._append)
        hooks = [
            blocks[0].register_forward_pre_hook(self._begin),
            self._encoder.register_forward_hook(self._separate),
        ]
        for index, block in enumerate(blocks):
            mlp = block.get_submodule("mlp")
            take_over = TakeOver()
            mlp.add_module("registers", take_over)
            hooks.append(last_layer(mlp).register_forward_hook(self._writer(index, take_over)))
        for module in self._encoder.modules():
            if isinstance(module, RelativeBias):
                hooks.append(module.register_forward_hook(self._widen))
            elif isinstance(module, RotaryPositions):
                hooks.append(module.register_forward_hook(self._leave_unturned))
        try:
            yield self
        finally:
            for hook in hooks:
                hook.remove()
            for block in blocks:
                delattr(block.get_submodule("mlp"), "registers")
            delattr(self._encoder, "added_registers")

    def _begin(self, _block: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        assert self._wanted is not None
        tokens_bnc, *others = inputs
        tokens_btc, self._run = self._append(tokens_bnc, self._wanted, self._special, len(self._names))
        return (tokens_btc, *others)

    def _widen(self, _bias: nn.Module, _inputs: object, bias_hnn: Tensor) -> Tensor:
        """An appended token has no place: its logits, with every token, are those of its query and key alone."""
        assert self._wanted is not None
        registers = self._wanted.register_tokens.shape[0]
        return F.pad(bias_hnn, (0, registers, 0, registers))

    def _leave_unturned(self, _positions: nn.Module, _inputs: object, rotations: Rotations) -> Rotations:
        """An appended token has no place: its queries and keys are as the projection has them, like the camera token's."""
        assert self._wanted is not None
        rows = (0, 0, 0, self._wanted.register_tokens.shape[0])

        def with_appended(rotation: Rotation) -> Rotation:
            return Rotation(F.pad(rotation.cos_nd, rows, value=1.0), F.pad(rotation.sin_nd, rows))

        return Rotations(with_appended(rotations.local), with_appended(rotations.everywhere))

    def _writer(self, block: int, take_over: TakeOver) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
        def write(layer: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
            run, (hidden_btm,) = self._run, inputs
            assert run is not None and isinstance(layer, nn.Linear)
            run.probes.append(hidden_btm.index_select(1, run.places_p))
            # The layer once more: a large weight that is transposed in two places, torch's exporter leaves to be transposed
            # in every run. What the layer itself gave is not in the graph, since nothing reads it.
            weight_mc = layer.weight.t()
            addend_btc: Tensor = take_over(hidden_btm, weight_mc, block, run)
            return hidden_btm @ weight_mc + layer.bias + addend_btc

        return write

    def _separate(
        self, _encoder: nn.Module, _inputs: object, output: tuple[list[Tensor], int, int]
    ) -> tuple[list[Tensor], int, int]:
        assert self._run is not None
        (before_bnc, *after), grid_h, grid_w = output
        end = self._special + grid_h * grid_w
        self._run.appended = [tokens_btc[:, end:] for tokens_btc in after]
        return [before_bnc, *(tokens_btc[:, :end] for tokens_btc in after)], grid_h, grid_w


def last_layer(mlp: nn.Module) -> nn.Linear:
    """The layer that reads the hidden activations."""
    assert isinstance(mlp, MLP | SwiGLU)
    return mlp.w3 if isinstance(mlp, SwiGLU) else mlp.fc2


def hidden_width(model: DPT) -> int | None:
    """Neurons of a block's MLP, of a model that registers can be added to; None: they cannot."""
    if not isinstance(model, TokensDPT) or type(model.encoder) not in ENCODERS:
        return None
    return last_layer(model.encoder.get_submodule("block_00.mlp")).in_features
