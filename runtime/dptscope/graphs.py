"""The graphs of one exported model: the whole one, its fusion companion and its preview, opened and held to the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.attention.weights import Weights
from dptscope.cancel import Cancellation
from dptscope.card import ModelCard
from dptscope.errors import DptscopeError, ModelFileError
from dptscope.files.onnx_file import weights_digest
from dptscope.prepare import check_input_shape
from dptscope.registers import AddedRegisters
from dptscope.scales import UNSCALED, FusionScales, scale_feeds
from dptscope.session import Session, SessionOptions

_WEIGHTS_KEY = f"{contract.METADATA_PREFIX}weights_sha256"


class Graphs:
    """The graphs of one model. Companion and preview may be missing.

    Attributes:
        path: the model's file; the others lie beside it.
        card: what the file says about itself.
        weights: those of the whole graph, by name.
    """

    def __init__(self, path: Path, options: SessionOptions) -> None:
        """Open ``NAME.onnx`` and, where they lie beside it, ``NAME.fusion.onnx`` and ``NAME.preview.onnx``.

        Raises:
            ModelFileError: no such file, no dptscope model, or a companion or preview of another model.
            ProviderError: a provider that is not there.
        """
        for suffix, what in ((contract.COMPANION_SUFFIX, "fusion companion"), (contract.PREVIEW_SUFFIX, "preview")):
            if path.name.endswith(suffix):
                raise ModelFileError(f"{path}: expected a model, got a {what}; name the model beside it")
        self.path = path
        self._opened_with = path.absolute(), options
        self.weights = Weights(path)  # before the session: what it maps later must be what was opened
        self._whole = Session(path, options)
        card = ModelCard.from_metadata(self._whole.metadata, str(path))
        _check_inputs(path, self._whole, (contract.image_input(),))
        self.card = card = _as_the_graph_has_it(path, card, self._whole.inputs[0].shape)
        _check_outputs(path, self._whole, card.outputs())
        self._register_width = _register_width(path, self._whole, card)
        self._fusion = self._open_beside(contract.companion_path(path), "companion", contract.depth_output(), options)
        self._preview = self._open_beside(contract.preview_path(path), "preview", contract.preview_output(), options)

    def __reduce__(self) -> tuple[type[Graphs], tuple[Path, SessionOptions]]:
        """Go to another process by name: it opens the files again."""
        return Graphs, self._opened_with

    def _open_beside(
        self, path: Path, what: str, depth: contract.TensorSpec, options: SessionOptions
    ) -> Session | None:
        if not path.is_file():
            return None
        session = Session(path, options)
        card = ModelCard.from_metadata(session.metadata, str(path))
        if card.model_id != self.card.model_id:
            raise ModelFileError(
                f"{path}: expected the {what} of {self.path.name} (id {self.card.model_id}), "
                f"got that of another model (id {card.model_id}); if an export is replacing them just now, try again"
            )
        _check_inputs(path, session, contract.fusion_inputs(card.fusion_channels))
        _check_outputs(path, session, (depth,))
        return session

    @property
    def has_companion(self) -> bool:
        """Whether another fusion scaling costs only the fusion and the head."""
        return self._fusion is not None

    @property
    def has_preview(self) -> bool:
        """Whether a coarse answer to another fusion scaling can be had for a fraction of the full one's time."""
        return self._preview is not None

    @property
    def has_embedded_tokens(self) -> bool:
        """Whether the whole graph gives the tokens that go into block 0."""
        return any(node.name == contract.EMBEDDED_TOKENS for node in self._whole.outputs)

    @property
    def takes_registers(self) -> bool:
        """Whether the whole graph lets registers in that the model was not trained with."""
        return self._register_width is not None

    def register_width(self) -> int:
        """Neurons of a block, of a file that takes registers.

        Raises:
            ModelFileError: this one does not.
        """
        if self._register_width is None:
            raise ModelFileError(
                f"{self.path}: expected a model that takes registers at test time, got one without the input "
                f"{contract.REGISTER_TOKENS}; export the checkpoint again: dptscope export --registers"
            )
        return self._register_width

    def changed_files(self) -> list[Path] | None:
        """Those of the files whose weights are no longer what the export wrote and measured; None where it did not note what
        it wrote. Reads them all, which takes a second a gigabyte."""
        beside = (contract.companion_path(self.path), self._fusion), (contract.preview_path(self.path), self._preview)
        noted = {
            path: session.metadata.get(_WEIGHTS_KEY, "")
            for path, session in ((self.path, self._whole), *beside)
            if session is not None
        }
        if not all(noted.values()):
            return None
        return [path for path, digest in noted.items() if weights_digest(path) != digest]

    def inputs(self) -> list[dict[str, Any]]:
        """Name, axes and whether it may be left out, of every input."""
        nodes = [(node, False) for node in self._whole.inputs] + [(node, True) for node in self._whole.optional_inputs]
        return [{"name": node.name, "axes": list(node.shape), "optional": optional} for node, optional in nodes]

    def outputs(self) -> list[dict[str, Any]]:
        """Name and axes of every output."""
        return [{"name": node.name, "axes": list(node.shape)} for node in self._whole.outputs]

    def whole(
        self,
        input_bchw: Float32Array,
        outputs: Sequence[str],
        fusion_scales: FusionScales = UNSCALED,
        cancel: Cancellation | None = None,
        registers: AddedRegisters | None = None,
        probes: NDArray[np.int64] | None = None,
    ) -> dict[str, Float32Array]:
        """Run the whole graph on a prepared input ``[batch, 3, height, width]``, and fetch outputs by name.

        Args:
            input_bchw: the input.
            outputs: their names.
            fusion_scales: of fusion blocks 1 … 4.
            cancel: ends the run from another thread.
            registers: appended to the tokens.
            probes: patches, in reading order, that the output ``mlp_at_probes`` is of.

        Raises:
            CancelledError: ended by ``cancel``.
            SizeError: the graph does not take that shape.
            ModelFileError: registers or probes, of a file that does not take them.
            DptscopeError: no such output, or neurons that the model does not have.
        """
        check_input_shape(self.card, input_bchw.shape)
        known = {node.name for node in self._whole.outputs}
        unknown = [name for name in outputs if name not in known]
        if unknown:
            raise DptscopeError(f"{self.path.name}: expected an output of the model, got {unknown[0]!r}")
        feeds: dict[str, NDArray[Any]] = {contract.IMAGE: np.ascontiguousarray(input_bchw, dtype=np.float32)}
        if tuple(fusion_scales) != UNSCALED:
            feeds |= scale_feeds(fusion_scales)
        if registers is not None:
            feeds |= registers.feeds(self.card, self.register_width())
        if probes is not None:
            self.register_width()
            feeds[contract.PROBE_POSITIONS] = probes
        return dict(zip(outputs, self._whole.run(list(outputs), feeds, cancel), strict=True))

    def fuse(
        self, fusion_inputs: Sequence[Float32Array], fusion_scales: FusionScales | NDArray[np.float32]
    ) -> Float32Array:
        """Run only fusion and head: ``fusion_input_1 … 4`` and scales to depth ``[max(batch, scalings), height, width]``.

        Raises:
            ModelFileError: the companion is not there.
        """
        return self._decode(self._fusion, contract.companion_path(self.path), fusion_inputs, fusion_scales)

    def preview(
        self, fusion_inputs: Sequence[Float32Array], fusion_scales: FusionScales | NDArray[np.float32]
    ) -> Float32Array:
        """The same as :meth:`fuse`, coarser and several times faster.

        Raises:
            ModelFileError: the preview is not there.
        """
        return self._decode(self._preview, contract.preview_path(self.path), fusion_inputs, fusion_scales)

    @staticmethod
    def _decode(
        session: Session | None,
        path: Path,
        fusion_inputs: Sequence[Float32Array],
        fusion_scales: FusionScales | NDArray[np.float32],
    ) -> Float32Array:
        if session is None:
            raise ModelFileError(f"{path}: expected this file beside the model, which is not there; export it again")
        feeds = {contract.fusion_input_name(k): v for k, v in zip(contract.FUSION_BLOCKS, fusion_inputs, strict=True)}
        (depth_bhw,) = session.run([contract.DEPTH], feeds | scale_feeds(fusion_scales))
        return np.asarray(depth_bhw)


