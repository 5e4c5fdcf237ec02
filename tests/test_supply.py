"""The declared bounds are those that are tested, and the locks pin what the project asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]


def pins(name: str) -> dict[str, Version]:
    """Versions by package, of the lines ``package==version``."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements" / name).read_text().splitlines())
    parts = (line.split(";")[0].split("==") for line in lines if "==" in line)
    return {package.strip().lower(): Version(version.strip()) for package, version in parts}


def test_the_lowest_releases_are_the_declared_ones() -> None:
    lowest = pins("lowest.txt")
    assert set(lowest) == {requirement.name for requirement in BASE}
    for requirement in BASE:
        (bound,) = (Version(part.version) for part in requirement.specifier if part.operator == ">=")
        got = lowest[requirement.name].release
        assert got[: len(bound.release)] == bound.release, requirement


@pytest.mark.parametrize(("name", "wanted"), [("base.txt", BASE), ("all.txt", [*BASE, *EXTRAS])])
def test_locks_pin_every_dependency(name: str, wanted: list[Requirement]) -> None:
    locked = pins(name)
    for requirement in wanted:
        version = locked[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), (requirement, version)


@pytest.mark.parametrize("name", ["base.txt", "all.txt", "lowest.txt"])
def test_locks_name_no_host(name: str) -> None:
    assert "://" not in (ROOT / "requirements" / name).read_text()


def test_the_tested_pytorch_is_the_locked_one() -> None:
    source = (ROOT / "exporter/dptscope_export/pipeline.py").read_text()
    (tested,) = re.findall(r'^TESTED_TORCH = "([\d.]+)"', source, re.MULTILINE)
    assert pins("all.txt")["torch"].release[:2] == Version(tested).release


def test_the_dockerfile_follows_the_readme() -> None:
    """Nobody builds it here; what it installs is what .ci/bare_root installs, which is the README's first block."""
    (wanted,) = re.findall(
        r"^apt-get update && (apt-get install [^#\n]*[^#\s])", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"&& {wanted} &&" in dockerfile
    assert "python3 -m venv" in dockerfile and "USER 1000" in dockerfile
