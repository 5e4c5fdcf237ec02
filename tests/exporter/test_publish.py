"""Files take their final places so that a kill, a full disk or a second export never leaves parts of two models."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from support.full_disk import run_without_rights

import dptscope
from dptscope import DptscopeError
from dptscope.contract import METADATA_PREFIX
from dptscope.session import Session
from dptscope_export.publish import append_metadata, publish, save, staging_folder

DATA = Path(__file__).parents[1] / "data"
ENDINGS = (".onnx", ".fusion.onnx", ".preview.onnx")

# Publishes two models in turn under one name, for ever.
PUBLISHES = """
import shutil, sys
from pathlib import Path
from dptscope_export.publish import publish, staging_folder
folder, target = Path(sys.argv[1]), Path(sys.argv[1]) / "m.onnx"
while True:
    for model in sys.argv[2:]:
        with staging_folder(target) as staged:
            for file in (folder / model).iterdir():
                shutil.copy(file, staged)
            publish(staged, target)
        print("one more", flush=True)
"""


def two_models(folder: Path) -> None:
    """Two that differ in their ids alone, each in a folder of its own."""
    model_id = dptscope.load(DATA / "tiny.onnx").card.model_id.encode()
    for name, other in (("a", b"a" * len(model_id)), ("b", b"b" * len(model_id))):
        (folder / name).mkdir()
        for ending in ENDINGS:
            data = (DATA / f"tiny{ending}").read_bytes()
            assert data.count(model_id) >= 1
            (folder / name / f"m{ending}").write_bytes(data.replace(model_id, other))


def start(folder: Path, *models: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PUBLISHES, str(folder), *models]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_kills_at_random_moments(tmp_path: Path) -> None:
    two_models(tmp_path)
    dice = random.Random(0)
    for _ in range(8):
        with start(tmp_path, "a", "b") as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        assert dptscope.load(tmp_path / "m.onnx").card.model_id[0] in "ab"
    with staging_folder(tmp_path / "m.onnx"):
        assert len(leftovers(tmp_path)) == 1  # this one's own
    assert not leftovers(tmp_path)


# Publishes model b over model a and dies before the step with the number that is given; says when it was not reached.
DIES_BEFORE = """
import os, shutil, signal, sys
from pathlib import Path
from dptscope_export.publish import publish, staging_folder
folder, target = Path(sys.argv[1]), Path(sys.argv[1]) / "m.onnx"
def dying(step, left):
    def instead(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    return instead
for number in range(1, 100):
    for file in (folder / "a").iterdir():
        shutil.copy(file, folder)
    child = os.fork()
    if not child:
        with staging_folder(target) as staged:
            for file in (folder / "b").iterdir():
                shutil.copy(file, staged)
            left = [number]
            Path.replace, Path.unlink = dying(Path.replace, left), dying(Path.unlink, left)
            publish(staged, target)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("done" if status == 0 else "killed", flush=True)
    sys.stdin.readline()
    if status == 0:
        break
"""


def test_a_kill_between_any_two_steps(tmp_path: Path) -> None:
    """The model is the old or the new one, with its own companion and preview, or for a moment without."""
    two_models(tmp_path)
    command = [sys.executable, "-c", DIES_BEFORE, str(tmp_path)]
    states = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        while line := process.stdout.readline():
            states.append("".join(owner(tmp_path / f"m{ending}") for ending in ENDINGS))
            dptscope.load(tmp_path / "m.onnx")
            process.stdin.write("go on\n")
            process.stdin.flush()
    assert process.returncode == 0 and line == ""
    assert states == ["aaa", "a-a", "a--", "b--", "bb-", "bbb", "bbb", "bbb", "bbb", "bbb", "bbb"]
    with staging_folder(tmp_path / "m.onnx"):
        assert len(leftovers(tmp_path)) == 1


def owner(path: Path) -> str:
    """The letter of the model that a file belongs to."""
    if not path.exists():
        return "-"
    (model_id,) = (entry.value for entry in onnx.load(path).metadata_props if entry.key == f"{METADATA_PREFIX}model_id")
    return str(model_id[0])


def test_two_exports_to_one_name(tmp_path: Path) -> None:
    two_models(tmp_path)
    with start(tmp_path, "a") as one, start(tmp_path, "b") as other:
        for process in (one, other):
            assert process.stdout is not None
            for _ in range(10):
                assert process.stdout.readline() == "one more\n"
        for process in (one, other):
            process.kill()
    dptscope.load(tmp_path / "m.onnx")  # raises where companion and model are of two exports


def publish_one(folder: Path, model: str) -> None:
    """Put model ``a`` or ``b`` under the common name."""
    with staging_folder(folder / "m.onnx") as staged:
        for file in (folder / model).iterdir():
            shutil.copy(file, staged)
        publish(staged, folder / "m.onnx")


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_an_export_while_the_old_one_is_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: int
) -> None:
    """Between two of its three files it says so, after the last the old one is open; never parts of both."""
    two_models(tmp_path)
    publish_one(tmp_path, "a")
    left = [opened]

    def open_and_be_overtaken(*arguments: Any) -> Any:
        session = Session(*arguments)
        left[0] -= 1
        if left[0] == 0:
            publish_one(tmp_path, "b")
        return session

    monkeypatch.setattr("dptscope.graphs.Session", open_and_be_overtaken)
    if opened < 3:
        with pytest.raises(dptscope.ModelFileError, match="replacing them just now, try again"):
            dptscope.load(tmp_path / "m.onnx")
    else:
        assert dptscope.load(tmp_path / "m.onnx").card.model_id[0] == "a"
    model = dptscope.load(tmp_path / "m.onnx")
    assert model.card.model_id[0] == "b" and model.has_companion and model.has_preview


def test_an_export_while_the_old_one_is_open(tmp_path: Path) -> None:
    """Whoever has it open keeps it, as a viewer does."""
    two_models(tmp_path)
    publish_one(tmp_path, "a")
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    model = dptscope.load(tmp_path / "m.onnx")
    before = model.prepare(image).depth((1, 0.5, 1, 1))
    publish_one(tmp_path, "b")
    assert dptscope.load(tmp_path / "m.onnx").card.model_id[0] == "b"
    assert model.card.model_id[0] == "a"
    np.testing.assert_array_equal(model.prepare(image).depth((1, 0.5, 1, 1)), before)


def test_weights_beside_the_graph_are_not_left_over(tmp_path: Path) -> None:
    two_models(tmp_path)
    target = tmp_path / "m.onnx"
    (tmp_path / "m.onnx.data").write_bytes(b"of an export before")
    with staging_folder(target) as staged:
        for ending in ENDINGS:
            shutil.copy(tmp_path / "a" / f"m{ending}", staged)
        paths = publish(staged, target)
    assert [path.name for path in paths] == ["m.fusion.onnx", "m.preview.onnx", "m.onnx"]
    assert not (tmp_path / "m.onnx.data").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 300 kB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    return folder


def test_a_full_disk(small_disk: Path) -> None:
    import onnx_ir as ir

    target = small_disk / "m.onnx"
    try:
        full = pytest.raises(DptscopeError, match=r"m\.onnx: cannot be written \(No space left on device\)")
        with full, staging_folder(target) as staged:
            save(ir.load(DATA / "tiny.onnx"), staged / "m.onnx")
        with pytest.raises(DptscopeError, match="No space left on device"), staging_folder(target) as staged:
            (staged / "m.onnx").write_bytes(b"")
            append_metadata(staged / "m.onnx", {METADATA_PREFIX + "parity": "x" * 400_000})
        assert not list(small_disk.iterdir())
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


NO_RIGHTS = """
import sys
from pathlib import Path
from dptscope.errors import DptscopeError
from dptscope_export.publish import staging_folder
try:
    with staging_folder(Path(sys.argv[1])):
        pass
except DptscopeError as error:
    print(error)
"""


def test_no_permission(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    ended = run_without_rights(["-c", NO_RIGHTS, folder / "m.onnx"], folder)
    assert ended.stdout == f"{folder / 'm.onnx'}: cannot be written (Permission denied)\n"
