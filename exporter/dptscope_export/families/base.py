"""What the export needs to know about a model family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dptscope.card import DepthKind, ModelSpec
from dptscope.contract import (
    TensorSpec,
    added_register_inputs,
    added_register_outputs,
    embedded_output,
    fusion_scale_inputs,
)
from dptscope_export.checkpoints.key_map import KeyMap
from dptscope_export.checkpoints.read import Checkpoint
from dptscope_export.models.dpt import DPT

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue: what DINOv2 was trained with, and all that stands on it."""


@dataclass(frozen=True)
class ExportOptions:
    """What the user says about a checkpoint and wants of the export.

    Attributes:
        variant: a published variant, where the checkpoint does not tell.
        max_depth: metres at the end of a metric model's range.
        fixed: height and width to export for, and no other.
        dynamic: export for any size, in families that are exported for a fixed one by default.
    """

    variant: str | None = None
    max_depth: float | None = None
    fixed: tuple[int, int] | None = None
    dynamic: bool = False


@dataclass(frozen=True)
class Sizes:
    """The image sizes that an export is for.

    Attributes:
        native: height and width that the model was trained at; where a fixed size was asked for, that size.
        multiple: sides must be multiples of this many pixels.
        dynamic: whether the graph takes any such size, or only ``native``.
        trial: heights and widths, beside the native ones, at which a dynamic export is verified: small, tall, wide, odd.
        traced: height and width of the example that a dynamic graph is traced with; not square, and not among ``trial``.
    """

    native: tuple[int, int]
    multiple: int
    dynamic: bool
    trial: tuple[tuple[int, int], ...]
    traced: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ExportPlan(ModelSpec):
    """All that a family found out about a checkpoint: what the model is, and how it is built and exported.

    Attributes:
        layout: ``original`` or ``Hugging Face``.
        key_map: where the model's tensors are in this layout.
        build: makes the torch model, on the default device.
        sizes: the image sizes of the export.
        notes: lines that the user should read.
        mlp_width: neurons of a block's MLP, where the file is to take registers at test time; None: it is not.
    """

    depth_kind: DepthKind = "relative"
    max_depth: float | None = None
    layout: str
    key_map: KeyMap
    build: Callable[[], DPT]
    sizes: Sizes
    notes: tuple[str, ...] = ()
    mlp_width: int | None = None

    @property
    def special_tokens(self) -> int:
        """Tokens before the patches: the class token, and the model's own registers."""
        return int(self.has_cls) + self.registers

    def optional_inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs beside the image."""
        registers = () if self.mlp_width is None else added_register_inputs(self.blocks[0].channels)
        return (*fusion_scale_inputs(), *registers)

    def outputs(self) -> tuple[TensorSpec, ...]:
        """All outputs that are written: those that every file has, and what files of earlier exporters lack."""
        registers = () if self.mlp_width is None else added_register_outputs(self.blocks, self.mlp_width)
        return (*super().outputs(), embedded_output(self.blocks), *registers)


class Family(Protocol):
    """One architecture with its checkpoint layouts and variants."""

    @property
    def title(self) -> str:
        """What people call it."""

    def knows(self, checkpoint: Checkpoint) -> bool:
        """Tell whether the tensors' names are of this family."""

    def recognise(self, checkpoint: Checkpoint, options: ExportOptions) -> ExportPlan:
        """See :func:`dptscope_export.families.recognise`."""
