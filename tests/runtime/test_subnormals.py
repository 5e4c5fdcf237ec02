"""Subnormal numbers are zero in every thread that computes, whoever asks, and stay what they are in the caller's own work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dptscope.session import Session, SessionOptions
from dptscope.subnormals import _load_libm

pytestmark = pytest.mark.skipif(_load_libm() is None, reason="the calling thread's register is known on Linux, x86-64")

SIDE = 512  # large enough that both threads of the session get a part


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protobuf message with a number below 16: a varint below 128, or bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def write_product(path: Path) -> Path:
    """An ONNX file that multiplies two matrices, written by hand: this leg of the tests has no onnx."""
    axes = b"".join(field(1, field(2, axis)) for axis in (b"rows", b"columns"))
    kind = field(1, field(1, 1) + field(2, axes))  # float32
    left, right, product = (field(1, name) + field(2, kind) for name in (b"left", b"right", b"product"))
    node = field(1, b"left") + field(1, b"right") + field(2, b"product") + field(4, b"MatMul")
    graph = field(1, node) + field(2, b"g") + field(11, left) + field(11, right) + field(12, product)
    # The graph is longer than one byte can say.
    length = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7])
    path.write_bytes(field(1, 8) + bytes([7 << 3 | 2]) + length + graph + field(8, field(2, 20)))
    return path


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return write_product(tmp_path / "product.onnx")


def largest(session: Session) -> float:
    """The largest number of a product of 1e-30 and 1e-10, whose terms are all subnormal."""
    feeds = {"left": np.full((SIDE, SIDE), 1e-30, np.float32), "right": np.full((SIDE, SIDE), 1e-10, np.float32)}
    (found,) = session.run(["product"], feeds)
    return float(found.max())


def here() -> float:
    return float(np.float32(1e-30) * np.float32(1e-10))


def in_a_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_the_product_would_show_it(product: Path) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    feeds = {"left": np.full((SIDE, SIDE), 1e-30, np.float32), "right": np.full((SIDE, SIDE), 1e-10, np.float32)}
    # Whether another test opened the first session of this process or not: a thread of our own is as it should be.
    session = in_a_thread(lambda: ort.InferenceSession(product, options))
    assert in_a_thread(lambda: session.run(None, feeds)[0].min()) > 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("spin", [True, False])
def test_in_the_thread_that_opened_it_and_in_another(product: Path, threads: int, spin: bool) -> None:
    session = Session(product, SessionOptions(threads=threads, spin=spin))
    assert largest(session) == 0.0
    assert in_a_thread(lambda: largest(session)) == 0.0


def test_in_a_thread_older_than_the_model(product: Path) -> None:
    opened = threading.Event()
    sessions: list[Session] = []
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: opened.wait(60) and largest(sessions[0]))
        sessions.append(Session(product, SessionOptions(threads=2)))
        opened.set()
        assert waiting.result() == 0.0


def test_opened_in_another_thread(product: Path) -> None:
    session = in_a_thread(lambda: Session(product, SessionOptions(threads=2)))
    assert largest(session) == 0.0


def test_eight_threads_at_once(product: Path) -> None:
    session = Session(product, SessionOptions(threads=2))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: largest(session), range(32))) == {0.0}


def test_the_caller_keeps_its_own(product: Path) -> None:
    before = here()
    assert before == pytest.approx(1e-40, rel=1e-4)
    session = Session(product, SessionOptions(threads=2))
    assert here() == before
    largest(session)
    assert here() == before
    with pytest.raises(Exception, match="product"):
        session.run(["product"], {"left": np.ones((2, 3), np.float32), "right": np.ones((2, 3), np.float32)})
    assert here() == before
