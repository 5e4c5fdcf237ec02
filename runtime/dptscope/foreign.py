"""ONNX files of any origin, asked for what can be had from them without guessing: depth, and tokens under our own names.

Such a file need not say how a photo becomes its input, nor what its numbers mean. So it is fed what was prepared for another
file of the same model, and its depth is taken where it can be told which output that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope import contract
from dptscope.arrays import Float32Array
from dptscope.card import ModelCard
from dptscope.errors import ModelFileError, SizeError
from dptscope.session import Session, SessionOptions

DEPTH_NAMES = (contract.DEPTH, "predicted_depth")
"""Names that say that an output is the depth: ours, and that of exports of transformers."""

_FLOAT32 = "tensor(float)"


class _AnySession(Session):
    """Others give axes names of their own, and sizes of the one photo that they traced: neither is a promise."""

    def _check_output(self, name: str, array: NDArray[Any], sizes: object) -> None:
        self._axes[name] = [None] * array.ndim
        super()._check_output(name, array, {})


class AnyModel:
    """An ONNX file that gives the depth of a prepared photo.

    Attributes:
        path: the file.
        card: what it says about itself; None where dptscope did not write it.
        fixed_size: height and width of the only input that it takes; None where others are taken, too.
        depth_name: the output that is the depth.
    """

    def __init__(self, path: Path, options: SessionOptions, depth_name: str | None = None) -> None:
        """Open a file.

        Args:
            path: the file.
            options: how it is run.
            depth_name: the output that is the depth, where the file has several and none is called :data:`DEPTH_NAMES`.

        Raises:
            ModelFileError: no such file, none that onnxruntime takes, or one that does not take one prepared photo and give
                depth.
            ProviderError: a provider that is not there.
        """
        self.path = path
        self._session = _AnySession(path, options)
        is_ours = f"{contract.METADATA_PREFIX}contract" in self._session.metadata
        self.card = ModelCard.from_metadata(self._session.metadata, str(path)) if is_ours else None
        self._input = self._image_input()
        sides = tuple(self._input.shape[2:])
        self.fixed_size: tuple[int, int] | None = sides if all(isinstance(side, int) for side in sides) else None
        self.depth_name = self._depth_output(depth_name)

    def _image_input(self) -> Any:
        """The only input that must be given, if it is a prepared photo."""
        nodes = self._session.inputs
        axes = list(nodes[0].shape or ()) if len(nodes) == 1 else []
        fits = len(axes) == 4 and _may_be(axes[0], 1) and _may_be(axes[1], 3)
        if not fits or nodes[0].type != _FLOAT32:
            raise ModelFileError(
                f"{self.path}: expected one input, {_FLOAT32} of batch × 3 × height × width, got "
                f"{_in_words(nodes)}; only files that take a prepared photo can be compared"
            )
        return nodes[0]

    def _depth_output(self, wanted: str | None) -> str:
        types = {node.name: node.type for node in self._session.outputs}
        names = [wanted] if wanted is not None else [name for name in DEPTH_NAMES if name in types] or list(types)
        if wanted is not None and wanted not in types:
            raise ModelFileError(f"{self.path}: expected an output {wanted!r}, got {', '.join(types)[:200]}")
        if wanted is None and len(types) > 1 and names[0] not in DEPTH_NAMES:
            raise ModelFileError(
                f"{self.path}: expected one output, or one called {' or '.join(DEPTH_NAMES)}, got "
                f"{', '.join(types)[:200]}; say which is the depth: --depth-output NAME"
            )
        if types[names[0]] != _FLOAT32:
            raise ModelFileError(f"{self.path}: expected the depth as {_FLOAT32}, got {types[names[0]]} in {names[0]}")
        return names[0]

    def has_outputs(self, names: Sequence[str]) -> bool:
        """Whether it gives all of these."""
        return set(names) <= {node.name for node in self._session.outputs}

    def run(self, input_bchw: Float32Array, names: Sequence[str] = ()) -> tuple[Float32Array, list[Float32Array]]:
        """Depth of one prepared photo, and other outputs as they come.

        Args:
            input_bchw: float32 ``[1, 3, height, width]``.
            names: outputs.

        Returns:
            depth, float32 ``[height, width]`` at a size of the file's choice; the other outputs.

        Raises:
            SizeError: the file does not take that size.
            ModelFileError: it fails, or its depth is no map.
            DptscopeError: NaN or infinity comes out, or there is not enough memory.
        """
        sides = [side for side in self._input.shape[2:] if isinstance(side, int)]
        if sides and tuple(self._input.shape[2:]) != input_bchw.shape[2:]:
            expected, got = (f"{height} × {width}" for height, width in (self._input.shape[2:], input_bchw.shape[2:]))
            raise SizeError(
                f"{self.path}: expected photos prepared to {expected}, got {got}; leave out --size and --square, or take "
                "a file for any size"
            )
        try:
            depth, *others = self._session.run([self.depth_name, *names], {self._input.name: input_bchw})
        except ModelFileError as error:
            if self.card is not None:
                raise
            raise ModelFileError(
                f"{error}; a file that was traced at one size may take no other: --square gives it the native one, --size N "
                "another"
            ) from error
        if depth.ndim not in (2, 3, 4) or depth.size != depth.shape[-2] * depth.shape[-1]:
            raise ModelFileError(
                f"{self.path}: expected a depth of 1 × height × width in {self.depth_name}, got {depth.shape}"
            )
        return np.asarray(depth.reshape(depth.shape[-2:]), np.float32), others


def _may_be(axis: int | str | None, size: int) -> bool:
    return axis == size or not isinstance(axis, int)


def _in_words(nodes: Sequence[Any]) -> str:
    described = (f"{node.name}, {node.type} of {' × '.join(map(str, node.shape or ('?',)))}" for node in nodes)
    return "; ".join(described)[:300] or "none"
