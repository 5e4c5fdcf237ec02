"""The arrows between the rooms run one way, and the public surface is the one that is meant."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dptscope

ROOT = Path(__file__).parents[1]

# room: (folder, what it must never import, anywhere in its files)
ROOMS = {
    "runtime": (ROOT / "runtime/dptscope", {"torch", "onnx", "onnx_ir", "dptscope_export", "dptscope_view"}),
    "viewer": (ROOT / "viewer/dptscope_view", {"torch", "onnx", "onnx_ir", "onnxruntime", "dptscope_export"}),
    "exporter": (ROOT / "exporter/dptscope_export", {"dptscope_view", "cv2", "transformers", "timm"}),
}


def imported(file: Path) -> set[str]:
    """Top-level names of all packages that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_no_forbidden_import(room: str) -> None:
    folder, forbidden = ROOMS[room]
    files = sorted(folder.rglob("*.py"))
    assert files or room == "viewer"
    for file in files:
        assert not imported(file) & forbidden, file


def test_the_scan_would_see_one(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from torch.nn import Module\n")
    assert imported(file) == {"torch"}


def test_import_is_light() -> None:
    """Importing the package and its command brings in nothing heavy, prints nothing and asks for no extra."""
    code = (
        "import sys, dptscope, dptscope.commands.app; dptscope.commands.app.build_app();"
        "print(sorted({'torch', 'onnx', 'dptscope_export.pipeline', 'transformers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_public_names() -> None:
    assert set(dptscope.__all__) == {
        "BlockSpec",
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
        "load",
    }
    assert all(hasattr(dptscope, name) for name in dptscope.__all__)
