"""The arrows between the packages and their rooms run one way, some things are done in one place only, and the public surface
is the one that is meant. Beside each rule stands why."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import dptscope

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "dptscope": ROOT / "runtime/dptscope",
    "dptscope_export": ROOT / "exporter/dptscope_export",
    "dptscope_view": ROOT / "viewer/dptscope_view",
    "dptscope_page": ROOT / "page/dptscope_page",
    "dptscope_survey": ROOT / "survey/dptscope_survey",
}

# Prefix of a module's name: names of modules that it must never import, anywhere in its files, and why.
NEVER = [
    (
        "dptscope.",
        "torch onnx onnx_ir dptscope_export dptscope_view dptscope_page dptscope_survey",
        "the runtime needs no PyTorch, and no package above it",
    ),
    ("dptscope_view.", "torch onnx onnx_ir onnxruntime dptscope_export dptscope_survey", "the viewer asks the runtime"),
    ("dptscope_page.", "torch onnx onnx_ir onnxruntime dptscope_export dptscope_view", "the page runs in the browser"),
    (
        "dptscope_survey.",
        "torch onnx onnx_ir onnxruntime cv2 dptscope_export dptscope_view dptscope_page",
        "a survey asks the runtime",
    ),
    (
        "dptscope_export.",
        "dptscope_view dptscope_page dptscope_survey cv2 transformers timm",
        "an export needs no screen, and no other implementation",
    ),
    (
        "dptscope.process.",
        "dptscope.files dptscope.pictures dptscope.commands dptscope.model",
        "the process knows no depth",
    ),
    ("dptscope.files.", "dptscope.pictures dptscope.commands dptscope.model dptscope.card", "bytes in, bytes out"),
    ("dptscope.pictures.", "dptscope.files dptscope.process dptscope.commands", "arrays in, arrays out"),
    (
        "dptscope_export.quantise.",
        "torch onnxsim onnxscript safetensors dptscope_export.pipeline dptscope_export.verify dptscope_export.families",
        "from ONNX to ONNX, on machines without PyTorch",
    ),
    (
        "dptscope_export.models.",
        "dptscope_export.graph dptscope_export.families",
        "the networks know nothing of exporting",
    ),
]

# What may be done in some files only: a pattern of source text, where it belongs, and why.
ONLY = [
    (
        r"^\s*(import|from) onnxruntime",
        r"dptscope/ort\.py|quantise/int8\.py",
        "telemetry off first, subnormal numbers flushed in every run",
    ),
    (r"^\s*(import|from) cv2", r"dptscope/opencv\.py", "loaded when it is first used, and says what is missing"),
    (
        r"cv2\.(putText|applyColorMap|rectangle|circle|polylines|fillPoly)",
        r"/(pictures|ui)/",
        "one picture of one thing",
    ),
    (r"cv2\.(imencode|imdecode|imread|imwrite)", r"dptscope/files/", "one reader and one writer of pictures"),
    (
        r"^\s*(import|from) fcntl|os\.replace|os\.link",
        r"dptscope/files/|publish\.py",
        "one way to appear whole or not at all",
    ),
    (r"^\s*(import|from) signal|os\._exit", r"dptscope/process/|display\.py", "one way to end the process"),
    (r"/sys/fs/cgroup|\"proc/", r"dptscope/process/limits\.py", "one reader of limits"),
]

# The toolkit knows nothing of depth: what it may take from the runtime is text, colours, and OpenCV itself.
UI_MAY = ("dptscope.pictures.text", "dptscope.pictures.colours", "dptscope.opencv", "dptscope.arrays")


def modules() -> Iterator[tuple[str, Path]]:
    """Every module by its dotted name."""
    for package, folder in PACKAGES.items():
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            yield ".".join([package, *(part for part in parts if part != "__init__")]), file


def imported(source: str, deferred: bool = True, known: Collection[str] = ()) -> set[str]:
    """Full names of what a file imports; without what functions and type checkers import if not ``deferred``. ``from package
    import module`` is an arrow to the module alone, where that is ``known``."""
    names: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if not deferred and isinstance(child, ast.FunctionDef | ast.Lambda):
                continue
            if not deferred and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                names.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                full = {f"{child.module}.{alias.name}" for alias in child.names}
                names.update(full if full <= set(known) else full | {child.module})
            walk(child)

    walk(ast.parse(source))
    return names


def is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


@pytest.mark.parametrize(("room", "banned", "why"), NEVER, ids=[room for room, *_ in NEVER])
def test_arrows_run_one_way(room: str, banned: str, why: str) -> None:
    looked_at = 0
    for module, file in modules():
        if module.startswith(room):
            looked_at += 1
            for name in imported(file.read_text(encoding="utf-8")):
                assert not any(is_within(name, other) for other in banned.split()), f"{module} imports {name}: {why}"
    assert looked_at


@pytest.mark.parametrize(("pattern", "place", "why"), ONLY, ids=[why for *_, why in ONLY])
def test_one_place_only(pattern: str, place: str, why: str) -> None:
    found = [file for _, file in modules() if re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)]
    assert found, "a rule about nothing"
    strays = [file.relative_to(ROOT).as_posix() for file in found if not re.search(place, file.as_posix())]
    assert not strays, why


def test_the_toolkit_knows_nothing_of_depth() -> None:
    for module, file in modules():
        if module.startswith("dptscope_view.ui"):
            for name in imported(file.read_text(encoding="utf-8")):
                if name.startswith("dptscope.") or name.startswith("dptscope_view."):
                    allowed = (*UI_MAY, "dptscope_view.ui")
                    assert any(is_within(name, may) or is_within(may, name) for may in allowed), f"{module}: {name}"


def test_no_circles() -> None:
    known = dict(modules())
    arrows = {
        module: (imported(file.read_text(encoding="utf-8"), False, known) & known.keys()) - {module}
        for module, file in known.items()
    }
    while arrows:
        ends = {module for module, others in arrows.items() if not others & arrows.keys()}
        assert ends, f"a circle among {sorted(arrows)}"
        arrows = {module: others for module, others in arrows.items() if module not in ends}


def test_the_scan_would_see_them() -> None:
    source = "import a.b\nif TYPE_CHECKING:\n    import c\ndef f():\n    from torch.nn import Module\n"
    assert imported(source) == {"a.b", "c", "torch.nn", "torch.nn.Module"}
    assert imported(source, deferred=False) == {"a.b"}
    assert is_within("torch.nn", "torch") and not is_within("torchvision", "torch")


def test_import_is_light() -> None:
    """Importing the package and its command brings in nothing heavy, prints nothing and asks for no extra."""
    code = (
        "import sys, dptscope, dptscope.commands.app as app; app.build_app();"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'cv2', 'pydantic', 'dptscope_export.pipeline'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_public_names() -> None:
    assert set(dptscope.__all__) == {
        "Attention",
        "BlockSpec",
        "Cancellation",
        "CancelledError",
        "Comparison",
        "DepthModel",
        "DptscopeError",
        "ImageError",
        "ModelCard",
        "ModelFileError",
        "NormStatistics",
        "Parity",
        "Prediction",
        "Preparation",
        "ProviderError",
        "Scene",
        "SizeError",
        "compare",
        "load",
    }
    assert all(hasattr(dptscope, name) for name in dptscope.__all__)
