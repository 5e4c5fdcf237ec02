"""Where the tensors of a Swin V2 model are in the original MiDaS checkpoints and in the Hugging Face layout."""

from __future__ import annotations

from collections.abc import Sequence

from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.families import midas
from dptscope_export.models.reassemble import STAGES


def original_keys(depths: Sequence[int]) -> KeyMap:
    """The layout of ``dpt_swin2_large_384.pt`` and its sisters; ``depths`` are the blocks of each stage."""
    modules: dict[str, str | tuple[str, ...]] = dict(midas.original_decoder())
    modules["encoder.patch_embed"] = "pretrained.model.patch_embed.proj"
    modules["encoder.patch_norm"] = "pretrained.model.patch_embed.norm"
    tensors: dict[str, Source] = {}
    for stage, index, ours in _blocks(depths):
        theirs = f"pretrained.model.layers.{stage - 1}.blocks.{index}"
        modules |= {
            f"{ours}.attention.qkv": f"{theirs}.attn.qkv",
            f"{ours}.attention.proj": f"{theirs}.attn.proj",
            f"{ours}.attention.position_bias.fc1": f"{theirs}.attn.cpb_mlp.0",
            f"{ours}.attention.position_bias.fc2": f"{theirs}.attn.cpb_mlp.2",
            f"{ours}.norm1": f"{theirs}.norm1",
            f"{ours}.mlp.fc1": f"{theirs}.mlp.fc1",
            f"{ours}.mlp.fc2": f"{theirs}.mlp.fc2",
            f"{ours}.norm2": f"{theirs}.norm2",
        }
        tensors |= {
            f"{ours}.attention.qkv.bias": Source(
                (f"{theirs}.attn.q_bias", f"{theirs}.attn.v_bias"), midas.bias_without_keys
            ),
            f"{ours}.attention.logit_scale": Source((f"{theirs}.attn.logit_scale",)),
        }
    for stage in STAGES:
        modules[f"reassemble.stage_{stage}"] = f"scratch.layer{stage}_rn"
        if stage > 1:
            for part in ("reduction", "norm"):
                modules[f"encoder.merge_{stage - 1}.{part}"] = f"pretrained.model.layers.{stage - 2}.downsample.{part}"
    unused = (
        *midas.UNUSED_ORIGINAL,
        r"pretrained\.model\.(head|norm)\..*",
        r"pretrained\.model\.layers\.\d+\.blocks\.\d+\.attn_mask",
        r"pretrained\.model\.layers\.\d+\.blocks\.\d+\.attn\.(relative_coords_table|relative_position_index|k_bias)",
    )
    return KeyMap(modules, tensors, unused)


def hugging_face_keys(depths: Sequence[int]) -> KeyMap:
    """The layout of ``Intel/dpt-swinv2-large-384`` and its sisters; ``depths`` are the blocks of each stage."""
    modules: dict[str, str | tuple[str, ...]] = dict(midas.hugging_face_decoder())
    modules["encoder.patch_embed"] = "backbone.embeddings.patch_embeddings.projection"
    modules["encoder.patch_norm"] = "backbone.embeddings.norm"
    tensors: dict[str, Source] = {}
    for stage, index, ours in _blocks(depths):
        theirs = f"backbone.encoder.layers.{stage - 1}.blocks.{index}"
        attention = f"{theirs}.attention.self"
        modules |= {
            f"{ours}.attention.qkv": (f"{attention}.query", f"{attention}.key", f"{attention}.value"),
            f"{ours}.attention.proj": f"{theirs}.attention.output.dense",
            f"{ours}.attention.position_bias.fc1": f"{attention}.continuous_position_bias_mlp.0",
            f"{ours}.attention.position_bias.fc2": f"{attention}.continuous_position_bias_mlp.2",
            f"{ours}.norm1": f"{theirs}.layernorm_before",
            f"{ours}.mlp.fc1": f"{theirs}.intermediate.dense",
            f"{ours}.mlp.fc2": f"{theirs}.output.dense",
            f"{ours}.norm2": f"{theirs}.layernorm_after",
        }
        tensors |= {
            f"{ours}.attention.qkv.bias": Source(
                (f"{attention}.query.bias", f"{attention}.value.bias"), midas.bias_without_keys
            ),
            f"{ours}.attention.logit_scale": Source((f"{attention}.logit_scale",)),
        }
    for stage in STAGES:
        modules[f"reassemble.stage_{stage}"] = f"neck.convs.{stage - 1}"
        if stage > 1:
            for part in ("reduction", "norm"):
                modules[f"encoder.merge_{stage - 1}.{part}"] = f"backbone.encoder.layers.{stage - 2}.downsample.{part}"
    unused = (
        *midas.UNUSED_HUGGING_FACE,
        r"backbone\.encoder\.layers\.\d+\.blocks\.\d+\.attention\.self\.relative_(coords_table|position_index)",
    )
    return KeyMap(modules, tensors, unused)


def _blocks(depths: Sequence[int]) -> list[tuple[int, int, str]]:
    """For every block its stage, its index in the stage, and the path of our module; that one counts through."""
    where = [(stage, index) for stage, depth in zip(STAGES, depths, strict=True) for index in range(depth)]
    return [(stage, index, f"encoder.stage_{stage}.block_{number:02d}") for number, (stage, index) in enumerate(where)]
