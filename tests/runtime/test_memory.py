"""What memory there is, and what is refused for the want of it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dptscope
from dptscope import SizeError
from dptscope.process.limits import available_bytes, check_room, is_for_memory, least_bytes

MIB = 1 << 20


def system(root: Path, free_mib: int) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {free_mib * 1024} kB\n")
    (root / "proc/self/cgroup").write_text("4:memory:/job/7\n0::/\n")


def test_the_least_of_system_and_container(tmp_path: Path) -> None:
    system(tmp_path, 900)
    assert available_bytes(tmp_path) == 900 * MIB
    group = tmp_path / "sys/fs/cgroup/memory/job/7"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(f"{500 * MIB}\n")
    (group / "memory.usage_in_bytes").write_text(f"{300 * MIB}\n")
    (group / "memory.stat").write_text(f"cache {40 * MIB}\nrss {260 * MIB}\n")
    assert available_bytes(tmp_path) == 240 * MIB  # the cache can be given back


def test_the_second_version_of_cgroups(tmp_path: Path) -> None:
    system(tmp_path, 900)
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    (group / "memory.stat").write_text("file 0\n")
    assert available_bytes(tmp_path) == 900 * MIB
    (group / "memory.max").write_text(f"{100 * MIB}\n")
    (group / "memory.current").write_text(f"{30 * MIB}\n")
    assert available_bytes(tmp_path) == 70 * MIB


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) is None


def test_what_cannot_fit_is_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dptscope.load(tiny_model)
    monkeypatch.setattr("dptscope.process.limits.available_bytes", lambda: 64 * MIB)
    check_room(model.card, (280, 280))
    with pytest.raises(SizeError, match=r"28 × 560000 pixels need at least 2\d\.\d GiB of memory, got 0\.1 GiB free"):
        model.predict(np.zeros((1, 20000, 3), np.uint8), size=28)
    with pytest.raises(SizeError, match="GiB"):
        model.run(np.zeros((50, 3, 700, 700), np.float32), ["depth"])


def test_the_estimate_is_a_lower_bound(tiny_model: Path) -> None:
    card = dptscope.load(tiny_model).card
    tokens = 100 * 100
    assert least_bytes(card, (1400, 1400)) == 4 * (4 * tokens * 64 + 1400 * 1400 + tokens**2)


def test_who_says_that_there_is_no_memory() -> None:
    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):
        wrapped = RuntimeError("export failed")
        wrapped.__cause__ = error
        assert is_for_memory(error) and is_for_memory(wrapped)
    assert not is_for_memory(RuntimeError("expected 3 channels"))


@pytest.mark.parametrize("mib", [200, 450, 1023])
def test_too_little_to_start_with_is_one_line(tiny_model: Path, photo_path: Path, tmp_path: Path, mib: int) -> None:
    """Said before libraries are loaded: with so little address space some crash."""
    command = [sys.executable, "-m", "dptscope", "norms", str(tiny_model), str(photo_path), "-o", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB)),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "dptscope: expected at least 1024 MiB of address space to load onnxruntime and OpenCV, "
        f"got a limit of {mib} MiB (ulimit -v)\n"
    )
    assert not list(tmp_path.iterdir())
