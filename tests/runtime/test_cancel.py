"""A run is ended from another thread."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dptscope
from dptscope import Cancellation, CancelledError


def test_a_running_encoder_ends_at_once_and_the_model_goes_on_working(tiny_model: Path, photo_bgr: Any) -> None:
    """At a size that takes seconds: it ends in a small part of them."""
    model = dptscope.load(tiny_model)
    wanted = model.prepare(photo_bgr).block_norms
    cancel, began = Cancellation(), threading.Event()

    def later() -> None:
        began.wait()
        time.sleep(0.3)
        cancel.cancel()

    thread = threading.Thread(target=later)
    thread.start()
    began.set()
    with pytest.raises(CancelledError):
        for _ in range(1000):  # some minutes: it is not ended by its own end
            model.prepare(photo_bgr, size=14 * 40, cancel=cancel)
    thread.join()
    for one, other in zip(wanted, model.prepare(photo_bgr).block_norms, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_cancelled_before_does_not_begin(tiny_model: Path, photo_bgr: Any) -> None:
    cancel = Cancellation()
    cancel.cancel()
    assert cancel.cancelled
    with pytest.raises(CancelledError):
        dptscope.load(tiny_model).prepare(photo_bgr, cancel=cancel)


def test_a_scaled_depth_without_the_companion_can_be_cancelled(
    tmp_path: Path, tiny_model: Path, photo_bgr: Any
) -> None:
    (tmp_path / "alone.onnx").write_bytes(tiny_model.read_bytes())
    scene = dptscope.load(tmp_path / "alone.onnx").prepare(photo_bgr)
    cancel = Cancellation()
    cancel.cancel()
    with pytest.raises(CancelledError):
        scene.raw_depth((1.0, 0.5, 1.0, 1.0), cancel)


def test_stop_is_called_while_it_runs_and_not_after() -> None:
    cancel, called = Cancellation(), []
    with cancel.running(lambda: called.append("first")):
        pass
    with cancel.running(lambda: called.append("second")):
        cancel.cancel()
    assert called == ["second"]
