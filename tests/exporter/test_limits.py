"""An export that cannot fit is refused before the work, with what it needs and what is there."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest
from support.seeded import write_tiny

from dptscope import DptscopeError
from dptscope_export import pipeline
from dptscope_export.limits import check_memory_and_disk
from dptscope_export.pipeline import export

MIB = 1 << 20
Usage = namedtuple("Usage", "total used free")


def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dptscope_export.limits.available_bytes", lambda: 700 * MIB)
    check_memory_and_disk(25_000_000, tmp_path / "vits.onnx")
    with pytest.raises(
        DptscopeError, match="335 million parameters needs at least 3345 MiB of memory, got 700 MiB free"
    ):
        check_memory_and_disk(335_000_000, tmp_path / "vitl.onnx")
    monkeypatch.setattr("dptscope_export.limits.available_bytes", lambda: None)  # a system that does not say
    check_memory_and_disk(335_000_000, tmp_path / "vitl.onnx")


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dptscope_export.limits.shutil.disk_usage", lambda _folder: Usage(500 * MIB, 450 * MIB, 50 * MIB)
    )
    check_memory_and_disk(13_000_000, tmp_path / "m.onnx")
    with pytest.raises(
        DptscopeError, match=r"m\.onnx: cannot be written \(it needs 95\.4 MiB, and 50\.0 MiB of the disk"
    ):
        check_memory_and_disk(25_000_000, tmp_path / "m.onnx")


def test_it_is_asked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dptscope_export.limits.available_bytes", lambda: 100 * MIB)
    monkeypatch.setattr(pipeline, "build", lambda *_: pytest.fail("the work had begun"))
    write_tiny(tmp_path / "tiny.safetensors")
    with pytest.raises(DptscopeError, match="of memory, got 100 MiB free"):
        export(tmp_path / "tiny.safetensors", tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.safetensors"]
