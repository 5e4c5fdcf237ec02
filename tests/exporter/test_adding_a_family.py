"""The guide points at real lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "exporter" / "ADDING_A_FAMILY.md"
NEAR = 20  # lines
LINKS = re.findall(r"\[`?(\w+)`?\]\(([^)#]+)#L(\d+)\)", GUIDE.read_text(encoding="utf-8"))


def test_the_guide_has_links() -> None:
    assert len(LINKS) >= 15


@pytest.mark.parametrize(("name", "path", "line"), LINKS, ids=[f"{name}-{line}" for name, _, line in LINKS])
def test_each_link_leads_to_what_it_names(name: str, path: str, line: str) -> None:
    """To within a screenful, so that an edit nearby does not break the build."""
    word = {"folded": "fold"}.get(name, name)
    lines = (GUIDE.parent / path).read_text(encoding="utf-8").splitlines()
    found = [number for number, text in enumerate(lines, 1) if re.match(rf"((class|def) )?{word}\b", text)]
    assert any(abs(number - int(line)) <= NEAR for number in found), f"{path}: {word} is at {found}"
