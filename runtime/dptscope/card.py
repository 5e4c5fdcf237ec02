"""The model card: everything a dptscope file says about itself, carried in the ONNX metadata.

A file may come from anywhere, so what it says is held to the annotations below before anything is made of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Interval, Len

from dptscope.contract import (
    CONFIDENCE,
    CONTRACT_VERSION,
    DEPTH,
    METADATA_PREFIX,
    READABLE_VERSIONS,
    SKY,
    STRICT,
    BlockSpec,
    Count,
    TensorSpec,
    model_outputs,
)
from dptscope.errors import ModelFileError, one_line
from dptscope.fidelity import Fidelity

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Positive = Annotated[float, Gt(1e-6)]
Index = Annotated[int, Interval(ge=0)]
Few = Annotated[int, Interval(ge=0, le=64)]

DepthKind = Literal["relative", "distance", "metric"]
ResizeRule = Literal["lower_bound", "minimal", "exact", "longest", "pad"]
OutputResize = Literal["bilinear_align_corners", "bilinear", "bicubic"]
Form = Literal["default", "portable", "readable"]
Storage = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Preparation:
    """How the original project turns a photo into the model's input, and the model's output back into the photo's size.

    Attributes:
        mean: RGB mean that is subtracted from values in 0 … 1.
        std: RGB standard deviation that they are then divided by.
        resize_rule: ``lower_bound``: keep the aspect, both sides at least the size asked for; ``minimal``: keep the
            aspect with the factor nearer one; ``exact``: both sides the size asked for, whatever the aspect; ``longest``:
            keep the aspect, the longer side the size asked for, and from there each side to the nearest multiple; ``pad``:
            the photo's own size, or the longer side the size asked for, in the middle of zeros up to the next multiples.
        multiple: photos are resized to multiples of this many pixels.
        output_resize: how the depth goes back to the photo's size.
        colour_order: order of the input's channels.
        interpolation: how the photo is resized: ``cubic``: in floating point with OpenCV's cubic interpolation, no
            antialiasing; ``uint8_area_or_cubic``: in bytes, rounded after each of the two steps of ``longest``, with OpenCV's
            area interpolation where no side grows and its cubic one elsewhere; ``uint8_linear_antialiased``: in bytes,
            rounded after the columns and after the rows, as PIL does it: see :func:`dptscope.resize.resize_bytes`.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    resize_rule: ResizeRule
    multiple: Count
    output_resize: OutputResize
    colour_order: Literal["RGB"] = "RGB"
    interpolation: Literal["cubic", "uint8_area_or_cubic", "uint8_linear_antialiased"] = "cubic"


