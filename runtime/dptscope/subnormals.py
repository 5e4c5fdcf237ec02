"""Flush subnormal numbers to zero while a model runs.

A trained attention is peaked: a tenth of its softmax weights can lie below the smallest normal float32, 1.2e-38, where many
processors compute several times slower. onnxruntime's ``session.set_denormal_as_zero`` flushes them in the threads that a
session starts; in the thread that *calls* it only if that one made the first session of the process. So the calling
thread's own control register is set here for the time of a call, and put back: what the caller computes next is not ours.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_FLUSH = 0x8040  # in MXCSR: flush results to zero (bit 15), take operands as zero (bit 6); Intel SDM vol. 1, 10.2.3
_WORDS = 8  # 32-bit words of glibc's fenv_t on x86-64
_MXCSR = 7  # the last of them


@cache
def _load_libm() -> ctypes.PyDLL | None:
    """The C library's fegetenv and fesetenv, where the layout of what they exchange is known. Elsewhere nothing is flushed in
    the calling thread, which is slower and right."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return ctypes.PyDLL("libm.so.6")
    except OSError:  # another C library
        return None


@contextmanager
def subnormals_flushed() -> Iterator[None]:
    """Flush subnormal numbers to zero in this thread, and in threads that are started in the block."""
    libm = _load_libm()
    if libm is None:
        yield
        return
    before = _exchange(libm, _FLUSH)
    try:
        yield
    finally:
        _exchange(libm, before)


def _exchange(libm: ctypes.PyDLL, bits: int) -> int:
    """Set the two bits to those of ``bits`` and return what they were."""
    environment = (ctypes.c_uint32 * _WORDS)()
    libm.fegetenv(environment)
    before = environment[_MXCSR]
    environment[_MXCSR] = before & ~_FLUSH | bits & _FLUSH
    libm.fesetenv(environment)
    return int(before)
