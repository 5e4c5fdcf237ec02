"""onnxruntime itself: loaded without telemetry, the options of a session, and what it does on this processor."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dptscope.errors import DptscopeError, one_line

# Official builds from 1.29 on report names and hashes of models to their maker, and make a database for that as soon as they
# are imported. This is the only file that imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
except ImportError as error:
    raise DptscopeError(
        f"onnxruntime cannot be loaded ({one_line(error)}): install a release for this system and its "
        "processor (pip install --upgrade onnxruntime)"
    ) from error

__all__ = ["ONNXRUNTIME_VERSION", "ORT_ERRORS", "open_session", "ort", "products_saturate", "settings_of"]

ONNXRUNTIME_VERSION: str = ort.__version__

ORT_ERRORS = (
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.Fail,
    ort_errors.NotImplemented,
    ort_errors.InvalidArgument,
    ort_errors.RuntimeException,
    ort_errors.NoSuchFile,
    ort_errors.EPFail,
)

_FATAL_ONLY = (
    4  # what goes wrong comes as an exception; the log says it a second time, and warns of scales with a default
)
_EXACT_8_BIT = "session.x64quantprecision"
_PRODUCT = Path(__file__).parent / "assets" / "eight_bit_product.onnx"


def settings_of(threads: int, spin: bool) -> ort.SessionOptions:
    """onnxruntime's options for a session with so many threads, which spin while they wait during a run or sleep."""
    ort.disable_telemetry_events()
    settings = ort.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    settings.intra_op_num_threads = threads
    # A plan for a size that came before takes its memory in one new piece, beside what the first run took, for no time won:
    # without, a ViT-S at 1036 × 1036 pixels needs 950 in place of 1568 MiB.
    settings.enable_mem_pattern = False
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    # Model, companion and preview have a pool of threads each. One that spun on after its run would take the cores from the
    # next run of another: a model's run after a preview took 2.3 times as long, a slider's move 3.6 times.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    return settings


def open_session(model: str | bytes, settings: ort.SessionOptions, providers: Any) -> ort.InferenceSession:
    """Open a model, with exact products of 8-bit numbers wherever onnxruntime can be told to.

    Args:
        model: the file's path, or its bytes.
        settings: of :func:`settings_of`; what exact products need is added.
        providers: as onnxruntime takes them.

    Raises:
        Exception: one of :data:`ORT_ERRORS`.
    """
    if not products_saturate():
        return ort.InferenceSession(model, settings, providers=providers)
    settings.add_session_config_entry(_EXACT_8_BIT, "1")
    try:
        return ort.InferenceSession(model, settings, providers=providers)
    except ort_errors.Fail as error:
        # Not where two nodes read one 8-bit weight, as onnxruntime's own quantiser leaves that of the positions.
        if "Attempt to replace the existing tensor" not in str(error):
            raise
        settings.add_session_config_entry(_EXACT_8_BIT, "0")
        return ort.InferenceSession(model, settings, providers=providers)


@cache
def products_saturate() -> bool:
    """Whether onnxruntime's sums of 8-bit products are wrong on this processor, as it computes them by itself: where there is
    AVX2 or AVX512 and no VNNI, two products are added in 16 bits. Asked by computing one that would not fit (4 ms, once a
    process), because the remedy, 8-bit numbers without sign on both sides, costs a tenth to a quarter there, and where it
    is not needed more than all that 8 bits give: of a ViT-S on a Xeon with AMX, 2.5 times the time.
    """
    session = ort.InferenceSession(str(_PRODUCT), settings_of(1, spin=False), providers=["CPUExecutionProvider"])
    many, most = 64, np.iinfo(np.int8).max
    a, b = np.full((8, many), 2 * most + 1, np.uint8), np.full((many, 16), most, np.int8)
    (sums,) = session.run(["sums"], {"a": a, "b": b})
    return bool((sums != many * (2 * most + 1) * most).any())
