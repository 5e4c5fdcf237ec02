"""Where the tensors of MiDaS 3.0's models are in the original checkpoints and in the Hugging Face layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dptscope_export.checkpoints.key_map import KeyMap, Source
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.families import midas
from dptscope_export.families.plain_vit import readout_sources
from dptscope_export.models.reassemble import STAGES
from dptscope_export.models.resnet import as_column, standardise


@dataclass(frozen=True)
class Layout:
    """How one layout names what the sizes are read from, and what differs from the other by a word only.

    Attributes:
        name: for people.
        position: table of the position embedding.
        cls_token: the class token.
        patch: module that makes tokens of an image's patches.
        patch_of_map: the same behind a ResNet.
        blocks: what stands before the number of a transformer block.
        block: our modules of a block to theirs; of queries, keys and values together, or apart.
        stem: module of the ResNet's first convolution.
        stem_norm: its normalisation.
        bottlenecks: what stands before the number of a bottleneck, of stage ``{}`` from 0.
        project: the 1×1 convolution of reassembly stage ``{}``, from 1 or from 0: see :meth:`stage`.
        resize: its resize.
        readout: its readout.
        to_fusion: the convolution that leads from there to the fusion.
        first: the number of the first stage.
        unused: what published files carry and nobody uses.
    """

    name: str
    position: str
    cls_token: str
    patch: str
    patch_of_map: str
    blocks: str
    block: dict[str, str | tuple[str, str, str]]
    stem: str
    stem_norm: str
    bottlenecks: str
    project: str
    resize: str
    readout: str
    to_fusion: str
    first: int
    unused: tuple[str, ...]

    def stage(self, template: str, stage: int) -> str:
        """The name of a module of a reassembly stage, 1 to 4."""
        return template.format(stage - 1 + self.first)


ORIGINAL = Layout(
    name="original",
    position="pretrained.model.pos_embed",
    cls_token="pretrained.model.cls_token",
    patch="pretrained.model.patch_embed.proj",
    patch_of_map="pretrained.model.patch_embed.proj",
    blocks="pretrained.model.blocks.",
    block={
        "norm1": "norm1",
        "attention.qkv": "attn.qkv",
        "attention.proj": "attn.proj",
        "norm2": "norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    },
    stem="pretrained.model.patch_embed.backbone.stem.conv",
    stem_norm="pretrained.model.patch_embed.backbone.stem.norm",
    bottlenecks="pretrained.model.patch_embed.backbone.stages.{}.blocks.",
    project="pretrained.act_postprocess{}.3",
    resize="pretrained.act_postprocess{}.4",
    readout="pretrained.act_postprocess{}.0.project.0",
    to_fusion="scratch.layer{}_rn",
    first=1,
    unused=(*midas.UNUSED_ORIGINAL, r"pretrained\.model\.(norm|head)\..*"),
)
HUGGING_FACE = Layout(
    name="Hugging Face",
    position="dpt.embeddings.position_embeddings",
    cls_token="dpt.embeddings.cls_token",
    patch="dpt.embeddings.patch_embeddings.projection",
    patch_of_map="dpt.embeddings.projection",
    blocks="dpt.encoder.layer.",
    block={
        "norm1": "layernorm_before",
        "attention.qkv": (
            "attention.attention.query",
            "attention.attention.key",
            "attention.attention.value",
        ),
        "attention.proj": "attention.output.dense",
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    },
    stem="dpt.embeddings.backbone.bit.embedder.convolution",
    stem_norm="dpt.embeddings.backbone.bit.embedder.norm",
    bottlenecks="dpt.embeddings.backbone.bit.encoder.stages.{}.layers.",
    project="neck.reassemble_stage.layers.{}.projection",
    resize="neck.reassemble_stage.layers.{}.resize",
    readout="neck.reassemble_stage.readout_projects.{}.0",
    to_fusion="neck.convs.{}",
    first=0,
    unused=(*midas.UNUSED_HUGGING_FACE, r"dpt\.layernorm\..*"),
)


def find_layout(checkpoint: Checkpoint) -> Layout | None:
    """The layout in which a checkpoint names the tensors of MiDaS 3.0, or None for any other architecture."""
    return next((layout for layout in (ORIGINAL, HUGGING_FACE) if layout.position in checkpoint.tensors), None)


def is_hybrid(checkpoint: Checkpoint, layout: Layout) -> bool:
    """Tell whether there is a ResNet before the transformer."""
    return f"{layout.stem}.weight" in checkpoint.tensors


def key_map(layout: Layout, blocks: int, bottlenecks: Sequence[int] = ()) -> KeyMap:
    """Where everything is.

    Args:
        layout: which.
        blocks: of the transformer.
        bottlenecks: of each stage of the ResNet; empty where there is none.
    """
    original = layout is ORIGINAL
    modules: dict[str, str | tuple[str, ...]] = {
        **(midas.original_decoder() if original else midas.hugging_face_decoder()),
        "encoder.patch_embed": layout.patch_of_map if bottlenecks else layout.patch,
    }
    tensors = {
        "encoder.cls_token": Source((layout.cls_token,)),
        "encoder.position.table": Source((layout.position,)),
    }
    for index in range(blocks):
        theirs = f"{layout.blocks}{index}"
        for part, names in layout.block.items():
            named = f"{theirs}.{names}" if isinstance(names, str) else tuple(f"{theirs}.{name}" for name in names)
            modules[f"encoder.block_{index:02d}.{part}"] = named
    of_maps = STAGES[:2] if bottlenecks else ()
    for stage in STAGES:
        ours = f"reassemble.stage_{stage}"
        modules[f"{ours}.to_fusion"] = layout.stage(layout.to_fusion, stage)
        if stage not in of_maps:
            tensors |= readout_sources(stage, layout.stage(layout.readout, stage))
            modules[f"{ours}.project"] = layout.stage(layout.project, stage)
            modules[f"{ours}.resize"] = layout.stage(layout.resize, stage)
    for ours, conv, norm in _layers(layout, bottlenecks):
        tensors |= {
            f"{ours}.conv.weight": Source((f"{conv}.weight",), standardise),
            f"{ours}.norm.weight": Source((f"{norm}.weight",), as_column),
            f"{ours}.norm.bias": Source((f"{norm}.bias",), as_column),
        }
    return KeyMap(modules, tensors, layout.unused)


def _layers(layout: Layout, bottlenecks: Sequence[int]) -> list[tuple[str, str, str]]:
    """Our path, and their convolution and normalisation, of every layer of the ResNet."""
    layers = [("resnet.stem.layer", layout.stem, layout.stem_norm)] if bottlenecks else []
    for stage, count in enumerate(bottlenecks):
        for index in range(count):
            ours = f"resnet.stage_{stage + 1}.block_{index}"
            theirs = f"{layout.bottlenecks.format(stage)}{index}"
            layers += [(f"{ours}.layer{n}", f"{theirs}.conv{n}", f"{theirs}.norm{n}") for n in (1, 2, 3)]
            if index == 0:
                layers.append((f"{ours}.shortcut", f"{theirs}.downsample.conv", f"{theirs}.downsample.norm"))
    return layers
