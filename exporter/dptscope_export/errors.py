"""What can go wrong on the way from a checkpoint to a verified file."""

from __future__ import annotations

from collections.abc import Sequence

from dptscope.errors import DptscopeError

LONGEST_NAME = 120  # of a tensor, in a message


class CheckpointError(DptscopeError):
    """A file that cannot be read as a checkpoint, or whose tensors are not those of its architecture."""


class UnknownFamilyError(CheckpointError):
    """A checkpoint of an architecture that is not supported."""


class VariantError(DptscopeError):
    """Nothing tells which variant a checkpoint is, or two sources contradict each other."""


class ExportError(DptscopeError):
    """The graph did not come out as the contract says."""


class VerificationError(DptscopeError):
    """onnxruntime and PyTorch disagree. Nothing is written then."""


def first_few(names: Sequence[str], shown: int = 3) -> str:
    """``a, b, c and 17 more``."""
    head = ", ".join(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…" for name in names[:shown])
    return f"{head} and {len(names) - shown} more" if len(names) > shown else head
