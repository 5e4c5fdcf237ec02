"""A loaded model and the questions that are asked of it: depth, tokens, norms, and scenes for many fusion scalings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.camera import metres_a_unit
from dptscope.cancel import Cancellation
from dptscope.card import DepthKind, ModelCard
from dptscope.graphs import Graphs
from dptscope.prepare import check_image, input_size, prepare_image
from dptscope.registers import AddedRegisters
from dptscope.resize import resize_depth
from dptscope.scales import UNSCALED, FusionScales
from dptscope.scene import Scene
from dptscope.session import Providers, SessionOptions
from dptscope.sky import check_has_sky, fill_sky


@dataclass(frozen=True)
class Prediction:
    """Depth of one photo.

    Attributes:
        depth: float32 ``[height, width]`` at the photo's own size.
        raw: float32 as the model gives it, at the model's input size.
        kind: ``relative``: inverse depth without a unit, larger is nearer; ``distance``: up to a factor, larger is farther;
            ``metric``: metres, larger is farther.
        sky: float32 ``[height, width]`` at the photo's own size: zero or more, the larger, the surer; None where the model
            does not say where the sky is.
        confidence: float32 ``[height, width]`` at the photo's own size: one or more, the larger, the surer of the depth; None
            where the model does not say it.
    """

    depth: Float32Array
    raw: Float32Array
    kind: DepthKind
    sky: Float32Array | None = None
    confidence: Float32Array | None = None


def load(
    path: str | PathLike[str], providers: Providers = None, threads: int | None = None, spin: bool = True
) -> DepthModel:
    """Open an exported model and, where they lie beside it, its fusion companion and its preview.

    Args:
        path: ``NAME.onnx``; the companion is ``NAME.fusion.onnx``, the preview ``NAME.preview.onnx``.
        providers: onnxruntime execution providers, see :class:`dptscope.session.SessionOptions`; the CPU if None.
        threads: threads of a run; as many as this process may use if None.
        spin: whether threads that wait during a run do so by spinning; False where the process has other work to do, such as
            a window.

    Raises:
        ModelFileError: no such file, no dptscope model, or a companion or preview of another model.
        ProviderError: a provider that is not there.
    """
    return DepthModel(Graphs(Path(path), SessionOptions(providers, threads, spin)))


class DepthModel:
    """An exported model. Use :func:`load`.

    Attributes:
        graphs: its opened files.
        path: the model's file.
        card: what the file says about itself.
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.path: Path = graphs.path
        self.card: ModelCard = graphs.card

    @property
    def has_companion(self) -> bool:
        """Whether another fusion scaling costs only the fusion and the head."""
        return self.graphs.has_companion

    @property
    def has_preview(self) -> bool:
        """Whether a coarse answer to another fusion scaling can be had for a fraction of the full one's time."""
        return self.graphs.has_preview

    def inputs(self) -> list[dict[str, Any]]:
        """Name, axes and whether it may be left out, of every input of the whole graph."""
        return self.graphs.inputs()

    def outputs(self) -> list[dict[str, Any]]:
        """Name and axes of every output of the whole graph."""
        return self.graphs.outputs()

    def predict(
        self,
        image_bgr: NDArray[Any],
        *,
        size: int | None = None,
        square: bool = False,
        fusion_scales: FusionScales = UNSCALED,
        focal: float | None = None,
        fov: float | None = None,
        far_sky: bool = False,
        registers: AddedRegisters | None = None,
    ) -> Prediction:
        """Depth of a photo, in one run of the whole model that keeps nothing.

        Args:
            image_bgr: uint8 ``[height, width, 3]``, blue first, as OpenCV reads it.
            size: what to use in place of the model's native size: the target of its resize rule, in pixels.
            square: ignore the photo's aspect.
            fusion_scales: factors of fusion blocks 1 … 4. For several on one photo use :meth:`prepare`.
            focal: focal length in pixels of the photo, for models that give metres by it (``card.canonical_focal``).
            fov: horizontal field of view of the photo in degrees, in place of the focal length.
            far_sky: put the sky at one far distance, see :func:`dptscope.sky.fill_sky`; ``raw`` stays as it is.
            registers: tokens that are appended, of a file that was exported with ``--registers``.

        Raises:
            ImageError: no image.
            SizeError: the model does not take that size.
            DptscopeError: a focal length or a sky that the model knows nothing of.
        """
        image, card = check_image(image_bgr), self.card
        photo_hw = (image.shape[0], image.shape[1])
        if far_sky:
            check_has_sky(card)
        input_w = input_size(card, photo_hw, size, square)[1]
        metres = metres_a_unit(card, photo_hw[1], input_w, focal, fov)  # before the run: it may be wrong
        input_bchw = prepare_image(card, image, size, square)
        maps = self.run(input_bchw, card.maps(), fusion_scales, registers)
        raw = {name: map_bhw[0] for name, map_bhw in maps.items()}
        raw_hw = raw[contract.DEPTH]
        wanted = {**raw, contract.DEPTH: fill_sky(raw_hw, raw[contract.SKY])} if far_sky else raw
        way = card.preparation.output_resize
        found = {name: resize_depth(map_hw, photo_hw, way) for name, map_hw in wanted.items()}
        depth_hw = found[contract.DEPTH]
        return Prediction(
            depth=depth_hw if metres is None else depth_hw * np.float32(metres),
            raw=raw_hw,
            kind=card.depth_kind if metres is None else "metric",
            sky=found.get(contract.SKY),
            confidence=found.get(contract.CONFIDENCE),
        )

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
        self,
        image_bgr: NDArray[Any],
        *,
        size: int | None = None,
        square: bool = False,
        keep_tokens: bool = False,
        cancel: Cancellation | None = None,
        registers: AddedRegisters | None = None,
    ) -> Scene:
        """Run the encoder once on a photo and keep what further questions need.

        Args:
            image_bgr: see :meth:`predict`.
            size: see :meth:`predict`.
            square: see :meth:`predict`.
            keep_tokens: keep the tokens themselves and not only their norms: blocks × grid × channels × 4 bytes.
            cancel: ends the run from another thread.
            registers: see :meth:`predict`.

        Raises:
            CancelledError: it was ended.
            ImageError: no image.
            SizeError: the model does not take that size.
        """
        image = check_image(image_bgr)
        input_bchw = prepare_image(self.card, image, size, square)
        return Scene(self.graphs, input_bchw, (image.shape[0], image.shape[1]), keep_tokens, cancel, registers)

    def run(
        self,
        input_bchw: Float32Array,
        outputs: Sequence[str],
        fusion_scales: FusionScales = UNSCALED,
        registers: AddedRegisters | None = None,
    ) -> dict[str, Float32Array]:
        """Run the whole graph on a prepared input.

        Args:
            input_bchw: float32 ``[batch, 3, height, width]``; see :func:`dptscope.prepare.prepare_image`.
            outputs: names of the outputs to fetch.
            fusion_scales: factors of fusion blocks 1 … 4.
            registers: see :meth:`predict`.

        Raises:
            SizeError: the graph does not take that shape.
            DptscopeError: no such output.
        """
        return self.graphs.whole(input_bchw, outputs, fusion_scales, registers=registers)

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
        return self.graphs.fuse(fusion_inputs, fusion_scales)

    def preview(
        self, fusion_inputs: Sequence[Float32Array], fusion_scales: FusionScales | NDArray[np.float32] = UNSCALED
    ) -> Float32Array:
        """The same as :meth:`fuse`, coarser and several times faster.

        Returns:
            depth, float32 ``[max(batch, n), height, width]`` at the size of one of the coarser fusion inputs.

        Raises:
            ModelFileError: the preview is not there.
        """
        return self.graphs.preview(fusion_inputs, fusion_scales)