class Node(Protocol):
    """What onnxruntime says about an input or output."""

    name: str
    type: str
    shape: Sequence[int | str | None]


def _as_the_graph_has_it(path: Path, card: ModelCard, image_axes: Sequence[int | str | None]) -> ModelCard:
    """A file's sizes may have been fixed after the export, by a tool that leaves the metadata as they are: the graph wins.

    Raises:
        ModelFileError: fixed to what no photo can be brought to.
    """
    batch, _, *sides = image_axes
    numbers = [side for side in sides if isinstance(side, int)]
    multiple = card.size_multiple
    if isinstance(batch, int) and batch != 1:
        raise ModelFileError(
            f"{path}: expected an input image of 1 photo at a time, or of any number, got a batch fixed to {batch}"
        )
    if len(numbers) == 1 or any(side % multiple for side in numbers):
        got = " × ".join(str(side) for side in sides)
        raise ModelFileError(
            f"{path}: expected height and width of the input image both free, or both fixed to multiples of {multiple}, "
            f"got {got}; fix both, or neither"
        )
    if not numbers:
        return card
    size = numbers[0], numbers[1]
    return replace(card, native_size=size, dynamic=False, flops=card.flops if size == card.native_size else None)


def _check_inputs(path: Path, session: Session, specs: Sequence[contract.TensorSpec]) -> None:
    """Inputs that must be given: exactly these; optional ones: the four scales, and none that a reader would have to know."""
    known, got = [spec.name for spec in specs], [node.name for node in session.inputs]
    if set(got) != set(known):
        raise ModelFileError(f"{path}: expected the inputs {', '.join(known)}, got {', '.join(got)[:200] or 'none'}")
    _check(path, "input", session.inputs, specs)
    _check(path, "input", session.optional_inputs, contract.fusion_scale_inputs())


