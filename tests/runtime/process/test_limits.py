"""What memory there is, and what is refused for the want of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dptscope
from dptscope import SizeError
from dptscope.commands.demo import MODEL
from dptscope.process.limits import available_bytes, available_cpus, check_memory, is_for_memory, least_bytes

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
    check_memory(model.card, (280, 280))
    with pytest.raises(SizeError, match=r"28 × 560000 pixels need at least 2\d\.\d GiB of memory, got 0\.1 GiB free"):
        model.predict(np.zeros((1, 20000, 3), np.uint8), size=28)
    with pytest.raises(SizeError, match="GiB"):
        model.run(np.zeros((50, 3, 700, 700), np.float32), ["depth"])


GROWTH = """
import sys
from pathlib import Path
import numpy as np
import dptscope

model, side = dptscope.load(sys.argv[1], threads=2), int(sys.argv[2])

def peak():  # of this program; what getrusage says includes that of the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])

model.run(np.zeros((1, 3, *model.card.native_size), np.float32), ["depth"])
before = peak()
model.run(np.zeros((1, 3, side, side), np.float32), ["depth"])
print(peak() - before)
"""


@pytest.mark.parametrize("side", [784, 1036])
def test_nothing_that_fits_is_refused(side: int) -> None:
    """What is said to be needed at least is never more than what a run takes; and it is not nothing."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(MODEL), str(side)], capture_output=True, text=True, check=True
    )
    growth, said = int(done.stdout), least_bytes(dptscope.load(MODEL).card, (side, side))
    assert 0.2 * growth < said <= growth


def test_attention_counts_as_far_as_the_file_says(tiny_model: Path) -> None:
    card = dptscope.load(tiny_model).card
    tokens = 100 * 100
    outputs = 4 * (4 * tokens * 64 + 1400 * 1400)
    for matrices in (None, 1, 12):
        assert least_bytes(replace(card, attention_matrices=matrices), (1400, 1400)) == (
            outputs + 4 * (matrices or 0) * tokens**2
        )


def test_who_says_that_there_is_no_memory() -> None:
    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):
        wrapped = RuntimeError("export failed")
        wrapped.__cause__ = error
        assert is_for_memory(error) and is_for_memory(wrapped)
    assert not is_for_memory(RuntimeError("expected 3 channels"))


def group(root: Path, path: str, **files: str) -> None:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def in_group(root: Path, lines: str) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(lines)


def test_the_smallest_limit_on_the_way_to_the_root(tmp_path: Path) -> None:
    """A service of systemd: its slice is limited, not the service itself."""
    in_group(tmp_path, "0::/system.slice/dptscope.service\n")
    group(tmp_path, "system.slice/dptscope.service", memory__max="max", memory__current=str(5 * MIB))
    group(tmp_path, "system.slice", memory__max=str(300 * MIB), memory__current=str(100 * MIB), cpu__max="50000 100000")
    group(tmp_path, "", memory__max=str(900 * MIB), memory__current=str(600 * MIB))
    assert available_bytes(tmp_path) == 200 * MIB
    assert available_cpus(tmp_path) == 1


def test_a_container_that_sees_the_path_of_its_host(tmp_path: Path) -> None:
    in_group(tmp_path, "3:cpu,cpuacct:/docker/4711\n4:memory:/docker/4711\n")
    group(tmp_path, "memory", memory__limit_in_bytes=str(70 * MIB), memory__usage_in_bytes=str(20 * MIB))
    group(tmp_path, "cpu,cpuacct", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert available_bytes(tmp_path) == 50 * MIB
    assert available_cpus(tmp_path) == 1


def test_a_namespace_whose_path_leads_out_of_it(tmp_path: Path) -> None:
    in_group(tmp_path, "0::/../../other\n")
    group(tmp_path, "", memory__max=str(70 * MIB), memory__current=str(20 * MIB))
    assert available_bytes(tmp_path) == 50 * MIB


@pytest.mark.parametrize("text", ["", "max", "max 100000", "-1", "many words here", "100000 0", "\xff"])
def test_odd_files_are_no_limit(tmp_path: Path, text: str) -> None:
    in_group(tmp_path, "no colons\n0::/\n7:memory\n")
    group(tmp_path, "", memory__max=text, memory__current=text, cpu__max=text)
    (tmp_path / "sys/fs/cgroup/memory.stat").write_bytes(b"\xff\xfe\n file\n")
    assert available_bytes(tmp_path) is None
    assert available_cpus(tmp_path) == available_cpus(tmp_path / "nothing")


def test_quotas_are_rounded_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    in_group(tmp_path, "0::/\n")
    group(tmp_path, "", cpu__max="150000 100000")
    assert available_cpus(tmp_path) == 2
    group(tmp_path, "", cpu__max="max 100000")
    assert available_cpus(tmp_path) == 8


def test_a_small_run_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of files would be read for it; a large one is, and refused where there is nothing."""
    card = dptscope.load(MODEL).card
    monkeypatch.setattr("dptscope.process.limits.available_bytes", lambda: 0)
    check_memory(card, (252, 252))
    with pytest.raises(SizeError, match=r"got 0\.0 GiB free"):
        check_memory(card, (1036, 1036))
