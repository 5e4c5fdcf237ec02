"""Every command in the README's fenced blocks is run, with stand-ins where a download or a screen would be needed.

- ``MODEL.onnx`` is the small model in ``tests/data``, ``PHOTO`` a photo of scikit-image.
- Checkpoints, folders and published names are paths of that name in the working folder, which always win over a download
  (``exporter/test_sources.py`` downloads, from a server on the loopback address). They are read, recognised and built into
  the torch model; then the small model's files are taken for the export's, because tracing is the same for all of them and is
  tested elsewhere.
- What opens a window or a browser is told not to; what other tests run as it stands is named in :data:`ELSEWHERE`.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support import oracle
from support.seeded import seeded_tensors, write_tiny

import dptscope
from dptscope.commands import app as cli
from dptscope_export import pipeline
from dptscope_export.checkpoints.read import read_checkpoint
from dptscope_export.families import recognise

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Beginning of a command, and who runs it.
ELSEWHERE = {
    "apt-get": ROOT / ".ci/bare_root",
    "python3 -m venv": ROOT / ".ci/bare_root",
    ". .venv": ROOT / ".ci/bare_root",
    "pip install": ROOT / ".ci/environments",
    "python -m pytest": ROOT / ".ci/run",
    "dptscope demo": ROOT / "tests/viewer/test_demo.py",
}
FOLDERS = ("Depth-Anything-V2-Small-hf", "depth-anything/Depth-Anything-V2-Small-hf", "dpt_beit_base_384")


def fenced(language: str) -> list[str]:
    """The README's blocks of one language, which stands behind the opening fence."""
    fences = re.split(r"^```(\w*)\n", README, flags=re.MULTILINE)
    return [body for opening, body in zip(fences[1::4], fences[2::4], strict=True) if opening == language]


def commands() -> list[str]:
    lines = [line for block in fenced("") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("  #")[0].split("&&")]
    return [part for part in parts if part]


HERE = [command for command in commands() if not command.startswith(tuple(ELSEWHERE))]


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, photo_path: Path) -> Path:
    """A folder in which the README's names are there."""
    folder = tmp_path_factory.mktemp("readme")
    for file in tiny_model.parent.glob("tiny*.onnx"):
        shutil.copy(file, folder / file.name.replace("tiny", "MODEL"))
        shutil.copy(file, folder / file.name.replace("tiny", "OTHER"))
        shutil.copy(file, folder / file.name.replace("tiny", "depth_anything_v2_vits"))
    shutil.copy(photo_path, folder / "PHOTO.png")
    for name in ("depth_anything_v2_vits.pth", "my_finetune.pth"):
        torch.save(seeded_tensors(), folder / name)
    shutil.copytree(Path(dptscope.__file__).parent / "assets/photos", folder / "photos")
    (folder / "checkpoints").mkdir()
    for name in ("first", "second"):
        write_tiny(folder / "checkpoints" / f"{name}.safetensors")
    model = oracle.depth_anything(blocks=4, out_indices=(1, 2, 3, 4), seed=1)
    for name in FOLDERS:
        oracle.save_hugging_face(model, folder / name)
    return folder


@pytest.fixture
def folder(tmp_path: Path, stand_ins: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own with these names."""
    shutil.copytree(stand_ins, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stand_in(word: str) -> str:
    """A word of the README as an argument."""
    return re.sub(r"^PHOTO(\|FOLDER)?…?$", "PHOTO.png", word)


@pytest.mark.parametrize("command", HERE)
def test_command(
    command: str, folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = shlex.split(command)
    arguments = [stand_in(word) for word in words]

    def read_and_build(
        path: Path, output: Any, options: Any, opset: int, report: Any, name: Any, *_rest: Any, **_more: Any
    ) -> Any:
        checkpoint = read_checkpoint(path, name)
        plan = recognise(checkpoint, options)
        pipeline.build(checkpoint, plan)
        return path

    if program == "python":
        monkeypatch.setattr(sys, "argv", arguments)
        try:
            runpy.run_path(str(ROOT / arguments[0]), run_name="__main__")
        except SystemExit as ended:
            assert not ended.code
        return
    assert program == "dptscope"
    shown: list[object] = []
    monkeypatch.setattr(pipeline, "export", read_and_build)
    monkeypatch.setattr("dptscope_export.progress.show_result", lambda *result: shown.append(result))
    monkeypatch.setattr("netron.serve", lambda file, *_rest, **_more: (shown.append(file), ("localhost", 1))[1])
    monkeypatch.setattr("netron.wait", lambda: None)
    monkeypatch.setattr("dptscope_page.server.serve_page", lambda files, *_rest, **_more: shown.append(files))
    if arguments[0] == "view":
        arguments += ["--render", "drawn.png"]
    if arguments[0] == "quantise":  # random weights make a depth in which every step of eight bits is seen
        arguments += ["--floor", "0"]
    assert cli.run(arguments) == 0, capsys.readouterr().err
    if arguments[0] in ("export", "open") or "--serve" in arguments:
        assert shown


def test_python(folder: Path, photo_bgr: Any) -> None:
    """The Python blocks, one after the other, with a photo as ``image_bgr``."""
    names: dict[str, Any] = {"image_bgr": photo_bgr}
    for block in fenced("python"):
        exec(compile(block, "README.md", "exec"), names)  # our own text
    assert names["result"].depth.shape == photo_bgr.shape[:2] == names["depth"].shape
    assert len(names["norms"]) == len(dptscope.load("MODEL.onnx").card.blocks)


def test_commands_were_found() -> None:
    assert len(HERE) >= 14
    assert {command.split()[1] for command in HERE if command.startswith("dptscope")} >= {
        "export", "models", "depth", "norms", "info", "view", "open",
    }  # fmt: skip


@pytest.mark.parametrize("beginning", ELSEWHERE)
def test_the_others_are_run_elsewhere(beginning: str) -> None:
    words = beginning.split()[-1].rpartition("/")[2].removesuffix(".py")
    assert words in ELSEWHERE[beginning].read_text(encoding="utf-8")


def test_links_and_pictures() -> None:
    """What the README and the pages beside it point to is there."""
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_inline_commands_exist() -> None:
    """Subcommands that are named in the running text."""
    known = {command.name for command in cli.build_app().registered_commands}
    named = set(re.findall(r"`dptscope ([a-z]+)", README))
    assert named <= known, named - known
