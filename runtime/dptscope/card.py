"""The model card: everything a dptscope file says about itself, carried in the ONNX metadata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dptscope.card_values import check_values
from dptscope.contract import CONTRACT_VERSION, METADATA_PREFIX, BlockSpec
from dptscope.errors import ModelFileError

DepthKind = Literal["relative", "metric"]
ResizeRule = Literal["lower_bound", "minimal", "exact"]
OutputResize = Literal["bilinear_align_corners", "bilinear", "bicubic"]

_KINDS = {
    "depth_kind": get_args(DepthKind),
    "resize_rule": get_args(ResizeRule),
    "output_resize": get_args(OutputResize),
}
_LATER = ("parameters", "flops")  # files of the first release do not have them


@dataclass(frozen=True)
class Preparation:
    """How the original project turns a photo into the model's input, and the model's output back into the photo's size.

    Attributes:
        mean: RGB mean that is subtracted from values in 0 … 1.
        std: RGB standard deviation that they are then divided by.
        resize_rule: ``lower_bound``: keep the aspect, both sides at least the size asked for; ``minimal``: keep the
            aspect with the factor nearer one; ``exact``: both sides the size asked for, whatever the aspect.
        multiple: photos are resized to multiples of this many pixels.
        output_resize: how the depth goes back to the photo's size.
        colour_order: order of the input's channels.
        interpolation: how the photo is resized (OpenCV's cubic interpolation, no antialiasing).
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_rule: ResizeRule
    multiple: int
    output_resize: OutputResize
    colour_order: str = "RGB"
    interpolation: str = "cubic"


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

    depth: float
    depth_range: float
    norms: float
    companion: float
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelCard:
    """What one exported model is.

    Attributes:
        model_id: the same in a model and its companion, and in no other pair.
        family: ``depth_anything``, …
        variant: the published variant, e.g. ``depth-anything-v2``.
        architecture: short name of the encoder's size, e.g. ``vits``.
        depth_kind: ``relative`` inverse depth (larger is nearer) or ``metric`` depth in metres.
        max_depth: metres at the end of a metric model's range, else None.
        patch_size: pixels a patch side.
        size_multiple: the graph takes images whose sides are multiples of this.
        native_size: height and width that the model was trained at.
        dynamic: whether the graph takes other sizes than ``native_size``.
        preparation: how a photo becomes the input.
        blocks: the transformer blocks, first to last.
        taps: indices of the blocks that feed the fusion, fine to coarse.
        has_cls: whether the encoder has a class token.
        fusion_channels: channels of the fusion maps.
        source_file: name of the checkpoint.
        source_sha256: hash of the checkpoint's weights file.
        evidence: what told the variant.
        exporter_version: version of dptscope that wrote the file.
        opset: ONNX operator set.
        parameters: weights that the graph uses; None in files written before this was noted.
        flops: floating-point operations of one image at the native size, of matrix products and convolutions, two a
            multiply-add; None in files written before this was noted.
        parity: what the export measured; None in a graph that has not been verified yet.
        contract: version of the contract that the file keeps.
    """

    model_id: str
    family: str
    variant: str
    architecture: str
    depth_kind: DepthKind
    max_depth: float | None
    patch_size: int
    size_multiple: int
    native_size: tuple[int, int]
    dynamic: bool
    preparation: Preparation
    blocks: tuple[BlockSpec, ...]
    taps: tuple[int, ...]
    has_cls: bool
    fusion_channels: int
    source_file: str
    source_sha256: str
    evidence: str
    exporter_version: str
    opset: int
    parameters: int | None = None
    flops: int | None = None
    parity: Parity | None = None
    contract: str = CONTRACT_VERSION

    def to_metadata(self) -> dict[str, str]:
        """The card as ONNX metadata: one ``dptscope.…`` entry a field, strings as they are, the rest as JSON."""
        fields = dataclasses.asdict(self)
        return {
            METADATA_PREFIX + name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
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
            raise ModelFileError(f"{source}: expected a model exported by dptscope, got an ONNX file of something else")
        if contract != CONTRACT_VERSION:
            raise ModelFileError(
                f"{source}: expected contract {CONTRACT_VERSION}, got {contract[:40]}; export the checkpoint again"
            )
        strings = {field.name for field in dataclasses.fields(cls) if field.type == "str" or field.name == "depth_kind"}
        try:
            values: dict[str, Any] = {
                field.name: metadata[METADATA_PREFIX + field.name]
                if field.name in strings
                else json.loads(_entry(metadata, field.name))
                for field in dataclasses.fields(cls)
            }
            check_values(values, _KINDS)
            for name in _LATER:
                if values[name] is not None and (not isinstance(values[name], int) or values[name] < 0):
                    raise ValueError(f"{name} must be a whole number, got {values[name]!r:.60}")
            values["native_size"] = _pair(values["native_size"])
            values["taps"] = tuple(values["taps"])
            values["blocks"] = tuple(BlockSpec(**block) for block in values["blocks"])
            preparation = values["preparation"]
            values["preparation"] = Preparation(
                **{**preparation, "mean": tuple(preparation["mean"]), "std": tuple(preparation["std"])}
            )
            if values["parity"] is not None:
                sizes = tuple(_pair(size) for size in values["parity"]["sizes"])
                values["parity"] = Parity(**{**values["parity"], "sizes": sizes})
            return cls(**values)
        except KeyError as error:
            raise ModelFileError(f"{source}: its dptscope metadata has no {error}; export it again") from error
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelFileError(f"{source}: its dptscope metadata is damaged ({reason}); export it again") from error


def _entry(metadata: Mapping[str, str], name: str) -> str:
    key = METADATA_PREFIX + name
    return metadata.get(key, "null") if name in _LATER else metadata[key]


def _pair(value: list[int]) -> tuple[int, int]:
    height, width = value
    return height, width