def _register_width(path: Path, session: Session, card: ModelCard) -> int | None:
    """Neurons of a block's MLP, of a file that lets registers in; None: it does not."""
    if all(node.name != contract.REGISTER_TOKENS for node in session.optional_inputs):
        return None
    _check(path, "input", session.optional_inputs, contract.added_register_inputs(card.blocks[0].channels))
    noted = (list(node.shape) for node in session.outputs if node.name == contract.MLP_AT_PROBES)
    width = next((axes[-1] for axes in noted if axes and isinstance(axes[-1], int)), 0)
    _check(path, "output", session.outputs, contract.added_register_outputs(card.blocks, width))
    return width


def _check_outputs(path: Path, session: Session, specs: Sequence[contract.TensorSpec]) -> None:
    """At least these outputs: a later exporter may add others."""
    _check(path, "output", session.outputs, specs)


def _check(path: Path, what: str, nodes: Iterable[Node], specs: Sequence[contract.TensorSpec]) -> None:
    found = {node.name: node for node in nodes}
    for spec in specs:
        node = found.get(spec.name)
        if node is None:
            raise ModelFileError(f"{path}: expected the {what} {spec.name}, which is not there; export it again")
        axes = list(node.shape or ())
        if node.type != f"tensor({spec.element})" or not _fits(axes, spec.axes):
            expected, got = " × ".join(map(str, spec.axes)), " × ".join(map(str, axes)) or "no axes"
            raise ModelFileError(
                f"{path}: expected the {what} {spec.name} as tensor({spec.element}) of {expected}, got {node.type} of "
                f"{got[:200]}"
            )


def _fits(got: Sequence[int | str | None], expected: Sequence[int | str]) -> bool:
    """Numbers must be the same; an axis with a name may be a number in a file for one size."""
    return len(got) == len(expected) and all(
        axis == wanted or (isinstance(wanted, str) and isinstance(axis, int) and axis > 0)
        for axis, wanted in zip(got, expected, strict=True)
    )
