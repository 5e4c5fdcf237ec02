"""What is in a dptscope ONNX file: the one place where names, axes and meanings of the tensors are written down.

The exporter builds its graphs from these tables, the runtime reads files by them, and the tests hold both to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval

CONTRACT_VERSION = "2"
READABLE_VERSIONS = ("1", "2")
DEFAULT_OPSET = 20  # the first with Gelu as one node
METADATA_PREFIX = "dptscope."
MODEL_SUFFIX = ".onnx"
COMPANION_SUFFIX = ".fusion.onnx"
WEIGHTS_SUFFIX = ".data"  # NAME.onnx.data: weights of a graph above 2 GB, in one plain file beside it
PREVIEW_SUFFIX = ".preview.onnx"

FUSION_BLOCKS = (1, 2, 3, 4)  # 1 is the finest, 4 the coarsest

IMAGE = "image"
SCALES_AXIS = "scales"
DEPTH = "depth"
SKY = "sky"
CONFIDENCE = "confidence"
BLOCK_CLS_TOKENS = "block_cls_tokens"
BLOCK_REGISTER_TOKENS = "block_register_tokens"
EMBEDDED_TOKENS = "embedded_tokens"
REGISTER_TOKENS = "register_tokens"
REGISTER_NEURONS = "register_neurons"
REGISTER_VALUES = "register_values"
PROBE_POSITIONS = "probe_positions"
MLP_AT_PROBES = "mlp_at_probes"
BLOCK_APPENDED_TOKENS = "block_appended_tokens"


# How what a file says is held to annotations: no number stands for a truth, nor the other way round.
STRICT = {"strict": True, "allow_inf_nan": False}

Count = Annotated[int, Interval(ge=1, le=1 << 16)]
"""Pixels, channels or whatever else is counted: the end is far above what any model has."""


@dataclass(frozen=True)
class TensorSpec:
    """One graph input or output.

    Attributes:
        name: the name in the file.
        axes: one entry an axis: a number where the size is fixed, the axis' name where it is not.
        meaning: for people.
        element: type of its numbers.
    """

    name: str
    axes: tuple[int | str, ...]
    meaning: str
    element: Literal["float", "int64"] = "float"


@dataclass(frozen=True)
class BlockSpec:
    """Shape of what leaves one transformer block.

    Attributes:
        channels: length of a token.
        stride: pixels of the model's input a side of one grid cell.
        stage: number of the stage, from 1; plain transformers have only one.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    channels: Count
    stride: Count
    stage: Count = 1


def fusion_scale_name(fusion_block: int) -> str:
    """Name of the scale of fusion block 1 … 4."""
    return f"fusion_scale_{fusion_block}"


def fusion_input_name(fusion_block: int) -> str:
    """Name of what fusion block 1 … 4 needs from the encoder."""
    return f"fusion_input_{fusion_block}"


def block_tokens_name(block: int) -> str:
    """Name of the tokens that leave transformer block 0, 1, …"""
    return f"block_{block:02d}_tokens"


def image_input() -> TensorSpec:
    """The photo, prepared."""
    return TensorSpec(IMAGE, ("batch", 3, "height", "width"), "RGB, normalised with the mean and std of the metadata")


def fusion_scale_inputs() -> tuple[TensorSpec, ...]:
    """The four optional scales: graph inputs with an initializer of one, float32 of length 1 or batch."""
    return tuple(
        TensorSpec(
            fusion_scale_name(k),
            (SCALES_AXIS,),
            "factor on the deepest reassembled map, before fusion block 4"
            if k == FUSION_BLOCKS[-1]
            else f"factor on what comes from fusion block {k + 1} into block {k}",
        )
        for k in FUSION_BLOCKS
    )


def fusion_inputs(channels: int) -> tuple[TensorSpec, ...]:
    """List what the companion needs beside the scales: outputs of the model, inputs of the companion."""
    return tuple(
        TensorSpec(
            fusion_input_name(k),
            ("batch", channels, f"fusion_{k}_height", f"fusion_{k}_width"),
            f"input of fusion block {k}, computed as far as no scale can change it",
        )
        for k in FUSION_BLOCKS
    )


def depth_output() -> TensorSpec:
    """The depth."""
    return TensorSpec(
        DEPTH,
        ("batch", "height", "width"),
        "relative inverse depth (larger is nearer), or metres; or distance up to a factor (larger is farther)",
    )


def sky_output() -> TensorSpec:
    """Where the sky is, of models that say so."""
    return TensorSpec(SKY, ("batch", "height", "width"), "zero or more; the larger, the surer that it is sky")


def confidence_output() -> TensorSpec:
    """How sure the depth is, of models that say so."""
    return TensorSpec(CONFIDENCE, ("batch", "height", "width"), "one or more; the larger, the surer of the depth")


