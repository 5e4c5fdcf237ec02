"""What a Hugging Face ``config.json`` says about a MiDaS 3.0 model, by the rules of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families.config_values import expect, whole_numbers
from dptscope_export.models.reassemble import STAGES

# Values that the models here compute with, and what transformers takes where there is none. Its 1e-12 is not the original's
# epsilon: that is 1e-6, which moves the depth by up to 9e-5 of its std.
_DEFAULTS: dict[str, object] = {"model_type": None, "is_hybrid": False}
_ALLOWED: dict[str, tuple[object, ...]] = {
    "model_type": ("dpt",),
    "hidden_act": ("gelu",),
    "layer_norm_eps": (1e-12, 1e-6),
    "qkv_bias": (True,),
    "readout_type": ("project",),
    "head_in_index": (-1, 3),  # the finest of the four fused maps
    "add_projection": (False,),
    "use_batch_norm_in_fusion_residual": (False, None),
    "use_bias_in_fusion_residual": (None, True),
}
_ALLOWED_VIT: dict[str, tuple[object, ...]] = {"is_hybrid": (False,), "reassemble_factors": ([4, 2, 1, 0.5],)}
# The first two factors mean nothing: the maps of the ResNet are taken as they are.
_ALLOWED_HYBRID: dict[str, tuple[object, ...]] = {
    "is_hybrid": (True,),
    "reassemble_factors": ([1, 1, 1, 0.5], [4, 2, 1, 0.5]),
    "neck_ignore_stages": ([0, 1],),
}
_BACKBONE_DEFAULTS: dict[str, object] = {
    "layer_type": "preactivation",
    "global_padding": None,
    "embedding_dynamic_padding": False,
}
_ALLOWED_BACKBONE: dict[str, tuple[object, ...]] = {
    "model_type": ("bit",),
    "layer_type": ("bottleneck",),
    "global_padding": ("SAME", "same"),
    "embedding_dynamic_padding": (True,),
    "hidden_act": ("relu",),
    "num_groups": (32,),
    "output_stride": (32,),
    "width_factor": (1,),
    "out_features": (["stage1", "stage2", "stage3"],),
}
_DEFAULT_HEADS = 12
_DEFAULT_INDICES = [2, 5, 8, 11]


@dataclass(frozen=True)
class Said:
    """What no tensor tells.

    Attributes:
        heads: attention heads of a block.
        taps: indices of four blocks, in ascending order; of a hybrid the first two mean nothing.
    """

    heads: int
    taps: tuple[int, int, int, int]


def read_config(checkpoint: Checkpoint, blocks: int, hybrid: bool) -> Said:
    """Read a config that is there.

    Raises:
        CheckpointError: it is of another model, or says what is not supported.
    """
    name, config = checkpoint.name, {**_DEFAULTS, **(checkpoint.config or {})}
    expect(name, config, _ALLOWED | (_ALLOWED_HYBRID if hybrid else _ALLOWED_VIT))
    backbone = config.get("backbone_config")
    if hybrid and backbone is not None:
        if not isinstance(backbone, Mapping):
            raise CheckpointError(f"{name}: expected a backbone_config with keys in config.json, got {backbone!r:.80}")
        expect(name, {**_BACKBONE_DEFAULTS, **backbone}, _ALLOWED_BACKBONE)
    heads = config.get("num_attention_heads", _DEFAULT_HEADS)
    indices = config.get("backbone_out_indices", _DEFAULT_INDICES)
    taps = whole_numbers(indices, len(STAGES), 0, blocks - 1)
    if taps is None or any(a >= b for a, b in pairwise(taps)):
        raise CheckpointError(
            f"{name}: expected four backbone_out_indices from 0 to {blocks - 1} in config.json, in ascending order, "
            f"got {indices!r:.80}"
        )
    if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1:
        raise CheckpointError(f"{name}: expected a number of num_attention_heads in config.json, got {heads!r:.80}")
    first, second, third, fourth = taps
    return Said(heads, (first, second, third, fourth))
