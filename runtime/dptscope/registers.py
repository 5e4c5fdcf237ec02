"""Registers at test time: tokens that a model was not trained with, appended behind a photo's own, and the few neurons whose
work they take over (Jiang et al. 2025, "Vision Transformers Don't Need Trained Registers", arXiv 2506.08010).

A file takes them where it was exported with ``--registers``; :mod:`dptscope.register_search` finds the neurons.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Interval, Len
from numpy.typing import NDArray

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.contract import STRICT
from dptscope.errors import DptscopeError, one_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from dptscope.card import ModelCard

_LARGEST_FILE = 16 << 20
Index = Annotated[int, Interval(ge=0, le=1 << 24)]
Replacement = Literal["zero", "mean"]
"""What patches have in place of a neuron's activation: nothing, as in the paper, or what it is at ordinary patches. Zeroing
takes away more than an outlier has (Parodi et al., arXiv 2604.14433)."""


@dataclass(frozen=True)
class RegisterNeuron:
    """A neuron that is active where norms stand out.

    Attributes:
        block: index of the block whose MLP it is in.
        neuron: its index there.
        activation: mean of its magnitude at outliers: over those of a photo, then over photos.
        elsewhere: mean of its activation at other patches, in the same way.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    block: Index
    neuron: Index
    activation: float
    elsewhere: float


@dataclass(frozen=True, kw_only=True)
class RegisterNeurons:
    """What a search found, as ``registers.json`` holds it.

    Attributes:
        model_id: of the model that was searched. Another has other neurons.
        model: name of its file.
        rule: what an outlier is.
        block: whose outliers were looked at.
        last_block: neurons of later blocks were left out.
        photos: how many were looked at.
        photos_with_outliers: how many of them had outliers.
        outliers: how many those were.
        above_150: how many tokens of all photos have a norm above 150 in this block, the paper's rule for its ViT-L.
        neurons: the most active first.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    model_id: str
    model: str
    rule: str
    block: Index
    last_block: Index
    photos: Index
    photos_with_outliers: Index
    outliers: Index
    above_150: Index
    neurons: Annotated[tuple[RegisterNeuron, ...], Len(1, 1 << 16)]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return dataclasses.asdict(self)

    def added(self, count: int | None = None, replace: Replacement = "zero") -> AddedRegisters:
        """One register that takes over the first neurons.

        Args:
            count: how many; all if None.
            replace: what patches have in place of their activations.

        Raises:
            DptscopeError: fewer neurons than that.
        """
        if count is not None and not 0 <= count <= len(self.neurons):
            raise DptscopeError(f"expected a count of 0 to {len(self.neurons)} neurons, got {count}")
        taken = self.neurons[:count]
        return AddedRegisters(
            tuple((found.block, found.neuron) for found in taken),
            tuple(found.elsewhere if replace == "mean" else 0.0 for found in taken),
        )


@dataclass(frozen=True)
class AddedRegisters:
    """What a run is given.

    Attributes:
        neurons: block and index of each.
        values: what every patch has in place of that neuron's activation; zeros if there are none.
        tokens: how many registers are appended, each a token of zeros: a number, or the tokens themselves, float32
            ``[registers, channels]``.
    """

    neurons: tuple[tuple[int, int], ...] = ()
    values: tuple[float, ...] = ()
    tokens: int | Float32Array = 1

    def feeds(self, card: ModelCard, mlp_width: int) -> dict[str, NDArray[Any]]:
        """Arrays by input name.

        Args:
            card: of the model.
            mlp_width: neurons of a block.

        Raises:
            DptscopeError: neurons that the model does not have, or arrays that do not go together.
        """
        blocks, channels = len(card.blocks), card.blocks[0].channels
        for block, neuron in self.neurons:
            if not (0 <= block < blocks and 0 <= neuron < mlp_width):
                raise DptscopeError(
                    f"expected neurons of blocks 0 to {blocks - 1}, each 0 to {mlp_width - 1}, got {block}, {neuron}"
                )
        values_n = np.zeros(len(self.neurons), np.float32)
        if self.values:
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused where it is fed
                values_n = np.array(self.values, np.float32)
        tokens_rc = self.tokens_rc(channels)
        if values_n.shape != (len(self.neurons),) or tokens_rc.ndim != 2 or tokens_rc.shape[1] != channels:
            raise DptscopeError(
                f"expected a value for each of {len(self.neurons)} neurons and registers of {channels} channels, got "
                f"{values_n.size} values and registers of shape {tokens_rc.shape}"
            )
        return {
            contract.REGISTER_TOKENS: tokens_rc,
            contract.REGISTER_NEURONS: np.array(self.neurons, np.int64).reshape(-1, 2),
            contract.REGISTER_VALUES: values_n,
        }

    @property
    def number(self) -> int:
        """How many registers there are."""
        return self.tokens if isinstance(self.tokens, int) else len(self.tokens)

    def tokens_rc(self, channels: int) -> Float32Array:
        """The registers as they are appended, float32 ``[registers, channels]``."""
        if isinstance(self.tokens, int):
            return np.zeros((self.tokens, channels), np.float32)
        return np.ascontiguousarray(self.tokens, np.float32)

    def in_words(self) -> str:
        """For a title: ``1 register, 50 neurons at zero``."""
        at = "their mean" if any(self.values) else "zero"
        return f"{_counted(self.number, 'register')}, {_counted(len(self.neurons), 'neuron')} at {at}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def read_neurons(path: Path, card: ModelCard) -> RegisterNeurons:
    """Read ``registers.json``.

    Raises:
        DptscopeError: no such file, damaged, or of another model.
    """
    try:
        if not path.exists():
            raise DptscopeError(f"{path}: expected a file of 'dptscope registers find', got nothing under that name")
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:  # a device would be read for ever
            raise ValueError(f"no file of at most {_LARGEST_FILE >> 20} MiB")
        found = _adapter().validate_json(path.read_bytes())
    except OSError as error:
        raise DptscopeError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DptscopeError(
            f"{path}: expected a file of 'dptscope registers find', got another or a damaged one ({one_line(error)[:120]})"
        ) from error
    if found.model_id != card.model_id:
        raise DptscopeError(
            f"{path}: expected register neurons of this model (id {card.model_id}), got those of {found.model[:80]} (id "
            f"{found.model_id[:16]}); find them in this one: dptscope registers find"
        )
    return found


@cache
def _adapter() -> TypeAdapter[RegisterNeurons]:
    from pydantic import TypeAdapter

    return TypeAdapter(RegisterNeurons)
