"""Hostile photos, models and checkpoints: all that are made by hand, and some seeded mutations.

The full run, with as many mutations as one likes: see the README of this folder.
"""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import pytest
from hostile import checkpoints, models, photos
from hostile.children import Children
from hostile.run_cases import run_all


@pytest.mark.parametrize(
    ("files", "mutations"), [(photos, 60), (models, 80), (checkpoints, 30)], ids=["photos", "models", "checkpoints"]
)
def test_hostile_files(files: ModuleType, mutations: int) -> None:
    ended: Counter[str] = Counter()
    with Children(with_torch=files is checkpoints) as children:
        wrong = [
            line for cases in (files.by_hand(), files.mutated(mutations)) for line in run_all(cases, children, ended)
        ]
    assert not wrong, "\n".join(wrong)
    assert ended["worked"] > 10
    assert ended["refused"] > 10