@dataclass(frozen=True)
class Parity:
    """Largest differences that the export measured between onnxruntime and PyTorch, over all sizes and scales it tried.

    Attributes:
        depth: max |Δdepth| divided by the depth's standard deviation.
        depth_range: max |Δdepth| divided by the depth's range.
        norms: max |Δ‖token‖| divided by the mean norm of its block.
        companion: max |Δdepth| between the whole file and the fusion companion, divided by the standard deviation.
        sizes: the image sizes (height, width) that were tried.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    depth: float
    depth_range: float
    norms: float
    companion: float
    sizes: tuple[tuple[Count, Count], ...]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a model is, whoever exports it and how.

    Attributes:
        family: ``depth_anything``, …
        variant: the published variant, e.g. ``depth-anything-v2``.
        architecture: short name of the encoder's size, e.g. ``vits``.
        evidence: what told the variant, for the user.
        depth_kind: ``relative`` inverse depth (larger is nearer), ``distance`` up to a factor (larger is farther) or
            ``metric`` depth in metres.
        max_depth: metres at the end of a metric model's range, else None.
        canonical_focal: focal length, in pixels of the model's input, at which a ``distance`` is in metres; with another they
            are distance × focal length / this. None where no focal length makes metres of it.
        patch_size: pixels a patch side.
        preparation: how a photo becomes the input.
        blocks: the transformer blocks, first to last.
        taps: index of the block that each fusion input is made of, fine to coarse; None where it is made of something
            else, as the finer two of a hybrid are of its ResNet.
        has_cls: whether the encoder has a class token.
        fusion_channels: channels of the fusion maps.
        has_sky: whether the model says where the sky is, in an output of its own.
        registers: register tokens that the encoder was trained with, between class token and patches; 0 in most.
        has_confidence: whether the model says how sure its depth is, in an output of its own.
        camera_token_from: the first block into which a token for the camera goes in place of the class token, in an encoder
            that replaces it; else None.
        windows: for each stage, tokens a side of the windows that its blocks attend within, and of the windows of an earlier
            training, which offsets are told by, or 0; empty where tokens attend to the whole grid, or not noted.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    family: str
    variant: str
    architecture: str
    evidence: str
    depth_kind: DepthKind
    max_depth: Annotated[float, Gt(0)] | None
    patch_size: Count
    preparation: Preparation
    blocks: Annotated[tuple[BlockSpec, ...], Len(1, 1000)]
    taps: tuple[Index | None, Index | None, Index | None, Index | None]
    has_cls: bool
    fusion_channels: Count
    canonical_focal: Annotated[float, Gt(0)] | None = None
    has_sky: bool = False
    registers: Few = 0
    has_confidence: bool = False
    camera_token_from: Index | None = None
    windows: Annotated[tuple[tuple[Count, Index], ...], Len(0, 1000)] = ()

    def outputs(self) -> tuple[TensorSpec, ...]:
        """All outputs of ``NAME.onnx``."""
        return model_outputs(
            self.blocks,
            self.has_cls,
            self.fusion_channels,
            has_sky=self.has_sky,
            has_confidence=self.has_confidence,
            registers=self.registers,
            camera_token_from=self.camera_token_from,
        )

    def maps(self) -> tuple[str, ...]:
        """Names of the outputs that are maps of the image's size, in the order of the file; the depth comes first."""
        others = ((SKY, self.has_sky), (CONFIDENCE, self.has_confidence))
        return (DEPTH, *(name for name, there in others if there))


@dataclass(frozen=True, kw_only=True)
class ModelCard(ModelSpec):
    """What one exported model is, and how it was exported.

    Fields with a default came later than the first files, which are read all the same: absent means the default.

    Attributes:
        model_id: the same in a model and its companion, and in no other pair.
        size_multiple: the graph takes images whose sides are multiples of this.
        native_size: height and width that the model was trained at.
        dynamic: whether the graph takes other sizes than ``native_size``.
        source_file: name of the checkpoint.
        source_sha256: hash of the checkpoint's weights file.
        exporter_version: version of dptscope that wrote the file.
        opset: ONNX operator set.
        parameters: weights that the graph uses; None: not noted.
        flops: floating-point operations of one image at the native size, of matrix products and convolutions, two a
            multiply-add; None: not noted.
        parity: what the export measured; None in a graph that has not been verified yet, and after numbers were rounded.
        fidelity: what was measured after that; None where none were.
        form: ``default``, for onnxruntime on a CPU; ``portable``, in operators that every engine has; ``readable``, the
            portable ones in one function a block.
        without: graph passes that were left out, by name.
        storage: type in which large weights lie in the file; what is computed with float16 ones is float32 all the same.
        attention_matrices: how many matrices of tokens × tokens a block's attention holds at once; None: not noted.
        heads: attention heads of a block in which every token attends to every other; None: not noted.
        weights_sha256: hash of the graph's weights, to which the parity is bound; empty: not noted.
        contract: version of the contract that the file keeps.
    """

    model_id: str
    size_multiple: Count
    native_size: tuple[Count, Count]
    dynamic: bool
    source_file: str
    source_sha256: str
    exporter_version: str
    opset: Count
    parameters: Index | None = None
    flops: Index | None = None
    parity: Parity | None = None
    fidelity: Fidelity | None = None
    form: Form = "default"
    without: tuple[str, ...] = ()
    storage: Storage = "float32"
    attention_matrices: Count | None = None
    heads: Count | None = None
    weights_sha256: str = ""
    contract: str = CONTRACT_VERSION

    def to_metadata(self) -> dict[str, str]:
        """The card as ONNX metadata: one ``dptscope.…`` entry a field, strings as they are, the rest as JSON."""
        fields = dataclasses.asdict(self)
        return {
            METADATA_PREFIX + name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
            if name != "fidelity" or value is not None
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str) -> ModelCard:
        """Read a card back.

        Args:
            metadata: ``session.get_modelmeta().custom_metadata_map``.
            source: name of the file, for the message.

        Raises:
            ModelFileError: the file was not written by dptscope, or keeps another contract.
        """
        contract = metadata.get(METADATA_PREFIX + "contract")
        if contract is None:
            raise ModelFileError(
                f"{source}: expected a model exported by dptscope, got an ONNX file of something else, "
                "or one whose metadata a tool has left out"
            )
        if contract not in READABLE_VERSIONS:
            raise ModelFileError(
                f"{source}: expected contract {' or '.join(READABLE_VERSIONS)}, got {contract[:40]}; "
                "take another dptscope, or export the checkpoint again"
            )
        fields = {field.name: field.type for field in dataclasses.fields(cls)}
        found = {name: text for name in fields if (text := metadata.get(METADATA_PREFIX + name)) is not None}
        try:
            values = {name: text if fields[name] in _TEXTS else json.loads(text) for name, text in found.items()}
            card = _adapter().validate_json(json.dumps(values))
            _check_agreement(card)
            return card
        except (ValueError, RecursionError) as error:  # pydantic's is a ValueError, too
            raise ModelFileError(
                f"{source}: its dptscope metadata is damaged ({_reason(error)}); export it again"
            ) from error


