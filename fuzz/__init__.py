"""Hostile files, by hand and by the thousand: see the README of this folder. What it shares with the tests lies in theirs."""

import sys
from pathlib import Path

_TESTS = str(Path(__file__).parents[1] / "tests")
if _TESTS not in sys.path:
    sys.path.append(_TESTS)
