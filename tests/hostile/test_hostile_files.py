"""Hostile photos, models, checkpoints and settings: all that are made by hand, and some seeded mutations.

The full run, with as many mutations as one likes: see the README of this folder.
"""

from __future__ import annotations

from itertools import chain
from types import ModuleType

import pytest
from hostile import checkpoints, models, photos, settings
from hostile.run_cases import Tally, run_all

MUTATIONS = {photos: 100, models: 140, checkpoints: 80, settings: 20}


@pytest.mark.parametrize(("files", "mutations"), MUTATIONS.items(), ids=[files.__name__ for files in MUTATIONS])
def test_hostile_files(files: ModuleType, mutations: int) -> None:
    tally = Tally()
    wrong = list(tally.add(run_all(chain(files.by_hand(), files.mutated(mutations)), files.good())))
    assert not wrong, "\n".join(wrong)
    assert tally.total()["worked"] > 10
    assert tally.total()["refused"] > 10
