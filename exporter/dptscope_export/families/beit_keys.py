"""Where the tensors of a BEiT model are in the original MiDaS checkpoints and in the Hugging Face layout."""

from __future__ import annotations

from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.families import midas
from dptscope_export.families.plain_vit import readout_sources
from dptscope_export.models.reassemble import STAGES

RESIZED_STAGES = (1, 2, 4)  # stage 3 keeps the patch grid and has no weights for it


def original_keys(blocks: int) -> KeyMap:
    """The layout of ``dpt_beit_large_512.pt`` and its sisters."""
    modules = midas.original_decoder()
    modules["encoder.patch_embed"] = "pretrained.model.patch_embed.proj"
    tensors = {"encoder.cls_token": Source(("pretrained.model.cls_token",))}
    for index in range(blocks):
        ours, theirs = f"encoder.block_{index:02d}", f"pretrained.model.blocks.{index}"
        modules |= {
            f"{ours}.{part}": f"{theirs}.{name}"
            for part, name in {
                "norm1": "norm1",
                "norm2": "norm2",
                "attention.qkv": "attn.qkv",
                "attention.proj": "attn.proj",
                "mlp.fc1": "mlp.fc1",
                "mlp.fc2": "mlp.fc2",
            }.items()
        }
        tensors |= {
            f"{ours}.attention.qkv.bias": Source(
                (f"{theirs}.attn.q_bias", f"{theirs}.attn.v_bias"), midas.bias_without_keys
            ),
            f"{ours}.attention.relative_bias.table": Source((f"{theirs}.attn.relative_position_bias_table",)),
            f"{ours}.scale1.gamma": Source((f"{theirs}.gamma_1",)),
            f"{ours}.scale2.gamma": Source((f"{theirs}.gamma_2",)),
        }
    for stage in STAGES:
        ours, theirs = f"reassemble.stage_{stage}", f"pretrained.act_postprocess{stage}"
        tensors |= readout_sources(stage, f"{theirs}.0.project.0")
        modules[f"{ours}.project"] = f"{theirs}.3"
        modules[f"{ours}.to_fusion"] = f"scratch.layer{stage}_rn"
        if stage in RESIZED_STAGES:
            modules[f"{ours}.resize"] = f"{theirs}.4"
    unused = (
        *midas.UNUSED_ORIGINAL,
        r"pretrained\.model\.(head|fc_norm)\..*",
        r"pretrained\.model\.mask_token",
        r"pretrained\.model\.blocks\.\d+\.attn\.relative_position_index",
    )
    return KeyMap(modules, tensors, unused)


def hugging_face_keys(blocks: int) -> KeyMap:
    """The layout of ``Intel/dpt-beit-large-512`` and its sisters."""
    modules: dict[str, str | tuple[str, ...]] = dict(midas.hugging_face_decoder())
    modules["encoder.patch_embed"] = "backbone.embeddings.patch_embeddings.projection"
    tensors = {"encoder.cls_token": Source(("backbone.embeddings.cls_token",))}
    for index in range(blocks):
        ours, theirs = f"encoder.block_{index:02d}", f"backbone.encoder.layer.{index}"
        attention = f"{theirs}.attention.attention"
        modules |= {
            f"{ours}.norm1": f"{theirs}.layernorm_before",
            f"{ours}.norm2": f"{theirs}.layernorm_after",
            f"{ours}.attention.qkv": (f"{attention}.query", f"{attention}.key", f"{attention}.value"),
            f"{ours}.attention.proj": f"{theirs}.attention.output.dense",
            f"{ours}.mlp.fc1": f"{theirs}.intermediate.dense",
            f"{ours}.mlp.fc2": f"{theirs}.output.dense",
        }
        table = f"{attention}.relative_position_bias.relative_position_bias_table"
        tensors |= {
            f"{ours}.attention.qkv.bias": Source(
                (f"{attention}.query.bias", f"{attention}.value.bias"), midas.bias_without_keys
            ),
            f"{ours}.attention.relative_bias.table": Source((table,)),
            f"{ours}.scale1.gamma": Source((f"{theirs}.lambda_1",)),
            f"{ours}.scale2.gamma": Source((f"{theirs}.lambda_2",)),
        }
    for stage in STAGES:
        ours, theirs = f"reassemble.stage_{stage}", f"neck.reassemble_stage.layers.{stage - 1}"
        tensors |= readout_sources(stage, f"neck.reassemble_stage.readout_projects.{stage - 1}.0")
        modules[f"{ours}.project"] = f"{theirs}.projection"
        modules[f"{ours}.to_fusion"] = f"neck.convs.{stage - 1}"
        if stage in RESIZED_STAGES:
            modules[f"{ours}.resize"] = f"{theirs}.resize"
    unused = (
        *midas.UNUSED_HUGGING_FACE,
        r"backbone\.encoder\.layer\.\d+\.attention\.attention\.relative_position_bias\.relative_position_index",
    )
    return KeyMap(modules, tensors, unused)
