"""onnxruntime sessions: providers that are really there, and as many threads as this process may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dptscope.arrays import Float32Array
from dptscope.cancel import Cancellation
from dptscope.contract import BLOCK_CLS_TOKENS
from dptscope.errors import DptscopeError, ModelFileError, ProviderError, SizeError, one_line
from dptscope.files.onnx_file import check_structure
from dptscope.files.optional_inputs import with_required_inputs
from dptscope.finite import has_finite_squares, is_finite
from dptscope.ort import ORT_ERRORS, open_session, ort, settings_of
from dptscope.process.limits import available_cpus, is_for_memory
from dptscope.subnormals import subnormals_flushed

MOST_THREADS = 1024  # onnxruntime starts as many as it is told
DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"  # of a model that is given as bytes

Provider = str | tuple[str, Mapping[str, Any]]
Providers = Sequence[Provider] | str | None


def installed_providers() -> tuple[str, ...]:
    """Execution providers that this onnxruntime has and that compute on this machine, its own first choice first."""
    return tuple(name for name in ort.get_available_providers() if name != "AzureExecutionProvider")  # asks a service


@dataclass(frozen=True)
class SessionOptions:
    """How graphs are run.

    Attributes:
        providers: onnxruntime execution providers, first choice first, each by its name or as onnxruntime takes one with
            options, ``("CUDAExecutionProvider", {"device_id": 1})``; one name alone; the CPU if None.
        threads: threads inside an operator; :func:`available_cpus` if None.
        spin: whether threads that wait for work *during a run* do so by spinning: a little faster, but everything else in the
            process gets less of the CPU. Between runs they sleep in any case.
        keep_memory: whether memory that a run took is kept for the next one.
    """

    providers: Providers = None
    threads: int | None = None
    spin: bool = True
    keep_memory: bool = True

    def chosen_providers(self) -> list[Provider]:
        """Raises:
        ProviderError: one is not there.
        """
        wanted: list[Provider] = (
            [self.providers] if isinstance(self.providers, str) else list(self.providers or DEFAULT_PROVIDERS)
        )
        missing = [name for name in _names(wanted) if name not in ort.get_available_providers()]
        if missing or (self.providers is not None and not self.providers):
            there = ", ".join(ort.get_available_providers())
            raise ProviderError(f"expected one of the providers {there}, got {', '.join(missing) or 'none'}")
        return wanted

    def chosen_threads(self) -> int:
        """Raises:
        ProviderError: a number of threads that cannot be.
        """
        if self.threads is None:
            return available_cpus()
        if not 1 <= self.threads <= MOST_THREADS:
            raise ProviderError(f"expected 1 to {MOST_THREADS} threads, got {self.threads}")
        return self.threads


class Session:
    """An ONNX file in onnxruntime, which answers with finite numbers of the declared shapes, or with one of our errors.

    Tokens that have become too large leave no trace in the depth, for the next normalisation divides by an infinite variance
    and makes zeros of them. So the class tokens of all blocks, where there are any, are looked at in every run: they are few.

    Attributes:
        metadata: the file's entries.
        inputs, optional_inputs, outputs: onnxruntime's descriptions of them, each with ``name``, ``type`` and ``shape``.
    """

    def __init__(self, path: Path, options: SessionOptions = SessionOptions()) -> None:
        """Open a file.

        Raises:
            ModelFileError: no such file, no ONNX file, or one that no export writes (see :mod:`dptscope.files.onnx_file`).
            ProviderError: a provider that is not there, or a number of threads that cannot be.
        """
        providers, threads = options.chosen_providers(), options.chosen_threads()
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file")
        check_structure(path)
        self._path = path
        try:
            settings = settings_of(threads, options.spin)
            model: str | bytes = str(path)
            self._defaults: dict[str, NDArray[Any]] = {}
            if any(name not in DEFAULT_PROVIDERS for name in _names(providers)):
                model, self._defaults = with_required_inputs(path)
                settings.add_session_config_entry(_WEIGHTS_FOLDER, str(path.absolute().parent))
            with subnormals_flushed():  # onnxruntime sets the flag in this thread, too, and leaves it so: put back here
                self._session = open_session(model, settings, providers)
            _check_providers(providers, self._session.get_providers())
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
            nodes = self._session.get_inputs()
            self.inputs: list[Any] = [node for node in nodes if node.name not in self._defaults]
            self.optional_inputs: list[Any] = [
                *self._session.get_overridable_initializers(),
                *(node for node in nodes if node.name in self._defaults),
            ]
            self.outputs: list[Any] = self._session.get_outputs()
            self._axes: dict[str, list[int | str | None]] = {
                node.name: list(node.shape or ()) for node in (*self.inputs, *self.optional_inputs, *self.outputs)
            }
        except (*ORT_ERRORS, MemoryError, UnicodeDecodeError) as error:  # names and messages come out of the file
            if is_for_memory(error):
                raise DptscopeError(f"{path}: not enough memory to load it") from error
            raise ModelFileError(f"{path}: onnxruntime cannot load it ({one_line(error)})") from error
        self._always_checked = [name for name in self._axes if name == BLOCK_CLS_TOKENS]
        self._keep_memory = options.keep_memory

    def _run_options(self) -> ort.RunOptions:
        options = ort.RunOptions()
        if not self._keep_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options

    def run(
        self,
        output_names: Sequence[str],
        input_feed: Mapping[str, NDArray[Any]],
        cancel: Cancellation | None = None,
    ) -> list[Float32Array]:
        """Run the graph.

        Args:
            output_names: outputs to fetch.
            input_feed: arrays by input.
            cancel: ends the run from another thread.

        Raises:
            CancelledError: it was ended.
            SizeError: the graph is fixed to another size.
            DptscopeError: NaN or infinity goes in or comes out, or there is not enough memory.
            ModelFileError: the graph fails, or gives other shapes than it declares.
        """
        sizes: dict[int | str | None, int] = {}
        for name, array in input_feed.items():
            if not is_finite(array):
                raise DptscopeError(f"expected finite numbers in {name}, got NaN or infinity")
            self._check_input(name, array.shape)
            sizes |= dict(zip(self._axes.get(name, ())[1:], array.shape[1:], strict=False))
        names = [*output_names, *(name for name in self._always_checked if name not in output_names)]
        options, cancel = self._run_options(), cancel or Cancellation()
        try:
            with subnormals_flushed(), cancel.running(lambda: setattr(options, "terminate", True)):
                outputs: list[Float32Array] = self._session.run(names, self._defaults | dict(input_feed), options)
        except (*ORT_ERRORS, MemoryError, ValueError) as error:
            cancel.check()
            if is_for_memory(error):
                shape = " × ".join(str(size) for size in next(iter(input_feed.values())).shape)
                raise DptscopeError(f"{self._path}: not enough memory for an input of {shape}") from error
            raise ModelFileError(f"{self._path}: onnxruntime cannot run it ({one_line(error)})") from error
        for name, array in zip(names, outputs, strict=True):
            self._check_output(name, array, sizes)
        if not all(has_finite_squares(outputs[names.index(name)]) for name in self._always_checked):
            raise DptscopeError(
                f"{self._path}: expected numbers that float32 can compute with, got larger ones in {BLOCK_CLS_TOKENS}: "
                "weights that are too large"
            )
        return outputs[: len(output_names)]

    def _check_input(self, name: str, shape: tuple[int, ...]) -> None:
        axes = self._axes.get(name, shape)
        fixed = [(axis, size) for axis, size in zip(axes, shape, strict=False) if isinstance(axis, int)]
        if len(axes) != len(shape) or any(axis != size for axis, size in fixed):
            expected, got = " × ".join(map(str, axes)), " × ".join(map(str, shape))
            raise SizeError(f"{self._path}: expected {name} of {expected}, got {got}")

    def _check_output(self, name: str, array: NDArray[Any], sizes: Mapping[int | str | None, int]) -> None:
        """The first axis is the batch, which is the image's or that of the scales."""
        axes = self._axes[name]
        if array.dtype != np.float32 or array.ndim != len(axes) or not array.size:
            raise ModelFileError(
                f"{self._path}: expected {name} with {len(axes)} axes, got {array.dtype} {array.shape}"
            )
        for axis, size in zip(axes[1:], array.shape[1:], strict=True):
            expected = axis if isinstance(axis, int) else sizes.get(axis, size)
            if size != expected:
                raise ModelFileError(f"{self._path}: expected {name} with {expected} for {axis}, got {array.shape}")
        if not is_finite(array):
            raise DptscopeError(
                f"{self._path}: expected finite numbers in {name}, got NaN or infinity: weights that are not finite, or "
                "fusion scales too large for float32"
            )


def _names(providers: Sequence[Provider]) -> list[str]:
    return [provider if isinstance(provider, str) else provider[0] for provider in providers]


def _check_providers(wanted: Sequence[Provider], got: Sequence[str]) -> None:
    """onnxruntime goes on with others where a provider is there and cannot start.

    Raises:
        ProviderError: one that was asked for could not.
    """
    missing = [name for name in _names(wanted) if name not in got]
    if missing:
        raise ProviderError(
            f"expected {', '.join(missing)} to run the model, got {', '.join(got)}: it is installed and cannot start here, "
            "for instance because its driver or a library is not there"
        )
