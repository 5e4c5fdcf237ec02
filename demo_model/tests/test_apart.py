"""Nothing outside the workshop imports it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("runtime", "exporter", "viewer", "tests", "fuzz", "benchmarks", "examples")
IMPORT = re.compile(r"^\s*(from|import) demo_model\b", re.MULTILINE)


def importers(folders):
    """Files of these folders that import the package."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return [file.relative_to(ROOT).as_posix() for file in files if IMPORT.search(file.read_text(encoding="utf-8"))]


def test_nothing_imports_the_workshop():
    assert importers(FOLDERS) == []
    assert "demo_model/ship.py" in importers(("demo_model",))