def preview_output() -> TensorSpec:
    """The depth of the preview: the companion's inputs, a coarser answer."""
    return TensorSpec(DEPTH, ("batch", "preview_height", "preview_width"), "depth at the size of a coarser map")


def _token_axes(block: BlockSpec, blocks: Sequence[BlockSpec]) -> tuple[int | str, ...]:
    one_grid = len({each.stage for each in blocks}) == 1
    stage = "" if one_grid else f"stage_{block.stage}_"
    return ("batch", f"{stage}grid_height", f"{stage}grid_width", block.channels)


def block_outputs(blocks: Sequence[BlockSpec]) -> tuple[TensorSpec, ...]:
    """Tokens of every transformer block, as an image-like grid."""
    return tuple(
        TensorSpec(
            block_tokens_name(index),
            _token_axes(block, blocks),
            f"patch tokens that leave transformer block {index}, before any final norm",
        )
        for index, block in enumerate(blocks)
    )


def embedded_output(blocks: Sequence[BlockSpec]) -> TensorSpec:
    """Tokens before the first transformer block. Files of earlier exporters are without."""
    return TensorSpec(EMBEDDED_TOKENS, _token_axes(blocks[0], blocks), "patch tokens that go into transformer block 0")


def cls_output(blocks: Sequence[BlockSpec], camera_token_from: int | None = None) -> TensorSpec:
    """Class tokens of every transformer block, where the encoder has one."""
    camera = "" if camera_token_from is None else f"; from block {camera_token_from} on a camera token is in its place"
    return TensorSpec(
        BLOCK_CLS_TOKENS, ("batch", len(blocks), blocks[0].channels), f"class token that leaves each block{camera}"
    )


def register_output(blocks: Sequence[BlockSpec], registers: int) -> TensorSpec:
    """Register tokens of every transformer block, where the encoder was trained with some."""
    return TensorSpec(
        BLOCK_REGISTER_TOKENS,
        ("batch", len(blocks), registers, blocks[0].channels),
        "register tokens that leave each block: the model's own, which it was trained with",
    )


def model_outputs(
    blocks: Sequence[BlockSpec],
    has_cls: bool,
    fusion_channels: int,
    *,
    has_sky: bool = False,
    has_confidence: bool = False,
    registers: int = 0,
    camera_token_from: int | None = None,
) -> tuple[TensorSpec, ...]:
    """All outputs of ``NAME.onnx``, in the order of the file. Readers go by name, never by position."""
    maps = (depth_output(), *[sky_output()] * has_sky, *[confidence_output()] * has_confidence)
    cls = (cls_output(blocks, camera_token_from),) if has_cls else ()
    own = (register_output(blocks, registers),) if registers else ()
    return (*maps, *block_outputs(blocks), *cls, *own, *fusion_inputs(fusion_channels))


def added_register_inputs(channels: int) -> tuple[TensorSpec, ...]:
    """List what lets an encoder run with registers that it was not trained with: optional, each empty by default. Files have
    all of them or none."""
    return (
        TensorSpec(REGISTER_TOKENS, ("appended", channels), "tokens that are appended behind the patches"),
        TensorSpec(REGISTER_NEURONS, ("neurons", 2), "block and index of each MLP neuron that they take over", "int64"),
        TensorSpec(REGISTER_VALUES, ("neurons",), "what the patches have in place of that neuron's activation"),
        TensorSpec(PROBE_POSITIONS, ("probes",), "patches, in reading order, to look into the MLPs at", "int64"),
    )


def added_register_outputs(blocks: Sequence[BlockSpec], mlp_width: int) -> tuple[TensorSpec, ...]:
    """Outputs of the files that have :func:`added_register_inputs`."""
    batch_and_blocks = ("batch", len(blocks))
    return (
        TensorSpec(
            MLP_AT_PROBES,
            (*batch_and_blocks, "probes", mlp_width),
            "hidden activations of each block's MLP at the probe positions, as they are before registers take any over",
        ),
        TensorSpec(
            BLOCK_APPENDED_TOKENS,
            (*batch_and_blocks, "appended", blocks[0].channels),
            "appended tokens that leave each block",
        ),
    )


def companion_path(model_path: Path) -> Path:
    """``NAME.fusion.onnx`` beside ``NAME.onnx``."""
    return model_path.with_name(model_path.name.removesuffix(MODEL_SUFFIX) + COMPANION_SUFFIX)


def preview_path(model_path: Path) -> Path:
    """``NAME.preview.onnx`` beside ``NAME.onnx``."""
    return model_path.with_name(model_path.name.removesuffix(MODEL_SUFFIX) + PREVIEW_SUFFIX)
