"""Hostile photos, models and checkpoints: all that are made by hand, and some seeded mutations.

The full run, with as many mutations as one likes: see the README of this folder.
"""

from __future__ import annotations

from itertools import chain
from types import ModuleType

import pytest
from hostile import checkpoints, models, photos
from hostile.run_cases import Tally, run_all


@pytest.mark.parametrize(
    ("files", "mutations"), [(photos, 100), (models, 140), (checkpoints, 80)], ids=["photos", "models", "checkpoints"]
)
def test_hostile_files(files: ModuleType, mutations: int) -> None:
    tally = Tally()
    wrong = list(tally.add(run_all(chain(files.by_hand(), files.mutated(mutations)), files.good())))
    assert not wrong, "\n".join(wrong)
    assert tally.total()["worked"] > 10
    assert tally.total()["refused"] > 10
