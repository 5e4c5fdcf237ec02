"""What only the export needs of a model: the contract's inputs and outputs, in the contract's order."""

from __future__ import annotations

from torch import Tensor, nn

from dptscope_export.models.dpt import DPT
from dptscope_export.models.preview import Preview
from dptscope_export.models.registers import AddedRegisters, Wanted

# Name of the attribute that holds the model in both wrappers; taken off the module paths in the graph.
MODEL_ATTRIBUTE = "model"


class WholeGraph(nn.Module):
    """Image and scales to everything in :meth:`dptscope_export.families.base.ExportPlan.outputs`."""

    def __init__(self, model: DPT) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        image: Tensor,
        fusion_scale_1: Tensor,
        fusion_scale_2: Tensor,
        fusion_scale_3: Tensor,
        fusion_scale_4: Tensor,
    ) -> tuple[Tensor, ...]:
        features = self.model.features(image)
        scales = (fusion_scale_1, fusion_scale_2, fusion_scale_3, fusion_scale_4)
        maps = self.model.maps(features.fusion_inputs, scales)
        special = (features.block_cls_tokens, features.block_register_tokens)
        special_tokens = [tokens for tokens in special if tokens is not None]
        return (*maps, *features.block_tokens, *special_tokens, *features.fusion_inputs, features.embedded_tokens)


class WholeGraphWithRegisters(WholeGraph):
    """The same for a model with hooks for registers at test time."""

    def __init__(self, model: DPT, hooks: AddedRegisters) -> None:
        super().__init__(model)
        self._hooks = hooks

    def forward(  # type: ignore[override]  # more inputs
        self,
        image: Tensor,
        fusion_scale_1: Tensor,
        fusion_scale_2: Tensor,
        fusion_scale_3: Tensor,
        fusion_scale_4: Tensor,
        register_tokens: Tensor,
        register_neurons: Tensor,
        register_values: Tensor,
        probe_positions: Tensor,
    ) -> tuple[Tensor, ...]:
        self._hooks.want(Wanted(register_tokens, register_neurons, register_values, probe_positions))
        outputs = super().forward(image, fusion_scale_1, fusion_scale_2, fusion_scale_3, fusion_scale_4)
        return (*outputs, *self._hooks.outputs())


class FusionGraph(nn.Module):
    """The companion and the preview: fusion inputs and scales to depth."""

    def __init__(self, model: DPT | Preview) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        fusion_input_1: Tensor,
        fusion_input_2: Tensor,
        fusion_input_3: Tensor,
        fusion_input_4: Tensor,
        fusion_scale_1: Tensor,
        fusion_scale_2: Tensor,
        fusion_scale_3: Tensor,
        fusion_scale_4: Tensor,
    ) -> Tensor:
        fusion_inputs = (fusion_input_1, fusion_input_2, fusion_input_3, fusion_input_4)
        scales = (fusion_scale_1, fusion_scale_2, fusion_scale_3, fusion_scale_4)
        return self.model.depth(fusion_inputs, scales)