_TEXTS = ("str", "DepthKind", "Form", "Storage")  # types of the fields that stand in the metadata as they are


def _check_agreement(card: ModelCard) -> None:
    """Hold fields to each other.

    Raises:
        ValueError: they contradict.
    """
    if (card.depth_kind == "metric") != (card.max_depth is not None):
        raise ValueError(f"max_depth belongs to metric depth, got {card.max_depth} for {card.depth_kind}")
    if card.canonical_focal is not None and card.depth_kind != "distance":
        raise ValueError(f"canonical_focal belongs to distance, got {card.canonical_focal} for {card.depth_kind}")
    if any(side % card.size_multiple for side in card.native_size):
        raise ValueError(f"native_size must be multiples of {card.size_multiple}, got {card.native_size}")
    undivided = [block.channels for block in card.blocks if block.channels % (card.heads or 1)]
    if undivided:
        raise ValueError(f"heads must divide a token's channels, got {card.heads} for {undivided[0]}")
    if card.windows and len(card.windows) < max(block.stage for block in card.blocks):
        raise ValueError(f"windows must be one a stage, got {len(card.windows)}")
    strange = [block.stride for block in card.blocks if card.size_multiple % block.stride]
    if strange:
        raise ValueError(f"blocks' stride must divide {card.size_multiple}, got {strange[0]}")
    tapped = [tap for tap in card.taps if tap is not None]
    if max(tapped, default=0) >= len(card.blocks):
        raise ValueError(f"taps must be blocks 0 to {len(card.blocks) - 1}, got {max(tapped)}")
    if card.preparation.multiple % card.size_multiple:
        raise ValueError(f"multiple must be one of {card.size_multiple}, got {card.preparation.multiple}")


@cache
def _adapter() -> TypeAdapter[ModelCard]:
    """Hold a card to its annotations. Made when the first file is opened: importing pydantic takes a tenth of a second."""
    from pydantic import TypeAdapter

    return TypeAdapter(ModelCard)


def _reason(error: Exception) -> str:
    """The first thing that is wrong, and where."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return one_line(error)
    first = errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {first['msg']}, got {first['input']!r:.60}" if place else str(first["msg"])
