"""MiDaS 3.1 with a BEiT encoder: ``dpt_beit_base_384``, ``dpt_beit_large_384``, ``dpt_beit_large_512`` and the other sizes.

Everything is in the tensors: heads and native grid in a bias table's shape, the rest in widths and counts. The
layer-norm epsilon is the original's 1e-6 in both layouts; Hugging Face configs say 1e-12, which shows only in the
norms."""

from __future__ import annotations

import math

from dptscope import BlockSpec
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.errors import CheckpointError
from dptscope_export.families import midas
from dptscope_export.families.base import ExportOptions, ExportPlan
from dptscope_export.families.beit_keys import hugging_face_keys, original_keys
from dptscope_export.families.config_values import expect, out_indices
from dptscope_export.families.plain_vit import last_of_each_quarter, plan_any_size
from dptscope_export.models.beit import CLS_ENTRIES, BeitConfig
from dptscope_export.models.midas_beit import MidasBeit, MidasBeitConfig
from dptscope_export.models.reassemble import STAGES

VARIANT = "midas-beit"

_PUBLISHED = {(768, 12): "base", (1024, 24): "large"}  # by width and blocks

_ORIGINAL_TABLE = "pretrained.model.blocks.0.attn.relative_position_bias_table"
_HUGGING_FACE_TABLE = "backbone.encoder.layer.0.attention.attention.relative_position_bias.relative_position_bias_table"


class BeitFamily:
    """MiDaS 3.1 with BEiT, of any size."""

    title = "MiDaS BEiT"

    def knows(self, checkpoint: Checkpoint) -> bool:
        return _ORIGINAL_TABLE in checkpoint.tensors or _HUGGING_FACE_TABLE in checkpoint.tensors

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        midas.check_wishes(VARIANT, options)
        original = _ORIGINAL_TABLE in checkpoint.tensors
        encoder = _encoder_config(checkpoint, original)
        taps = _taps(checkpoint, encoder.blocks)
        decoder = midas.decoder_widths(checkpoint, original)
        projects = (
            (f"pretrained.act_postprocess{stage}.3.weight" for stage in STAGES)
            if original
            else (f"neck.reassemble_stage.layers.{stage - 1}.projection.weight" for stage in STAGES)
        )
        first, second, third, fourth = (checkpoint.shape(name)[0] for name in projects)
        config = MidasBeitConfig(
            encoder=encoder,
            taps=taps,
            stage_channels=(first, second, third, fourth),
            fusion_channels=decoder.fusion,
            middle_channels=decoder.middle,
            head_channels=decoder.head,
        )
        patch = encoder.patch_size
        native = encoder.native_grid * patch
        name = _PUBLISHED.get((encoder.width, encoder.blocks), f"{encoder.width}x{encoder.blocks}")
        return ExportPlan(
            family="midas_beit",
            variant=VARIANT,
            architecture=f"beit_{name}_{native}",
            layout="original" if original else "Hugging Face",
            evidence="the tensors' names and shapes",
            key_map=(original_keys if original else hugging_face_keys)(encoder.blocks),
            build=lambda: MidasBeit(config),
            sizes=plan_any_size(options, native, patch),
            preparation=midas.preparation("minimal"),
            blocks=(BlockSpec(channels=encoder.width, stride=patch),) * encoder.blocks,
            taps=taps,
            has_cls=True,
            fusion_channels=decoder.fusion,
            patch_size=patch,
        )


def _encoder_config(checkpoint: Checkpoint, original: bool) -> BeitConfig:
    blocks, mlp, patch = (
        ("pretrained.model.blocks.", "pretrained.model.blocks.0.mlp.fc1", "pretrained.model.patch_embed.proj")
        if original
        else (
            "backbone.encoder.layer.",
            "backbone.encoder.layer.0.intermediate.dense",
            "backbone.embeddings.patch_embeddings.projection",
        )
    )
    table = _ORIGINAL_TABLE if original else _HUGGING_FACE_TABLE
    rows, heads = midas.two(checkpoint, table)
    offsets = math.isqrt(max(rows - CLS_ENTRIES, 0))
    if offsets % 2 == 0 or offsets**2 + CLS_ENTRIES != rows:
        raise CheckpointError(
            f"{checkpoint.name}: expected (2 g - 1)² + {CLS_ENTRIES} rows in {table} for a grid of g × g, got {rows}"
        )
    width = checkpoint.shape(f"{patch}.weight")[0]
    if width % heads:
        raise CheckpointError(f"{checkpoint.name}: expected a width that {heads} heads divide, got {width}")
    return BeitConfig(
        width=width,
        blocks=checkpoint.count(blocks),
        heads=heads,
        mlp_width=checkpoint.shape(f"{mlp}.weight")[0],
        native_grid=(offsets + 1) // 2,
        patch_size=checkpoint.shape(f"{patch}.weight")[-1],
    )


def _taps(checkpoint: Checkpoint, blocks: int) -> tuple[int, int, int, int]:
    """The last block of each quarter, as in the original; a Hugging Face config may say other ones."""
    if checkpoint.config is None:
        return last_of_each_quarter(checkpoint, blocks)
    backbone = midas.backbone_config(checkpoint, "beit")
    expect(
        checkpoint.name,
        backbone,
        {
            "use_shared_relative_position_bias": (False,),
            "use_absolute_position_embeddings": (False,),
            "hidden_act": ("gelu",),
        },
    )
    first, second, third, fourth = out_indices(checkpoint.name, backbone, blocks)
    return first - 1, second - 1, third - 1, fourth - 1
