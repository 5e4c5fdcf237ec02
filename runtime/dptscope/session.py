"""onnxruntime sessions: providers that are really there, and as many threads as this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from dptscope.errors import ModelFileError, ProviderError

DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
_ERRORS_ONLY = 3  # onnxruntime warns about every initializer that can be overridden; ours are meant to be

_BAD_FILE = (
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.Fail,
    ort_errors.NotImplemented,
    ort_errors.InvalidArgument,
    ort_errors.RuntimeException,
)


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, cut to the container's quota (cgroup v2 or v1) where there is one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return max(1, min(cpus, math.ceil(quota))) if quota is not None else cpus


def _cgroup_quota(root: Path) -> float | None:
    """CPUs' worth of time a period that the cgroup allows, or None where it sets no limit."""
    try:
        if (root / "cpu.max").is_file():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
    except FileNotFoundError:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def open_session(
    path: Path, providers: Sequence[str] | None = None, threads: int | None = None, spin: bool = True
) -> ort.InferenceSession:
    """Open an ONNX file.

    Args:
        path: the file.
        providers: onnxruntime execution providers, first choice first; the CPU if None.
        threads: threads inside an operator; :func:`available_cpus` if None.
        spin: whether idle threads wait by spinning. It makes runs that follow each other closely a little faster and takes
            CPU time from everything else in the process.

    Raises:
        ModelFileError: no such file, or no ONNX file.
        ProviderError: a provider that is not there.
    """
    wanted = tuple(providers) if providers is not None else DEFAULT_PROVIDERS
    missing = [name for name in wanted if name not in ort.get_available_providers()]
    if missing or not wanted:
        there = ", ".join(ort.get_available_providers())
        raise ProviderError(f"expected one of the providers {there}, got {', '.join(missing) or 'none'}")
    if threads is not None and threads < 1:
        raise ProviderError(f"expected at least one thread, got {threads}")
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file")
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads if threads is not None else available_cpus()
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    try:
        return ort.InferenceSession(str(path), options, providers=list(wanted))
    except _BAD_FILE as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{path}: onnxruntime cannot load it ({reason[:200]})") from error
