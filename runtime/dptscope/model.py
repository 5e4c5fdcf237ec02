"""A loaded model: depth, tokens, norms, and scenes that answer many fusion scalings after one run of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.card import DepthKind, ModelCard
from dptscope.errors import DptscopeError, ModelFileError
from dptscope.prepare import check_image, check_input_shape, prepare_image
from dptscope.resize import Float32Array, resize_depth
from dptscope.scales import UNSCALED, FusionScales, scale_feeds
from dptscope.scene import Scene
from dptscope.session import Session, open_session
from dptscope.signature import check_inputs, check_outputs

_TRIES = 5


@dataclass(frozen=True)
class Prediction:
    """Depth of one photo.

    Attributes:
        depth: float32 ``[height, width]`` at the photo's own size.
        raw: float32 as the model gives it, at the model's input size.
        kind: ``relative``: inverse depth without a unit, larger is nearer; ``metric``: metres, larger is farther.
    """

    depth: Float32Array
    raw: Float32Array
    kind: DepthKind


def load(
    path: str | PathLike[str], providers: Sequence[str] | None = None, threads: int | None = None, spin: bool = True
) -> DepthModel:
    """Open an exported model and, where they lie beside it, its fusion companion and its preview.

    Args:
        path: ``NAME.onnx``; the companion is ``NAME.fusion.onnx``, the preview ``NAME.preview.onnx``.
        providers: onnxruntime execution providers; the CPU if None.
        threads: threads of a run; as many as this process may use if None.
        spin: whether threads that wait during a run do so by spinning; False where the process has other work to do, such as
            a window.

    Raises:
        ModelFileError: no such file, no dptscope model, or a companion or preview of another model.
        ProviderError: a provider that is not there.
    """
    path = Path(path)
    for _ in range(_TRIES):
        before = _identities(path)
        try:
            model = DepthModel(path, providers, threads, spin)
        except ModelFileError:
            if _identities(path) == before:
                raise
        else:
            if _identities(path) == before:
                break
    else:
        raise ModelFileError(f"{path}: expected a file that stays as it is, got one that was replaced {_TRIES} times")
    return model


def _identities(path: Path) -> list[tuple[int, int, int] | None]:
    """Tells whether the model and what lies beside it are still the same files: an export may replace them one by one while
    they are being opened."""
    found: list[tuple[int, int, int] | None] = []
    for file in (path, contract.companion_path(path), contract.preview_path(path)):
        try:
            status = file.stat()
            found.append((status.st_dev, status.st_ino, status.st_mtime_ns))
        except OSError:
            found.append(None)
    return found


class DepthModel:
    """An exported model. Use :func:`load`.

    Attributes:
        path: the file.
        card: what the file says about itself.
    """

    def __init__(
        self, path: Path, providers: Sequence[str] | None = None, threads: int | None = None, spin: bool = True
    ) -> None:
        for suffix, what in ((contract.COMPANION_SUFFIX, "fusion companion"), (contract.PREVIEW_SUFFIX, "preview")):
            if path.name.endswith(suffix):
                raise ModelFileError(f"{path}: expected a model, got a {what}; name the model beside it")
        self.path = path
        self._session = open_session(path, providers, threads, spin)
        self.card = ModelCard.from_metadata(self._session.get_modelmeta().custom_metadata_map, str(path))
        self._outputs = {output.name for output in self._session.get_outputs()}
        self._check_graph()
        whole, coarse = contract.depth_output(), contract.preview_output()
        self._companion = self._open_beside(contract.companion_path(path), "companion", whole, providers, threads, spin)
        self._preview = self._open_beside(contract.preview_path(path), "preview", coarse, providers, threads, spin)

    @property
    def has_companion(self) -> bool:
        """Whether another fusion scaling costs only the fusion and the head."""
        return self._companion is not None

    @property
    def has_preview(self) -> bool:
        """Whether a coarse answer to another fusion scaling can be had for a fraction of the full one's time."""
        return self._preview is not None

    def inputs(self) -> list[dict[str, Any]]:
        """Name, axes and whether it may be left out, of every input."""
        optional = self._session.get_overridable_initializers()
        return [
            {"name": node.name, "axes": list(node.shape), "optional": False} for node in self._session.get_inputs()
        ] + [{"name": node.name, "axes": list(node.shape), "optional": True} for node in optional]

    def outputs(self) -> list[dict[str, Any]]:
        """Name and axes of every output."""
        return [{"name": node.name, "axes": list(node.shape)} for node in self._session.get_outputs()]

    def _check_graph(self) -> None:
        card = self.card
        outputs = contract.model_outputs(card.blocks, card.has_cls, card.fusion_channels)
        check_inputs(self.path, self._session.get_inputs(), (contract.image_input(),))
        check_outputs(self.path, self._session.get_outputs(), outputs)
        check_inputs(self.path, self._session.get_overridable_initializers(), contract.fusion_scale_inputs())

    def _open_beside(
        self,
        path: Path,
        what: str,
        depth: contract.TensorSpec,
        providers: Sequence[str] | None,
        threads: int | None,
        spin: bool,
    ) -> Session | None:
        if not path.is_file():
            return None
        session = open_session(path, providers, threads, spin)
        card = ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map, str(path))
        if card.model_id != self.card.model_id:
            raise ModelFileError(
                f"{path}: expected the {what} of {self.path.name} (id {self.card.model_id}), "
                f"got that of another model (id {card.model_id})"
            )
        check_inputs(path, session.get_inputs(), contract.fusion_inputs(self.card.fusion_channels))
        check_inputs(path, session.get_overridable_initializers(), contract.fusion_scale_inputs())
        check_outputs(path, session.get_outputs(), (depth,))
        return session

    def predict(
        self,
        image_bgr: NDArray[Any],
        *,
        size: int | None = None,
        square: bool = False,
        fusion_scales: FusionScales = UNSCALED,
    ) -> Prediction:
        """Depth of a photo, in one run of the whole model that keeps nothing.

        Args:
            image_bgr: uint8 ``[height, width, 3]``, blue first, as OpenCV reads it.
            size: what to use in place of the model's native size: the target of its resize rule, in pixels.
            square: ignore the photo's aspect.
            fusion_scales: factors of fusion blocks 1 … 4. For several on one photo use :meth:`prepare`.

        Raises:
            ImageError: no image.
            SizeError: the model does not take that size.
        """
        image = check_image(image_bgr)
        input_bchw = prepare_image(self.card, image, size, square)
        raw_hw = self.run(input_bchw, [contract.DEPTH], fusion_scales)[contract.DEPTH][0]
        photo_hw = (image.shape[0], image.shape[1])
        depth_hw = resize_depth(raw_hw, photo_hw, self.card.preparation.output_resize)
        return Prediction(depth=depth_hw, raw=raw_hw, kind=self.card.depth_kind)

    def block_tokens(
        self, image_bgr: NDArray[Any], *, size: int | None = None, square: bool = False
    ) -> tuple[Float32Array, ...]:
        """Patch tokens that leave each block, one float32 ``[grid_height, grid_width, channels]`` a block.

        Arguments and errors as in :meth:`predict`.
        """
        return self.prepare(image_bgr, size=size, square=square, keep_tokens=True).block_tokens

    def block_norms(
        self, image_bgr: NDArray[Any], *, size: int | None = None, square: bool = False
    ) -> tuple[Float32Array, ...]:
        """L2 norms of the patch tokens that leave each block, one float32 ``[grid_height, grid_width]`` a block.

        Arguments and errors as in :meth:`predict`.
        """
        return self.prepare(image_bgr, size=size, square=square).block_norms

    def prepare(
        self, image_bgr: NDArray[Any], *, size: int | None = None, square: bool = False, keep_tokens: bool = False
    ) -> Scene:
        """Run the encoder once on a photo and keep what further questions need.

        Args:
            image_bgr: see :meth:`predict`.
            size: see :meth:`predict`.
            square: see :meth:`predict`.
            keep_tokens: keep the tokens themselves and not only their norms: blocks × grid × channels × 4 bytes.

        Raises:
            ImageError: no image.
            SizeError: the model does not take that size.
        """
        image = check_image(image_bgr)
        photo_hw = (image.shape[0], image.shape[1])
        return Scene(self, photo_hw, prepare_image(self.card, image, size, square), keep_tokens)

    def run(
        self, input_bchw: Float32Array, outputs: Sequence[str], fusion_scales: FusionScales = UNSCALED
    ) -> dict[str, Float32Array]:
        """Run the whole graph on a prepared input.

        Args:
            input_bchw: float32 ``[batch, 3, height, width]``; see :func:`dptscope.prepare.prepare_image`.
            outputs: names of the outputs to fetch.
            fusion_scales: factors of fusion blocks 1 … 4.

        Raises:
            SizeError: the graph does not take that shape.
            DptscopeError: no such output.
        """
        check_input_shape(self.card, input_bchw.shape)
        unknown = [name for name in outputs if name not in self._outputs]
        if unknown:
            raise DptscopeError(f"{self.path.name}: expected an output of the model, got {unknown[0]!r}")
        feeds = {contract.IMAGE: np.ascontiguousarray(input_bchw, dtype=np.float32)}
        if tuple(fusion_scales) != UNSCALED:
            feeds |= scale_feeds(fusion_scales)
        return dict(zip(outputs, self._session.run(list(outputs), feeds), strict=True))

    def fuse(
        self, fusion_inputs: Sequence[Float32Array], fusion_scales: FusionScales | NDArray[np.float32] = UNSCALED
    ) -> Float32Array:
        """Run only fusion and head.

        Args:
            fusion_inputs: ``fusion_input_1 … 4``, each ``[batch, channels, height, width]``.
            fusion_scales: four numbers, or an array ``[n, 4]``: with a batch of one, n scalings in one run.

        Returns:
            depth, float32 ``[max(batch, n), height, width]``.

        Raises:
            ModelFileError: the companion is not there.
        """
        return self._decode(self._companion, contract.companion_path(self.path), fusion_inputs, fusion_scales)

    def preview(
        self, fusion_inputs: Sequence[Float32Array], fusion_scales: FusionScales | NDArray[np.float32] = UNSCALED
    ) -> Float32Array:
        """The same as :meth:`fuse`, coarser and several times faster.

        Returns:
            depth, float32 ``[max(batch, n), height, width]`` at the size of one of the coarser fusion inputs.

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
        feeds |= scale_feeds(fusion_scales)
        (depth_bhw,) = session.run([contract.DEPTH], feeds)
        return np.asarray(depth_bhw)
